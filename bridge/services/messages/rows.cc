#include "bridge/services/messages/rows.h"

#include "bridge/engine/time.h"
#include "bridge/services/messages/rules.h"

#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::messages {

namespace json = boost::json;
using base::Result;
using engine::from_stamp;
using engine::to_stamp;

namespace {

// Unread ones are found without those that were read, and a thread in its order.
constexpr std::array steps = {
    store::Migration{"messages", 1, R"sql(
      CREATE TABLE messages (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('message', 'query', 'answer')),
        thread TEXT NOT NULL,
        sender TEXT NOT NULL,
        sender_name TEXT NOT NULL,
        recipient TEXT NOT NULL,
        recipient_name TEXT NOT NULL,
        principal TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        text TEXT NOT NULL,
        topic TEXT NOT NULL,
        reply_to TEXT NOT NULL,
        meta TEXT NOT NULL,
        value TEXT NOT NULL,
        untrusted INTEGER NOT NULL,
        job TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,
        acked_ms INTEGER,
        outcome TEXT NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX messages_request ON messages (principal, request)
        WHERE request IS NOT NULL;
      CREATE INDEX messages_received ON messages (recipient, seq) WHERE recipient <> '';
      CREATE INDEX messages_unread ON messages (recipient, seq)
        WHERE acked_ms IS NULL AND outcome = '' AND recipient <> '';
      CREATE INDEX messages_old ON messages (sent_ms) WHERE acked_ms IS NULL AND outcome = '';
      CREATE INDEX messages_sent ON messages (sender, seq) WHERE sender <> '';
      CREATE INDEX messages_thread ON messages (thread, seq);
      CREATE INDEX messages_answers ON messages (reply_to) WHERE reply_to <> '';
      CREATE INDEX messages_job ON messages (job) WHERE job <> '';

      CREATE TABLE message_inboxes (
        agent TEXT PRIMARY KEY,
        unread INTEGER NOT NULL CHECK (unread >= 0)
      ) STRICT;

      CREATE TABLE message_threads (
        agent TEXT NOT NULL,
        thread TEXT NOT NULL,
        url TEXT NOT NULL,
        changed_ms INTEGER NOT NULL,
        PRIMARY KEY (agent, thread)
      ) STRICT
    )sql"},
    store::Migration{"messages", 2, R"sql(
      CREATE INDEX messages_open ON messages (recipient, seq)
        WHERE kind = 'query' AND job = '' AND outcome = '' AND recipient <> ''
    )sql"},
    // A chat goes on for whoever asked first in the thread; if nobody knows who, for nobody.
    store::Migration{"messages", 3, R"sql(
      CREATE TABLE message_chats (
        agent TEXT NOT NULL,
        asker TEXT NOT NULL,
        thread TEXT NOT NULL,
        url TEXT NOT NULL,
        changed_ms INTEGER NOT NULL,
        PRIMARY KEY (agent, asker, thread)
      ) STRICT;
      INSERT INTO message_chats (agent, asker, thread, url, changed_ms)
        SELECT t.agent, CASE WHEN m.sender <> '' THEN m.sender ELSE m.principal END, t.thread,
               t.url, t.changed_ms
        FROM message_threads t
        JOIN messages m ON m.seq = (
          SELECT MIN(seq)
          FROM messages
          WHERE thread = t.thread AND recipient = t.agent AND kind = 'query'
        );
      DROP TABLE message_threads
    )sql"},
    // A chat that an operator began in an agent's name is the operator's. It is known to be so
    // where the last message in it was an operator's: since chats have askers, nobody but the agent
    // itself writes into one of the agent's. Where the agent has gone on in it, it stays the
    // agent's.
    store::Migration{"messages", 4, R"sql(
      INSERT INTO message_chats (agent, asker, thread, url, changed_ms)
        SELECT c.agent, m.principal, c.thread, c.url, c.changed_ms
        FROM message_chats c
        JOIN messages m ON m.thread = c.thread AND m.recipient = c.agent AND m.sender = c.asker
        JOIN jobs j ON j.id = m.job AND j.queued_at = c.changed_ms
        JOIN api_keys k ON k.id = substr(m.principal, 5) AND k.agent = ''
        WHERE m.kind = 'query' AND m.sender <> '' AND substr(m.principal, 1, 4) = 'key:'
        ON CONFLICT (agent, asker, thread) DO NOTHING;
      DELETE FROM message_chats
      WHERE EXISTS (
        SELECT 1
        FROM messages m
        JOIN jobs j ON j.id = m.job AND j.queued_at = message_chats.changed_ms
        JOIN api_keys k ON k.id = substr(m.principal, 5) AND k.agent = ''
        WHERE m.thread = message_chats.thread
          AND m.recipient = message_chats.agent
          AND m.sender = message_chats.asker
          AND m.sender <> ''
          AND m.kind = 'query'
          AND substr(m.principal, 1, 4) = 'key:'
      )
    )sql"},
    // Under which link of its agent a chat began; '': nobody knows, and it is taken for today's.
    store::Migration{"messages", 5, R"sql(
      ALTER TABLE message_chats ADD COLUMN link TEXT NOT NULL DEFAULT '';
      CREATE INDEX message_chats_asked ON message_chats (asker)
    )sql"},
    // Who is no agent has no inbox: what was written to them is never unread for too long.
    store::Migration{"messages", 6, R"sql(
      DROP INDEX messages_old;
      CREATE INDEX messages_old ON messages (sent_ms)
        WHERE acked_ms IS NULL AND outcome = '' AND recipient <> ''
    )sql"},
};

constexpr std::string_view columns =
    "seq, id, kind, thread, sender, sender_name, recipient, recipient_name, principal, text, "
    "topic, reply_to, meta, value, untrusted, job, sent_ms, acked_ms, outcome";

Result<Message> message_of(const store::Row& row) {
  auto at = row.begin();
  const auto text = [&at] { return (at++)->text(); };
  Message message;
  message.sequence = (at++)->integer();
  message.id = text();
  message.kind = kind_of(text()).value();
  message.thread = text();
  message.sender = {text(), text()};
  message.recipient = {text(), text()};
  message.principal = text();
  message.text = text();
  message.topic = text();
  message.reply_to = text();
  TRY(auto meta, base::parse_json(text()));
  message.meta = std::move(meta.as_object());
  TRY(message.value, base::parse_json(text()));
  message.is_untrusted = (at++)->flag();
  message.job = text();
  message.sent = from_stamp((*at++).integer());
  if (!at->is_null()) message.acked = from_stamp((*at).integer());
  ++at;
  message.outcome = text();
  return message;
}

}  // namespace

