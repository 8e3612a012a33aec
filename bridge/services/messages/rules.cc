#include "bridge/services/messages/rules.h"

#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/schema/utf8.h"
#include "bridge/services/messages/answers.h"
#include "bridge/services/messages/message_limits.h"
#include "bridge/services/messages/rows.h"
#include "bridge/store/id_prefix.h"

#include <limits>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::messages {

using base::Code;
using base::Result;
using engine::to_stamp;

namespace {

// Two ends are the same if they are the same agent, or the same one who is none.
bool is_same(const Party& a, const Party& b) {
  return a.id == b.id && (!a.id.empty() || a.name == b.name);
}

Result<Message> replied_to(store::Tx& tx, const Draft& draft) {
  auto original = get(tx, draft.reply_to);
  const auto wrong = [&](std::string_view why) {
    return base::fail(Code::invalid, fmt::format("reply to {}: {}", draft.reply_to, why),
                      "wrong_reply");
  };
  if (!original && original.error().code == Code::not_found) return wrong("no such message");
  if (!original) return original;
  const bool is_back =
      is_same(original->sender, draft.recipient) && is_same(original->recipient, draft.sender);
  const bool is_on =
      is_same(original->sender, draft.sender) && is_same(original->recipient, draft.recipient);
  if (is_back || (is_on && original->kind != Kind::query)) return original;
  return wrong("it is not between the two of you");
}

std::unexpected<base::Error> too_big(std::string_view what, std::size_t most,
                                     std::string_view unit) {
  return base::fail(Code::invalid, fmt::format("{} is larger than {} {}", what, most, unit),
                    "too_big");
}

Result<> check_characters(std::string_view what, std::string_view text, std::size_t most) {
  if (text.size() <= most || schema::code_point_count(text) <= most) return {};
  return too_big(what, most, "characters");
}

// What a step of a workflow says has met no schema yet.
Result<> check_bounds(const Draft& draft) {
  TRY_OK(check_thread(draft.thread));
  TRY_OK(check_characters("the topic", draft.topic, limits::message_topic_characters_max));
  TRY_OK(check_characters("the text", draft.text, limits::message_text_characters_max));
  if (draft.kind == Kind::query) {
    const auto* context = draft.meta.if_contains("context");
    if (!context) return {};
    return check_characters("the context", context->as_string(),
                            limits::message_text_characters_max);
  }
  if (base::json::serialize(draft.meta).size() <= limits::message_meta_bytes_max) return {};
  return too_big("the meta", limits::message_meta_bytes_max, "bytes");
}

bool goes_into_an_inbox(const Message& message) {
  return !message.recipient.id.empty() && !message.acked;
}

std::unexpected<base::Error> inbox_full(std::string message) {
  return std::unexpected(base::Error{.code = Code::busy,
                                     .message = std::move(message),
                                     .reason = "inbox_full",
                                     .retry_after = limits::inbox_full_retry});
}

// An answer was asked for and is never refused, so the room for it is looked for when it is asked
// for. See FullInbox.AnAnswerArrivesWithItsMemoryAndTheLaneGoesOn.
Result<> check_room(store::Tx& tx, const Message& message) {
  if (message.kind == Kind::answer) return {};
  if (goes_into_an_inbox(message)) {
    TRY(const auto there, rows::unread(tx, message.recipient.id));
    if (there >= limits::inbox_unread_max) {
      return inbox_full(
          fmt::format("send to {}: its inbox is full until it acks what it has read: {} messages "
                      "are unread",
                      message.recipient.name, there));
    }
  }
  if (message.kind != Kind::query || message.sender.id.empty()) return {};
  TRY(const auto own, rows::unread(tx, message.sender.id));
  if (own < limits::inbox_unread_max) return {};
  return inbox_full(
      fmt::format("ask {}: the inbox of {}, to which the answer comes, is full: {} messages are "
                  "unread; ack what is read by POST /api/gpt-agents/{}/messages/{{id}}/ack",
                  message.recipient.name, message.sender.name, own, message.sender.id));
}

Result<Message> insert(const Act& act, Message message, const Request& request) {
  TRY_OK(check_room(act.tx, message));
  if (goes_into_an_inbox(message)) TRY_OK(rows::count_unread(act.tx, message.recipient.id));
  TRY(message.sequence, rows::insert(act.tx, message, request.key, request.hash));
  TRY_OK(act.tell("message.sent", message));
  act.tx.after_commit(
      [&bells = act.bells, inbox = bell_of_inbox(message.recipient.id)] { bells.ring(inbox); });
  return message;
}

Result<> tell_end(const Act& act, const Message& message) {
  if (message.kind != Kind::query || !act.on_end) return {};
  return act.on_end(act.tx, message);
}

Result<> close_query(const Act& act, Message query, const std::string& outcome) {
  TRY_OK(rows::close(act.tx, query, act.now, outcome));
  act.tx.after_commit([&bells = act.bells, bell = bell_of_query(query.id)] { bells.ring(bell); });
  query.outcome = outcome;
  return tell_end(act, query);
}

// Nobody will read it any more.
Result<> die(const Act& act, Message message, const std::string& outcome) {
  TRY_OK(rows::close(act.tx, message, std::nullopt, outcome));
  act.tx.after_commit([&bells = act.bells, bell = bell_of_query(message.id)] { bells.ring(bell); });
  message.outcome = outcome;
  TRY_OK(act.tell("message.dead", message));
  return tell_end(act, message);
}

// Of the agent that is written to, else of the one that writes; empty: neither has one.
Result<std::string> category_of(store::Tx& tx, const Message& message) {
  for (const auto* end : {&message.recipient, &message.sender}) {
    if (end->id.empty()) continue;
    TRY(auto agent, agents::with_id(tx, end->id));
    if (agent && !agent->category.empty()) return std::move(agent->category);
  }
  return std::string();
}

}  // namespace

