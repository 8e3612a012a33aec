// What is wrong with a document, and where.
#pragma once

#include "bridge/base/result.h"

#include <expected>
#include <string>
#include <vector>

namespace protocol {

struct Violation {
  std::string pointer;  // RFC 6901, into the document; empty for the document itself
  std::string keyword;  // the JSON Schema keyword, or the rule of the protocol that is broken
  std::string detail;   // what is wrong and what would be right

  friend bool operator==(const Violation&, const Violation&) = default;
};

// One line for a person: "/plan/0/step: must be at least 1, but is 0".
std::string to_line(const Violation& violation);

// A document that is not what it should be. `reason` is one of
//   not_json      the text is no JSON document
//   unknown_type  msg_type is missing or names no known message type
//   invalid       the schema or the protocol forbids it; `violations` says all that is wrong
struct Refusal : base::Error {
  std::vector<Violation> violations;
};

// Converts to a base::Result where the violations are not wanted.
template <class T>
using Checked = std::expected<T, Refusal>;

}  // namespace protocol
