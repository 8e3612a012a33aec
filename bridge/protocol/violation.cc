#include "bridge/protocol/violation.h"

namespace protocol {

std::string to_line(const Violation& violation) {
  return (violation.pointer.empty() ? "(root)" : violation.pointer) + ": " + violation.detail;
}

}  // namespace protocol