std::string bell_of_inbox(const std::string& agent) { return "inbox:" + agent; }
std::string bell_of_query(const std::string& message) { return "query:" + message; }

Result<> Act::tell(std::string type, const Message& message) const {
  base::json::object data{{"kind", name(message.kind)},
                          {"from", message.sender.name},
                          {"to", message.recipient.name},
                          {"topic", message.topic},
                          {"bytes", message.text.size()}};
  if (!message.sender.id.empty()) data["from_id"] = message.sender.id;
  if (!message.recipient.id.empty()) data["to_id"] = message.recipient.id;
  if (!message.outcome.empty()) data["outcome"] = message.outcome;
  TRY(const auto category, category_of(tx, message));
  if (!category.empty()) data["category"] = category;
  TRY_OK(journal.append(tx,
                        {.type = std::move(type),
                         .subject = message.id,
                         .actor = actor,
                         .thread = message.thread,
                         .cause = message.reply_to,
                         .data = std::move(data)},
                        now));
  return {};
}

Result<> check_thread(std::string_view thread) {
  if (thread.size() <= limits::message_thread_bytes_max) return {};
  return too_big("the thread", limits::message_thread_bytes_max, "bytes");
}

const Party* other_end(const Message& message, const Party& one) {
  if (is_same(message.recipient, one)) return &message.sender;
  return is_same(message.sender, one) ? &message.recipient : nullptr;
}

Result<std::optional<Message>> of_request(store::Tx& tx, const std::string& principal,
                                          const Request& request) {
  if (request.key.empty()) return std::nullopt;
  TRY(const auto row,
      tx.query_one("SELECT id, request_hash FROM messages WHERE principal = $1 AND request = $2",
                   {principal, request.key}));
  if (!row) return std::nullopt;
  if (row->at(1).text() != request.hash) {
    return base::fail(Code::conflict, "this idempotency key came with another message",
                      "idempotency_mismatch");
  }
  TRY(auto message, get(tx, row->at(0).text()));
  return std::optional(std::move(message));
}

Result<Message> send(const Act& act, Draft draft, const Request& request) {
  TRY_OK(check_bounds(draft));
  std::optional<Message> original;
  if (!draft.reply_to.empty()) {
    TRY(original, replied_to(act.tx, draft));
  }
  const bool is_answer = original && original->kind == Kind::query;
  if (is_answer && !is_open(*original)) {
    return base::fail(Code::conflict,
                      fmt::format("answer {}: it is closed: {}", original->id, original->outcome),
                      original->outcome == "answered" ? "answered" : "query_closed");
  }
  if (is_answer && !original->job.empty()) {
    return base::fail(Code::conflict,
                      fmt::format("answer {}: a conversation is asked", original->id), "answered");
  }
  base::json::value value = nullptr;
  if (is_answer && original->meta.contains("schema")) {
    TRY(value, value_in(draft.text, original->meta.at("schema")));
  }
  if (draft.thread.empty()) {
    draft.thread = original ? original->thread : base::uuid_v7(act.now);
  }
  Message message{.id = base::uuid_v7(act.now),
                  .kind = is_answer ? Kind::answer : draft.kind,
                  .thread = std::move(draft.thread),
                  .sender = std::move(draft.sender),
                  .recipient = std::move(draft.recipient),
                  .principal = act.actor,
                  .text = std::move(draft.text),
                  .topic = std::move(draft.topic),
                  .reply_to = std::move(draft.reply_to),
                  .meta = std::move(draft.meta),
                  .value = std::move(value),
                  .is_untrusted = is_answer || draft.is_of_run,
                  .job = std::move(draft.job),
                  .sent = act.now};
  if (!message.job.empty()) message.acked = act.now;
  TRY(auto sent, insert(act, std::move(message), request));
  if (is_answer) TRY_OK(close_query(act, *original, "answered"));
  return sent;
}

