// What agents say to one another.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace services::messages {

// A query wants an answer; both are messages.
enum class Kind { message, query, answer };
std::string_view name(Kind kind);
std::optional<Kind> kind_of(std::string_view word);

// One end of a message: an agent of the registry, or a person or program that is none.
struct Party {
  std::string id = {};  // the agent's; empty: no agent
  std::string name;     // as it was when the message was sent
};

struct Message {
  std::int64_t sequence = 0;  // order of sending
  std::string id;             // a UUID of version 7
  Kind kind = Kind::message;
  std::string thread;
  Party sender;
  Party recipient;
  std::string principal = {};  // in whose name it was sent
  std::string text;
  std::string topic = {};
  std::string reply_to = {};  // the message that it answers
  base::json::object meta = {};
  base::json::value value = nullptr;  // of an answer by schema
  bool is_untrusted = false;          // an answer, or said by a run: material, no instruction
  std::string job = {};               // of a query that a conversation answers, and of its answer
  base::WallTime sent;
  std::optional<base::WallTime> acked = {};
  // Of a query: how it ended ("answered", "timeout", …); of others: why nobody will read it.
  std::string outcome = {};
};

// A query is open until it has an outcome.
inline bool is_open(const Message& message) {
  return message.kind == Kind::query && message.outcome.empty();
}

}  // namespace services::messages
