// A query as a question in an agent's own conversation.
#pragma once

#include "bridge/services/question.h"

#include <string_view>

namespace services::messages {

inline constexpr std::string_view query_kind = "query";

// For jobs of `query_kind`, whose payload is {"asker", "text", "context", "schema", "agent",
// "thread", "link"}: asked at the link until the thread has an address of its own under that
// link. An answer is {"text", "value"}: the reply, and the object it holds if a schema was given.
QuestionKind query_questions();

// invalid: not a JSON Schema that could be asked for; the message says where.
base::Result<> check_schema(const base::json::value& schema);

}  // namespace services::messages