Result<> answer(const Act& act, const Message& query, const std::string& text,
                base::json::value value) {
  TRY_OK(insert(act,
                {.id = base::uuid_v7(act.now),
                 .kind = Kind::answer,
                 .thread = query.thread,
                 .sender = query.recipient,
                 .recipient = query.sender,
                 .principal = act.actor,
                 .text = text,
                 .topic = query.topic,
                 .reply_to = query.id,
                 .value = std::move(value),
                 .is_untrusted = true,
                 .job = {},
                 .sent = act.now},
                {}));
  return close_query(act, query, "answered");
}

Result<> end(const Act& act, const Message& query, const std::string& outcome) {
  Message ended = query;
  ended.outcome = outcome;
  TRY_OK(act.tell("message.dead", ended));
  return close_query(act, query, outcome);
}

Result<bool> withdraw(const Act& act, const Message& query) {
  if (!is_open(query)) return false;
  TRY_OK(die(act, query, "withdrawn"));
  return true;
}

Result<Message> get(store::Tx& tx, const std::string& id) {
  TRY(auto found, rows::one(tx, "WHERE id = $1", {id}));
  if (found) return *std::move(found);
  return base::fail(Code::not_found, fmt::format("message {}: there is none", id));
}

Result<std::string> whole_id(store::Tx& tx, const std::string& which, const Among& among) {
  if (!store::is_enough_of_id(which) || is_whole_id(which)) return which;
  TRY(const auto itself, tx.query_one("SELECT 1 FROM messages WHERE id = $1", {which}));
  if (itself) return which;
  store::ByPrefix wanted{.noun = "message", .column = "id", .prefix = which};
  const auto must = [&](std::string_view condition) {
    wanted.where += wanted.where.empty() ? "WHERE " : " AND ";
    wanted.where += condition;
  };
  const auto add = [&](std::string_view condition, const std::string& value) {
    wanted.values.emplace_back(value);
    must(fmt::format(fmt::runtime(condition), wanted.values.size()));
  };
  if (among.end && !among.end->id.empty()) {
    add("(sender = ${0} OR recipient = ${0})", among.end->id);
  } else if (among.end) {
    add("(sender = '' AND sender_name = ${0} OR recipient = '' AND recipient_name = ${0})",
        among.end->name);
  }
  if (!among.to.empty()) add("(recipient = ${0} OR recipient_name = ${0})", among.to);
  if (among.only_queries) must("kind = 'query'");
  TRY(const auto found,
      store::look_by_prefix(std::move(wanted), [&](const std::string& rest, store::Values values) {
        return tx.query(fmt::format("SELECT id FROM messages {}", rest), std::move(values));
      }));
  return found ? found->at(0).text() : which;
}

Result<std::optional<Message>> of_job(store::Tx& tx, const std::string& job) {
  return rows::one(tx, "WHERE job = $1 AND job <> ''", {job});
}

Result<std::optional<Message>> answer_to(store::Tx& tx, const std::string& query) {
  return rows::one(tx, "WHERE reply_to = $1 AND reply_to <> '' AND kind = 'answer'", {query});
}

Result<bool> is_known(store::Tx& tx, const std::string& agent) {
  TRY(const auto row, tx.query_one(R"sql(
    SELECT 1 FROM messages WHERE recipient = $1 AND recipient <> ''
    UNION ALL
    SELECT 1 FROM messages WHERE sender = $1 AND sender <> ''
    LIMIT 1
  )sql",
                                   {agent}));
  return row.has_value();
}

