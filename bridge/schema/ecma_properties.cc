#include "bridge/schema/ecma_pattern.h"

#include <algorithm>
#include <iterator>

namespace schema {
namespace {

struct Category {
  std::string_view name;
  std::string_view code;
};

// ECMA-262, table 68, values of General_Category; sorted by name.
constexpr Category categories[] = {
    {"Cased_Letter", "L&"},
    {"Close_Punctuation", "Pe"},
    {"Combining_Mark", "M"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"LC", "L&"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Surrogate", "Cs"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Unassigned", "Cn"},
    {"Uppercase_Letter", "Lu"},
    {"cntrl", "Cc"},
    {"digit", "Nd"},
    {"punct", "P"},
};

constexpr std::string_view category_codes[] = {
    "C",  "Cc", "Cf", "Cn", "Co", "Cs", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

// ECMA-262, table 67, with the aliases; sorted.
constexpr std::string_view binary_properties[] = {"AHex",
                                                  "ASCII",
                                                  "ASCII_Hex_Digit",
                                                  "Alpha",
                                                  "Alphabetic",
                                                  "Any",
                                                  "Bidi_C",
                                                  "Bidi_Control",
                                                  "Bidi_M",
                                                  "Bidi_Mirrored",
                                                  "CI",
                                                  "CWCF",
                                                  "CWCM",
                                                  "CWKCF",
                                                  "CWL",
                                                  "CWT",
                                                  "CWU",
                                                  "Case_Ignorable",
                                                  "Cased",
                                                  "Changes_When_Casefolded",
                                                  "Changes_When_Casemapped",
                                                  "Changes_When_Lowercased",
                                                  "Changes_When_Titlecased",
                                                  "Changes_When_Uppercased",
                                                  "DI",
                                                  "Dash",
                                                  "Default_Ignorable_Code_Point",
                                                  "Dep",
                                                  "Deprecated",
                                                  "Dia",
                                                  "Diacritic",
                                                  "EBase",
                                                  "EComp",
                                                  "EMod",
                                                  "EPres",
                                                  "Emoji",
                                                  "Emoji_Component",
                                                  "Emoji_Modifier",
                                                  "Emoji_Modifier_Base",
                                                  "Emoji_Presentation",
                                                  "Ext",
                                                  "ExtPict",
                                                  "Extended_Pictographic",
                                                  "Extender",
                                                  "Gr_Base",
                                                  "Gr_Ext",
                                                  "Grapheme_Base",
                                                  "Grapheme_Extend",
                                                  "Hex",
                                                  "Hex_Digit",
                                                  "IDC",
                                                  "IDS",
                                                  "IDSB",
                                                  "IDST",
                                                  "IDS_Binary_Operator",
                                                  "IDS_Trinary_Operator",
                                                  "ID_Continue",
                                                  "ID_Start",
                                                  "Ideo",
                                                  "Ideographic",
                                                  "Join_C",
                                                  "Join_Control",
                                                  "LOE",
                                                  "Logical_Order_Exception",
                                                  "Lower",
                                                  "Lowercase",
                                                  "Math",
                                                  "NChar",
                                                  "Noncharacter_Code_Point",
                                                  "Pat_Syn",
                                                  "Pat_WS",
                                                  "Pattern_Syntax",
                                                  "Pattern_White_Space",
                                                  "QMark",
                                                  "Quotation_Mark",
                                                  "RI",
                                                  "Radical",
                                                  "Regional_Indicator",
                                                  "SD",
                                                  "STerm",
                                                  "Sentence_Terminal",
                                                  "Soft_Dotted",
                                                  "Term",
                                                  "Terminal_Punctuation",
                                                  "UIdeo",
                                                  "Unified_Ideograph",
                                                  "Upper",
                                                  "Uppercase",
                                                  "VS",
                                                  "Variation_Selector",
                                                  "White_Space",
                                                  "XIDC",
                                                  "XIDS",
                                                  "XID_Continue",
                                                  "XID_Start",
                                                  "space"};

std::optional<std::string> category(std::string_view name) {
  const auto* place = std::ranges::lower_bound(categories, name, {}, &Category::name);
  if (place != std::end(categories) && place->name == name) return std::string(place->code);
  if (std::ranges::binary_search(category_codes, name)) return std::string(name);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> pcre2_property(std::string_view ecma) {
  const auto equals = ecma.find('=');
  if (equals == ecma.npos) {
    if (auto code = category(ecma)) return code;
    if (std::ranges::binary_search(binary_properties, ecma)) return std::string(ecma);
    return std::nullopt;
  }
  const auto name = ecma.substr(0, equals);
  const auto value = ecma.substr(equals + 1);
  if (name == "General_Category" || name == "gc") return category(value);
  if (value.empty()) return std::nullopt;
  // PCRE2 knows the scripts and refuses other names itself.
  if (name == "Script" || name == "sc") return "sc:" + std::string(value);
  if (name == "Script_Extensions" || name == "scx") return "scx:" + std::string(value);
  return std::nullopt;
}

}  // namespace schema
