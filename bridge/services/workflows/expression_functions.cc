#include "bridge/services/workflows/expression_functions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using base::Code;
using base::Result;
using Arguments = std::vector<json::value>;

namespace {

constexpr std::size_t many = 50;
constexpr std::array<Function, 12> functions = {{
    {"always", "always()", 0, 0, true},
    {"success", "success()", 0, 0, true},
    {"failure", "failure()", 0, 0, true},
    {"cancelled", "cancelled()", 0, 0, true},
    {"contains", "contains(text or list, what)", 2, 2, false},
    {"startsWith", "startsWith(text, beginning)", 2, 2, false},
    {"endsWith", "endsWith(text, ending)", 2, 2, false},
    {"length", "length(text, list or object)", 1, 1, false},
    {"toJSON", "toJSON(value)", 1, 1, false},
    {"fromJSON", "fromJSON(text)", 1, 1, false},
    {"join", "join(list, separator)", 1, 2, false},
    {"format", "format('{0} and {1}', value, value)", 1, many, false},
}};

std::unexpected<base::Error> unfit(std::string_view what) {
  return base::fail(Code::invalid, std::string(what), "wrong_expression");
}

// In time that grows with the texts, not with their product as std::string::find may.
bool holds(std::string_view text, std::string_view what) {
  return what.empty() || memmem(text.data(), text.size(), what.data(), what.size()) != nullptr;
}

Result<json::value> contains(const Arguments& of) {
  if (const auto* list = of[0].if_array()) {
    return std::ranges::any_of(*list, [&](const auto& item) { return is_equal(item, of[1]); });
  }
  if (of[0].is_null()) return false;
  if (!of[0].is_string()) return unfit("contains() looks into a text or a list");
  return holds(of[0].get_string(), as_text(of[1]));
}

Result<json::value> length(const json::value& of) {
  if (const auto* list = of.if_array()) return list->size();
  if (const auto* object = of.if_object()) return object->size();
  if (of.is_null()) return 0;
  if (!of.is_string()) return unfit("length() is of a text, a list or an object");
  // Characters, not bytes.
  return std::ranges::count_if(
      of.get_string(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

Result<json::value> from_json(const json::value& text) {
  if (!text.is_string()) return unfit("fromJSON() reads a text");
  auto value = base::parse_json(text.get_string());
  if (!value) return unfit("fromJSON(): " + value.error().message);
  return value;
}

Result<json::value> join(const Arguments& of, Budget& budget) {
  const auto* list = of[0].if_array();
  if (!list) return unfit("join() joins a list");
  const std::string between = of.size() > 1 ? as_text(of[1]) : ",";
  std::string joined;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string item = as_text((*list)[i]);
    TRY_OK(spend(budget, item.size() + between.size()));
    if (i > 0) joined += between;
    joined += item;
  }
  return json::value(std::move(joined));
}

// {0}, {1}, … stand for the values; {{ and }} for braces.
Result<json::value> format(const Arguments& of, Budget& budget) {
  if (!of[0].is_string()) return unfit("format() begins with a text");
  const std::string_view pattern = of[0].get_string();
  std::string made;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    const bool is_doubled = i + 1 < pattern.size() && pattern[i + 1] == c;
    if ((c == '{' || c == '}') && is_doubled) {
      made += c;
      ++i;
    } else if (c == '{') {
      const auto end = pattern.find('}', i);
      std::size_t number = 0;
      const char* first = pattern.data() + i + 1;
      const char* last = pattern.data() + std::min(end, pattern.size());
      const auto read = std::from_chars(first, last, number);
      if (end == std::string_view::npos || read.ptr != last || read.ec != std::errc() ||
          number + 1 >= of.size()) {
        return unfit(fmt::format("format(): {{…}} at column {} names none of the values", i + 1));
      }
      const std::string value = as_text(of[number + 1]);
      TRY_OK(spend(budget, value.size()));
      made += value;
      i = end;
    } else if (c == '}') {
      return unfit(fmt::format("format(): write }}}} for a brace (column {})", i + 1));
    } else {
      made += c;
    }
  }
  return json::value(std::move(made));
}

}  // namespace

const Function* function_named(std::string_view name) {
  const auto found = std::ranges::find(functions, name, &Function::name);
  return found == functions.end() ? nullptr : &*found;
}

std::vector<std::string> function_names() {
  std::vector<std::string> names;
  for (const auto& function : functions) names.emplace_back(function.name);
  return names;
}

bool is_equal(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  return a == b;
}

Result<> spend(Budget& budget, std::size_t bytes) {
  if (bytes > budget.bytes) {
    return base::fail(Code::invalid, "what is made and compared would be too long", "too_big");
  }
  budget.bytes -= bytes;
  return {};
}

Result<json::value> call(std::string_view name, const Arguments& of, const Situation& situation,
                         Budget& budget) {
  if (name == "always") return true;
  if (name == "success") return situation.is_success();
  if (name == "failure") return situation.is_failed;
  if (name == "cancelled") return situation.is_cancelled;
  if (name == "contains") return contains(of);
  if (name == "startsWith") return as_text(of[0]).starts_with(as_text(of[1]));
  if (name == "endsWith") return as_text(of[0]).ends_with(as_text(of[1]));
  if (name == "length") return length(of[0]);
  if (name == "fromJSON") return from_json(of[0]);
  if (name == "join") return join(of, budget);
  if (name == "format") return format(of, budget);
  BRIDGE_ASSERT(name == "toJSON");
  auto text = base::canonical_json(of[0]);
  TRY_OK(spend(budget, text.size()));
  return json::value(std::move(text));
}

}  // namespace workflow