Result<store::Part<Message>> list(store::Tx& tx, const Filter& filter, std::int64_t after,
                                  std::size_t limit) {
  const bool is_back = filter.newest_first;
  const auto end = std::numeric_limits<std::int64_t>::max();
  store::Values values{filter.agent, is_back && after == 0 ? end : after, limit + 1};
  std::string where = is_back ? "WHERE seq < $2 " : "WHERE seq > $2 ";
  const auto add = [&](std::string_view condition, const std::string& value) {
    if (value.empty()) return;
    values.emplace_back(value);
    where += fmt::format(fmt::runtime(condition), values.size());
  };
  // Each way has an index that is already in the order of the list.
  const std::string unread = "AND acked_ms IS NULL AND outcome = '' AND recipient <> '' ";
  if (filter.only_unread) {
    where += "AND recipient = $1 " + unread;
  } else if (filter.only_dead) {
    where += "AND recipient = $1 AND kind <> 'query' AND outcome <> '' ";
  } else {
    where += "AND (recipient = $1 AND recipient <> '' OR sender = $1 AND sender <> '') ";
  }
  add("AND (sender = ${0} OR recipient = ${0}) ", filter.with);
  add("AND thread = ${} ", filter.thread);
  where += is_back ? "ORDER BY seq DESC LIMIT $3" : "ORDER BY seq LIMIT $3";
  return rows::some(tx, where, std::move(values), limit);
}

Result<std::int64_t> unread(store::Tx& tx, const std::string& agent) {
  return rows::unread(tx, agent);
}

Result<Message> ack(const Act& act, const agents::Agent& agent, const std::string& id) {
  TRY(const auto whole, whole_id(act.tx, id, {.to = agent.id}));
  TRY(auto message, get(act.tx, whole));
  if (message.recipient.id != agent.id) {
    return base::fail(Code::not_found,
                      fmt::format("message {}: {} has not received it", id, agent.name));
  }
  if (message.acked) return message;
  // A query that was read is still to be answered.
  TRY_OK(rows::close(act.tx, message, act.now, message.outcome));
  message.acked = act.now;
  TRY_OK(act.tell("message.acked", message));
  return message;
}

namespace {

// Ends so those of what `which` picks that were sent too long ago; how many.
Result<int> end_old(const Act& act, std::string_view which, const std::string& outcome) {
  TRY(const auto old,
      rows::all(act.tx, fmt::format("WHERE outcome = '' AND sent_ms < $1 AND {} LIMIT $2", which),
                {to_stamp(act.now - limits::inbox_keeps_unread), limits::letters_swept_at_once}));
  for (const auto& message : old) TRY_OK(die(act, message, outcome));
  return static_cast<int>(old.size());
}

}  // namespace

Result<int> sweep(const Act& act) {
  TRY(const int unread,
      end_old(act, "acked_ms IS NULL AND recipient <> '' ORDER BY sent_ms", "unread"));
  TRY(const int unanswered,
      end_old(act,
              "kind = 'query' AND job = '' AND recipient <> '' AND acked_ms IS NOT NULL "
              "ORDER BY seq",
              "unanswered"));
  return unread + unanswered;
}

namespace {

// Ends so what `which` picks of an agent's, the id being $1, and what is sent meanwhile.
Result<> end_all(const Act& act, const agents::Agent& agent, std::string_view which,
                 std::string_view outcome) {
  std::int64_t after = 0;
  // A few at a time: they may be long.
  for (;;) {
    TRY(const auto some,
        rows::all(
            act.tx,
            fmt::format("WHERE {} AND outcome = '' AND seq > $2 ORDER BY seq LIMIT $3", which),
            {agent.id, after, limits::letters_buried_at_once}));
    if (some.empty()) return {};
    for (const auto& message : some) TRY_OK(die(act, message, std::string(outcome)));
    after = some.back().sequence;
  }
}

}  // namespace

Result<> bury(const Act& act, const agents::Agent& agent) {
  TRY_OK(end_all(act, agent, "recipient = $1 AND recipient <> '' AND acked_ms IS NULL",
                 agent_removed));
  TRY_OK(end_all(act, agent, "recipient = $1 AND recipient <> '' AND kind = 'query' AND job = ''",
                 agent_removed));
  // Nobody is there any more to whom an answer could go.
  TRY_OK(end_all(act, agent, "sender = $1 AND sender <> '' AND kind = 'query' AND job = ''",
                 asker_removed));
  return rows::forget_chats(act.tx, agent.id);
}

}  // namespace services::messages
