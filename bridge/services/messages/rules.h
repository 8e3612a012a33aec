// The rules of messages: functions of one transaction.
#pragma once

#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/messages/message.h"
#include "bridge/store/store.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services::messages {

std::span<const store::Migration> migrations();

// What is done, when and by whom. The members outlive it.
struct Act {
  store::Tx& tx;
  const engine::Journal& journal;
  engine::Bells& bells;
  base::WallTime now;
  std::string actor;
  // Told of every query that has ended, in the transaction that ends it.
  std::function<base::Result<>(store::Tx&, const Message&)> on_end = {};

  // Writes that it happened to `message`, and of which category the agent is that is written to, or
  // else writes; never what the message says.
  base::Result<> tell(std::string type, const Message& message) const;
};

// A request that came with a key, within the one who asks; an empty key is none.
struct Request {
  std::string key = {};
  std::string hash = {};
};

// What is to be sent; who sends it is known to be who they say.
struct Draft {
  Kind kind = Kind::message;
  Party sender;
  Party recipient;
  std::string text;
  std::string topic = {};
  std::string thread = {};  // empty: that of the message it answers, else a new one
  std::string reply_to = {};
  base::json::object meta = {};
  std::string job = {};    // of a query that a conversation answers: it lies in no inbox
  bool is_of_run = false;  // a run says it: the words may be a model's
};

// invalid, reason too_big: nothing belongs to a thread whose name is so long.
base::Result<> check_thread(std::string_view thread);

// The message that this request sent, or nothing. conflict, reason idempotency_mismatch.
base::Result<std::optional<Message>> of_request(store::Tx& tx, const std::string& principal,
                                                const Request& request);

// Puts it into the recipient's inbox and wakes who waits for it. One that replies to an open query
// of the recipient, from the one who was asked, is its answer and closes it. invalid, reason
// wrong_reply: what it replies to is not between the two. conflict, reason answered: the query
// has its answer; reason query_closed: it ended without one. invalid, reason wrong_answer: see
// value_in. busy, reason inbox_full and retry_after: the recipient's, or, of a query, that of the
// agent who asks and will get the answer; an answer always has room. invalid, reason too_big: the
// text, the topic, the thread, the context of a query or the meta of another.
base::Result<Message> send(const Act& act, Draft draft, const Request& request);

// The answer that a conversation gave to the query, or how else it ended.
base::Result<> answer(const Act& act, const Message& query, const std::string& text,
                      base::json::value value);
base::Result<> end(const Act& act, const Message& query, const std::string& outcome);
// Whoever asked takes an open query back: its outcome is "withdrawn". False: it has ended.
base::Result<bool> withdraw(const Act& act, const Message& query);

// not_found.
base::Result<Message> get(store::Tx& tx, const std::string& id);
// As long as an id: no beginning of one.
inline bool is_whole_id(std::string_view which) { return which.size() >= 36; }
// Whose messages a beginning of an id may mean: nobody learns from it what others have.
struct Among {
  std::optional<Party> end = {};  // sent or received by this one
  std::string to = {};            // received by this agent, by id or by the name it had
  bool only_queries = false;
};
// The id that begins so, with at least limits::id_prefix_min characters; what begins no id comes
// back as it is. invalid, reason ambiguous_id.
base::Result<std::string> whole_id(store::Tx& tx, const std::string& which, const Among& among);
base::Result<std::optional<Message>> of_job(store::Tx& tx, const std::string& job);
base::Result<std::optional<Message>> answer_to(store::Tx& tx, const std::string& query);
// The end of a message that is not `one`; null: neither is.
const Party* other_end(const Message& message, const Party& one);
// True: the agent with this id, which may be gone, has written or been written to.
base::Result<bool> is_known(store::Tx& tx, const std::string& agent);

// Members that are not empty must be met.
struct Filter {
  std::string agent;  // sent or received by it
  std::string with = {};
  std::string thread = {};
  bool only_unread = false;  // received and neither acked nor dead
  bool only_dead = false;    // received, and nobody will read it
  bool newest_first = false;
};
// In order, those behind the sequence `after`; with newest_first those before it, 0 being the end.
// At most `limit`, and fewer where they are long: see Tx::query_part.
base::Result<store::Part<Message>> list(store::Tx& tx, const Filter& filter, std::int64_t after,
                                        std::size_t limit);

base::Result<std::int64_t> unread(store::Tx& tx, const std::string& agent);

// Read by its recipient; once more is fine. `id` may be a beginning, as for whole_id. not_found:
// the agent has not received it.
base::Result<Message> ack(const Act& act, const agents::Agent& agent, const std::string& id);

// What an agent has not read for too long becomes a dead letter, and a query that was read and not
// answered for as long ends as "unanswered"; how many, of each at most
// limits::letters_swept_at_once. Who is no agent acks nothing: what was written to them stays.
base::Result<int> sweep(const Act& act);
// The agent is removed: what it has not read becomes a dead letter and what it was asked and has
// not answered ends, all with the outcome `agent_removed`, and so does what it asked and nobody has
// answered, with `asker_removed`. Those who wait for an answer are woken. Queries that a
// conversation answers go on; where its threads went on is forgotten.
inline constexpr std::string_view agent_removed = "agent_removed";
inline constexpr std::string_view asker_removed = "asker_removed";
base::Result<> bury(const Act& act, const agents::Agent& agent);

std::string bell_of_inbox(const std::string& agent);
std::string bell_of_query(const std::string& message);

}  // namespace services::messages
