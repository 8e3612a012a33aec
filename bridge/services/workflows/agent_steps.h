// Steps that agents do: gpt/<agent> asks one and waits for its answer, message/<agent> writes to
// it.
#pragma once

#include "bridge/engine/runner.h"
#include "bridge/services/messages.h"
#include "bridge/services/workflows/step_kinds.h"

#include <string>
#include <string_view>

namespace services {

// `with` is {query, context?, schema?, thread?}; without a thread all that a run asks an agent is
// one conversation. An agent with a conversation in the browser is asked there; any other finds the
// query in its inbox, which is an errand: its ends are to be told to Workflows::errand_ended.
// Outputs are {text, value}: the answer, and the object it holds if a schema was given. `messages`
// outlives it.
StepKind gpt_steps(const Messages& messages);
// `with` is {text, topic?, thread?, meta?}. Outputs are {message: <id>}.
StepKind message_steps(const engine::Queue& queue);

// What jobs of the steps above that no conversation answers are called, and who does them. A job
// that is done twice asks and writes once. Queries are jobs only in stores from before they were
// errands. `messages` outlives the handlers.
inline constexpr std::string_view inbox_query_kind = "step_query";
inline constexpr std::string_view letter_kind = "step_message";
// The lane in which an agent's letters are written.
engine::LaneId letter_lane(const std::string& agent_id);
engine::Handler ask_by_inbox(Messages& messages);
engine::Handler write_letters(Messages& messages);

}  // namespace services
