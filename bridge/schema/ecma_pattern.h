// ECMA-262 regular expressions (with the flag u) in the syntax of PCRE2.
#pragma once

#include "bridge/base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace schema {

// The same pattern for PCRE2 with PCRE2_UTF, PCRE2_DOLLAR_ENDONLY and PCRE2_MATCH_UNSET_BACKREF
// and without PCRE2_UCP. invalid: not ECMA-262, with the offset and what is expected there. Only
// well-formed UTF-8 is accepted.
base::Result<std::string> pcre2_pattern(std::string_view ecma);

// "Letter" and "General_Category=Letter" become "L", "Script=Greek" "sc:Greek", "Emoji" itself;
// nothing if ECMA-262 does not know the property.
std::optional<std::string> pcre2_property(std::string_view ecma);

}  // namespace schema
