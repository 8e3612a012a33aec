// The outside of a protocol message, read without decoding its inside.
#pragma once

#include "cdp/result.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace cdp {

// Every view points into the scanned message. `params`, `result` and `error` are raw JSON whose
// inside has been skipped, not checked; the other texts are as written, escapes included.
struct Envelope {
  std::optional<std::int64_t> id;
  std::string_view method;
  std::string_view session;
  std::string_view params;
  std::string_view result;
  std::string_view error;
};

// One pass, constant memory. invalid: not one JSON object on the outside.
Result<Envelope> scan_envelope(std::string_view message);

}  // namespace cdp
