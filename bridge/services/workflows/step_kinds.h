// How a step of a workflow becomes a job. Every kind of `uses` brings one of these.
#pragma once

#include "bridge/base/json.h"
#include "bridge/engine/queue.h"
#include "bridge/protocol/violation.h"
#include "bridge/services/packets.h"
#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/machine.h"
#include "bridge/store/store.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace services {

// One attempt of a step that is about to begin.
struct StepStart {
  std::string run, step;    // the run's id, the step's name
  std::string target;       // what follows the "/" of `uses`
  base::json::object with;  // its expressions evaluated
  Caller caller;            // who began the run; its principal is the run's own
  engine::Now now;
  std::string key;  // of this attempt alone, within the run
};

// How what was begun for a step ended.
struct ErrandEnd {
  std::optional<workflow::StepError> error = {};  // nothing: it succeeded
  base::json::value outputs = {};
  bool may_retry = false;  // the same again does no harm
};

// Attempts that another service keeps from their beginning to their end, instead of a job: what may
// first have to wait for people. That service tells of each end; see Workflows::errand_ended.
struct Errand {
  std::string noun;  // what an attempt is called in views and the journal: "action"
  // Of a kind that also queues jobs: true if it takes the steps for this target, and if the id is
  // one of its own. Left out: all are.
  std::function<base::Result<bool>(store::Tx&, const std::string& target)> takes = {};
  std::function<base::Result<bool>(store::Tx&, const std::string& id)> owns = {};
  // Its id. The errors of StepKind::job_of, and busy: there is no room now.
  std::function<base::Result<std::string>(store::Tx&, const StepStart&)> begin;
  // False: it is too late for that.
  std::function<base::Result<bool>(store::Tx&, const std::string& id, const engine::Now&,
                                   const std::string& actor)>
      withdraw;
  // Nothing: it goes on.
  std::function<base::Result<std::optional<ErrandEnd>>(store::Tx&, const std::string& id)> end_of;
  // For people.
  std::function<base::Result<base::json::object>(store::Tx&, const std::string& id)> view;
};

// Called on the store's thread, inside a transaction: owns what it touches.
struct StepKind {
  // What is wrong with the step when its workflow is created, before any expression in `with` has a
  // value. Pointers begin at the step: "/uses", "/with/query".
  std::function<std::vector<protocol::Violation>(store::Tx&, const workflow::Step&)> check;
  // Instead of a job and of what follows here, for the attempts that it takes.
  std::optional<Errand> errand = {};
  // The job to queue. Principal, key, thread, deadline and delay are set by the run. invalid,
  // denied, not_found or conflict: the step fails with this.
  std::function<base::Result<engine::NewJob>(store::Tx&, const StepStart&)> job_of = {};
  // What `jobs.<id>.outputs` gives, of a job that is done.
  std::function<base::Result<base::json::value>(const engine::Job&)> outputs_of = {};
};

// By the word before the "/" of `uses`: gpt, packet, action, message.
using StepKinds = std::map<std::string, StepKind, std::less<>>;

// packet/<TYPE>: `with` is the packet; msg_type and ts are filled in where they are left out. Its
// outputs are {packet: <id>, response: <the validated reply>, text: <the reply as JSON text>}.
// `packets` outlives it.
StepKind packet_steps(const Packets& packets, const protocol::MessageTypes& types);

}  // namespace services