std::span<const store::Migration> migrations() { return steps; }

std::string_view name(Kind kind) {
  constexpr std::array<std::string_view, 3> names = {"message", "query", "answer"};
  return names[static_cast<std::size_t>(kind)];
}

std::optional<Kind> kind_of(std::string_view word) {
  for (const auto kind : {Kind::message, Kind::query, Kind::answer}) {
    if (name(kind) == word) return kind;
  }
  return std::nullopt;
}

namespace rows {

Result<std::vector<Message>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto found,
      tx.query(fmt::format("SELECT {} FROM messages {}", columns, rest), std::move(values)));
  std::vector<Message> messages;
  for (const auto& row : found) {
    TRY(auto message, message_of(row));
    messages.push_back(std::move(message));
  }
  return messages;
}

Result<store::Part<Message>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                  std::size_t most) {
  TRY(const auto found, tx.query_part(fmt::format("SELECT {} FROM messages {}", columns, rest),
                                      std::move(values), most));
  return store::read_each(found, message_of);
}

Result<std::optional<Message>> one(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(auto found, all(tx, rest, std::move(values)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<std::int64_t> insert(store::Tx& tx, const Message& message, const std::string& request,
                            const std::string& hash) {
  TRY(const auto row,
      tx.query_one("INSERT INTO messages (id, kind, thread, sender, sender_name, recipient, "
                   "recipient_name, principal, request, request_hash, text, topic, reply_to, meta, "
                   "value, untrusted, job, sent_ms, acked_ms, outcome) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
                   "$17, $18, $19, $20) "
                   "RETURNING seq",
                   {message.id,
                    name(message.kind),
                    message.thread,
                    message.sender.id,
                    message.sender.name,
                    message.recipient.id,
                    message.recipient.name,
                    message.principal,
                    request.empty() ? store::Value() : store::Value(request),
                    hash,
                    message.text,
                    message.topic,
                    message.reply_to,
                    json::serialize(message.meta),
                    json::serialize(message.value),
                    message.is_untrusted ? 1 : 0,
                    message.job,
                    to_stamp(message.sent),
                    message.acked ? store::Value(to_stamp(*message.acked)) : store::Value(),
                    message.outcome}));
  return row->at(0).integer();
}

Result<> close(store::Tx& tx, const Message& message, std::optional<base::WallTime> acked,
               const std::string& outcome) {
  TRY(const auto closed,
      tx.execute("UPDATE messages SET acked_ms = coalesce(acked_ms, $2), outcome = $3 "
                 "WHERE id = $1",
                 {message.id, acked ? store::Value(to_stamp(*acked)) : store::Value(), outcome}));
  const bool was_unread =
      !message.acked && message.outcome.empty() && !message.recipient.id.empty();
  if (closed == 0 || !was_unread || (!acked && outcome.empty())) return {};
  TRY_OK(tx.execute("UPDATE message_inboxes SET unread = unread - 1 WHERE agent = $1",
                    {message.recipient.id}));
  return {};
}

Result<> count_unread(store::Tx& tx, const std::string& agent) {
  TRY_OK(
      tx.execute("INSERT INTO message_inboxes (agent, unread) VALUES ($1, 1) "
                 "ON CONFLICT (agent) DO UPDATE SET unread = unread + 1",
                 {agent}));
  return {};
}

Result<std::int64_t> unread(store::Tx& tx, const std::string& agent) {
  TRY(const auto row, tx.query_one("SELECT unread FROM message_inboxes WHERE agent = $1", {agent}));
  return row ? row->at(0).integer() : 0;
}

Result<std::string> address(store::Tx& tx, const Chat& chat) {
  TRY(const auto row, tx.query_one("SELECT url FROM message_chats "
                                   "WHERE agent = $1 AND asker = $2 AND thread = $3 "
                                   "AND link IN ('', $4)",
                                   {chat.agent, chat.asker, chat.thread, chat.link}));
  return row ? row->at(0).text() : std::string();
}

Result<> set_address(store::Tx& tx, const Chat& chat, const std::string& url, base::WallTime now) {
  TRY_OK(
      tx.execute("INSERT INTO message_chats (agent, asker, thread, link, url, changed_ms) "
                 "VALUES ($1, $2, $3, $4, $5, $6) "
                 "ON CONFLICT (agent, asker, thread) DO UPDATE SET link = excluded.link, "
                 "url = excluded.url, changed_ms = excluded.changed_ms",
                 {chat.agent, chat.asker, chat.thread, chat.link, url, to_stamp(now)}));
  return {};
}

Result<> forget_chats(store::Tx& tx, const std::string& agent) {
  TRY_OK(tx.execute("DELETE FROM message_chats WHERE agent = $1 OR asker = $1", {agent}));
  return {};
}

}  // namespace rows
}  // namespace services::messages
