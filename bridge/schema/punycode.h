// Punycode (RFC 3492): labels of international names in ASCII, without the prefix "xn--".
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace schema {

// Nothing if the text is not Punycode of valid code points.
std::optional<std::u32string> punycode_decoded(std::string_view text);
// How many bytes `label` takes in Punycode.
std::size_t punycode_size(std::u32string_view label);

}  // namespace schema
