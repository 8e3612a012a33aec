// The percent-encoded texts of a request target.
#pragma once

#include "bridge/base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

// Decodes strictly: nothing for a '%' without two hexadecimal digits, a control character or
// bytes that are no UTF-8.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

// True for paths that say the same to everybody: they begin with '/', decode strictly, and hold no
// backslash and no "." or ".." segment, encoded or not.
bool is_plain_path(std::string_view path);

// name=value pairs by '&'; invalid: bad encoding, no name, a name that comes twice, or more than
// limits::http_headers_max of them.
base::Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

// Everything but letters, digits and "-._~" encoded.
std::string percent_encoded(std::string_view text);

}  // namespace http
