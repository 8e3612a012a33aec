// base64url without padding (RFC 4648 §5, as RFC 7515 uses it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace http {

std::string base64url_encoded(std::string_view bytes);
// Only the one canonical spelling of some bytes: no padding, no other characters, no bits left
// over.
std::optional<std::string> base64url_decoded(std::string_view text);

}  // namespace http
