// What a look at the beads shows that somebody must hear of.
#pragma once

#include "bridge/services/beads/bead.h"
#include "bridge/services/beads/gate.h"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace beads {

struct Report {
  enum class Kind { needs_plan, closed_without_gate };

  Kind kind;
  std::string id;
  std::string title;
  std::string status;
  std::vector<std::string> reasons;  // why the gate is shut
};

std::string_view name(Report::Kind kind);  // "needs_plan", "closed_without_gate"
json::object to_json(const Report& report);
// One line for a person.
std::string to_line(const Report& report);

// Compares each look with the ones before. Only the state of a bead counts, not the way it came
// about: closed by any command, by an import, a rewritten file or a tombstone is closed. A bead
// that is not in the file, perhaps because that is half written, keeps what is known of it.
class Watcher {
 public:
  using JudgeGate = std::function<Gate(const Bead& bead)>;

  // What is new since the last look: a bead that needs a plan, once until its content changes or
  // the mark comes anew; a bead that was closed while its gate was shut, once until it is reopened.
  std::vector<Report> look(const Beads& beads, const JudgeGate& judge);

  // What must survive a restart.
  std::string to_text() const;
  // invalid: not what to_text writes.
  static base::Result<Watcher> from_text(std::string_view text);

  friend bool operator==(const Watcher&, const Watcher&) = default;

 private:
  std::map<std::string, std::string, std::less<>> planned_;  // id to the content reported
  std::map<std::string, bool, std::less<>> closed_;          // id to whether its gate was open
};

}  // namespace beads
