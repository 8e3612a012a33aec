// How a step of a workflow becomes a job. Every kind of `uses` brings one of these.
#pragma once

#include "bridge/base/json.h"
#include "bridge/engine/queue.h"
#include "bridge/protocol/violation.h"
#include "bridge/services/packets.h"
#include "bridge/services/workflows/definition.h"
#include "bridge/store/store.h"

#include <functional>
#include <map>
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
};

// Called on the store's thread, inside a transaction: owns what it touches.
struct StepKind {
  // What is wrong with the step when its workflow is created, before any expression in `with` has a
  // value. Pointers begin at the step: "/uses", "/with/query".
  std::function<std::vector<protocol::Violation>(store::Tx&, const workflow::Step&)> check;
  // The job to queue. Principal, key, thread, deadline and delay are set by the run. invalid,
  // denied, not_found or conflict: the step fails with this.
  std::function<base::Result<engine::NewJob>(store::Tx&, const StepStart&)> job_of;
  // What `jobs.<id>.outputs` gives, of a job that is done.
  std::function<base::Result<base::json::value>(const engine::Job&)> outputs_of;
};

// By the word before the "/" of `uses`: gpt, packet, action, message.
using StepKinds = std::map<std::string, StepKind, std::less<>>;

// packet/<TYPE>: `with` is the packet; msg_type and ts are filled in where they are left out. Its
// outputs are {packet: <id>, response: <the validated reply>, text: <the reply as JSON text>}.
// `packets` outlives it.
StepKind packet_steps(const Packets& packets, const protocol::MessageTypes& types);

}  // namespace services
