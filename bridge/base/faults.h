// Named places where a test makes the world end or fail.
#pragma once

#include "bridge/base/result.h"

#include <string_view>

namespace base {

// Injected where a crash or a failure must be survived; the program itself runs without any.
class Faults {
 public:
  virtual ~Faults() = default;
  // Execution passes `point` ("exchange.armed"). May end the process here, unwind with an
  // exception, or give the error that the operation then fails with.
  virtual Result<> at(std::string_view /*point*/) { return {}; }
};

}  // namespace base
