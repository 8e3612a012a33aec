// Base64 (RFC 4648), which the protocol uses for bytes.
#pragma once

#include "cdp/result.h"

#include <string>
#include <string_view>

namespace cdp {

// invalid: a character outside the alphabet, or a wrong length.
Result<std::string> decode_base64(std::string_view text);

}  // namespace cdp
