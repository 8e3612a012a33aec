// A packet as a question: its reply is one JSON object that its schema accepts.
#pragma once

#include "bridge/protocol/message_types.h"
#include "bridge/services/question.h"

namespace services {

// For jobs whose payload is {"packet": …, "url": "https://…"}. `types` outlives it.
QuestionKind packet_questions(const protocol::MessageTypes& types);

}  // namespace services
