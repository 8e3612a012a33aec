// What is asked about a bead, put together from the bead and from git.
#pragma once

#include "bridge/protocol/packet.h"
#include "bridge/services/beads/bead.h"
#include "bridge/services/beads/git.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace beads {

// The moments of a bead's life that ask for an answer.
enum class Question { plan, evidence, accept };
std::string_view packet_type(Question question);  // RFP_PLAN, EVIDENCE_BUNDLE, ACCEPTANCE_GATE

// Replaces what would be derived.
struct Overrides {
  std::optional<std::string> repo;
  std::optional<std::string> branch;
  std::optional<std::string> goal;
  std::vector<std::string> constraints;
  std::vector<std::string> questions;
  std::vector<json::value> artifacts;  // beside the bead's own
  std::optional<std::string> notes;
  std::optional<std::string> idempotency_key;
};

// Context: repo and branch of `place`; the goal is title and description; constraints are the
// lines of the acceptance criteria, and the tracker's id where the packet's is another one. The
// bead's other texts, comments and dependencies become artifacts before the given ones.
protocol::PacketParts packet_parts(Question question, const Bead& bead, const GitPlace& place,
                                   std::string sender, const Overrides& overrides);

// A file as an artifact: an artifact in JSON as it is, any other text under the name of the file.
// invalid: it is no UTF-8.
base::Result<json::value> to_artifact(std::string_view text, std::string_view file_name);

}  // namespace beads
