// Whether a bead may be called done.
#pragma once

#include "bridge/protocol/message_types.h"
#include "bridge/services/beads/archive.h"

#include <string>
#include <vector>

namespace beads {

struct Gate {
  // Why the bead is not done, each in one line; empty if it is.
  std::vector<std::string> reasons;
  // The request whose answer decides; empty if there is none.
  std::string decided_by;

  bool is_open() const { return reasons.empty(); }
};

// Open only if the newest answered ACCEPTANCE_GATE about the bead as it reads now has a response
// that is valid, answers that very request, and says verdict ok and passed true. Whatever cannot be
// read keeps the gate shut.
Gate judge_gate(const Archive& archive, const Bead& bead, const protocol::MessageTypes& types);

}  // namespace beads
