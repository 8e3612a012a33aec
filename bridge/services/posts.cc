#include "bridge/services/posts.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/base/json.h"

#include <array>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

constexpr std::array<std::string_view, 4> stage_names = {"intent", "armed", "sent", "replied"};

constexpr std::array steps = {
    store::Migration{"posts", 1, R"sql(
      CREATE TABLE posts (
        id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        stage TEXT NOT NULL CHECK (stage IN ('intent', 'armed', 'sent', 'replied')),
        prompt TEXT NOT NULL,
        marker TEXT NOT NULL,
        end_marker TEXT NOT NULL,
        conversation_url TEXT NOT NULL,
        baseline TEXT NOT NULL,
        sent TEXT,
        raw TEXT,
        created_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        UNIQUE (job_id, number)
      ) STRICT
    )sql"},
    store::Migration{"posts", 2, "ALTER TABLE posts ADD COLUMN sent_et INTEGER"},
    store::Migration{"posts", 3, R"sql(
      CREATE TABLE marker_keys (
        number INTEGER PRIMARY KEY,
        hash TEXT NOT NULL,
        since_at INTEGER NOT NULL
      ) STRICT
    )sql"},
    // The calendar may step; the order of jobs does not.
    store::Migration{"posts", 4,
                     "ALTER TABLE marker_keys ADD COLUMN jobs_before INTEGER NOT NULL DEFAULT 0"},
};

std::string text(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

bool flag(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

std::string written(const chat::Baseline& baseline) {
  return json::serialize(json::object{
      {"path", baseline.path}, {"last_turn", baseline.last_turn}, {"shell", baseline.shell}});
}

std::string written(const chat::Sent& sent) {
  return json::serialize(json::object{{"user_message_id", sent.user_message_id},
                                      {"conversation_id", sent.conversation_id},
                                      {"url", sent.url},
                                      {"proof", sent.proof}});
}

std::string written(const chat::RawReply& raw) {
  json::array blocks;
  for (const auto& block : raw.blocks) {
    blocks.push_back(json::object{
        {"language", block.language}, {"text", block.text}, {"partial", block.partial}});
  }
  return json::serialize(json::object{{"text", raw.text},
                                      {"blocks", std::move(blocks)},
                                      {"route", raw.route},
                                      {"message_id", raw.message_id},
                                      {"is_final", raw.is_final},
                                      {"is_cut_off", raw.is_cut_off}});
}

// What this program wrote itself: anything else is a damaged store.
Result<json::object> read_back(const std::string& stored, std::string_view what) {
  TRY(auto value, base::parse_json(stored));
  if (!value.is_object()) {
    return base::fail(Code::internal, fmt::format("read {}: not an object", what), "corrupt");
  }
  return std::move(value.get_object());
}

chat::RawReply raw_of(const json::object& object) {
  chat::RawReply raw{.text = text(object, "text"),
                     .blocks = {},
                     .route = text(object, "route"),
                     .message_id = text(object, "message_id"),
                     .is_final = flag(object, "is_final"),
                     .is_cut_off = flag(object, "is_cut_off"),
                     .received = {}};
  const auto* blocks = object.if_contains("blocks");
  if (blocks == nullptr || !blocks->is_array()) return raw;
  for (const auto& item : blocks->get_array()) {
    if (!item.is_object()) continue;
    const auto& block = item.get_object();
    raw.blocks.push_back({text(block, "language"), text(block, "text"), flag(block, "partial")});
  }
  return raw;
}

Result<Post> post_of(const store::Row& row) {
  Post post{.id = row[0].text(),
            .job_id = row[1].text(),
            .number = static_cast<int>(row[2].integer()),
            .stage = {},
            .prompt = {.text = row[4].text(), .marker = row[5].text(), .end_marker = row[6].text()},
            .conversation_url = row[7].text(),
            .baseline = {},
            .sent = {},
            .sent_at = {},
            .raw = {}};
  for (std::size_t i = 0; i < stage_names.size(); ++i) {
    if (row[3].text() == stage_names[i]) post.stage = static_cast<PostStage>(i);
  }
  TRY(const auto baseline, read_back(row[8].text(), "a baseline"));
  post.baseline = {.path = text(baseline, "path"),
                   .last_turn = text(baseline, "last_turn"),
                   .shell = text(baseline, "shell")};
  if (!row[9].is_null()) {
    TRY(const auto sent, read_back(row[9].text(), "a proof of sending"));
    post.sent = chat::Sent{.user_message_id = text(sent, "user_message_id"),
                           .conversation_id = text(sent, "conversation_id"),
                           .url = text(sent, "url"),
                           .proof = text(sent, "proof")};
  }
  if (!row[10].is_null()) {
    TRY(const auto raw, read_back(row[10].text(), "a raw reply"));
    post.raw = raw_of(raw);
  }
  if (!row[11].is_null()) post.sent_at = engine::Milliseconds(row[11].integer());
  return post;
}

// What a step adds to the row; null: nothing.
struct News {
  store::Value baseline = {}, sent = {}, sent_at = {}, raw = {};
};

// One step of a message, unless somebody else was quicker.
Result<> move(store::Tx& tx, std::string_view id, PostStage from, PostStage to, base::WallTime now,
              const News& news = {}) {
  TRY(const auto rows, tx.execute(R"sql(
    UPDATE posts
    SET stage = $3,
        changed_ms = $4,
        baseline = COALESCE($5, baseline),
        sent = COALESCE($6, sent),
        sent_et = COALESCE($7, sent_et),
        raw = COALESCE($8, raw)
    WHERE id = $1 AND stage = $2
  )sql",
                                  {id, name(from), name(to), engine::to_stamp(now), news.baseline,
                                   news.sent, news.sent_at, news.raw}));
  if (rows == 1) return {};
  return base::fail(Code::conflict,
                    fmt::format("message {} to {}: its stage has changed", id, name(to)));
}

}  // namespace

std::string_view name(PostStage stage) { return stage_names[static_cast<std::size_t>(stage)]; }

std::span<const store::Migration> post_migrations() { return steps; }

namespace posts {

std::string id_for(std::string_view secret, const engine::Job& job, int number, int repair) {
  // A job without a key is nobody's to hand in again.
  const std::string& key = job.key.empty() ? job.id.text : job.key;
  const json::array what{job.principal, key, job.body_hash, number, repair};
  return base::uuid_v8(base::hmac_sha256(secret, json::serialize(what)));
}

bool is_of_this_start(const engine::Job& job, const std::optional<Post>& last) {
  if (!last) return false;
  const bool is_recorded = job.stage > engine::Stage::intent && !job.is_doubtful;
  return is_recorded || last->stage == PostStage::intent;
}

int next_number(const std::optional<Post>& last) { return last ? last->number + 1 : 1; }

Result<> add(store::Tx& tx, const Post& post, base::WallTime now) {
  auto added = tx.execute(
      R"sql(
    INSERT INTO posts (id, job_id, number, stage, prompt, marker, end_marker, conversation_url,
                       baseline, created_ms, changed_ms)
    VALUES ($1, $2, $3, 'intent', $4, $5, $6, $7, $8, $9, $9)
  )sql",
      {post.id, post.job_id, post.number, post.prompt.text, post.prompt.marker,
       post.prompt.end_marker, post.conversation_url, written(post.baseline),
       engine::to_stamp(now)});
  if (!added) return std::unexpected(std::move(added).error());
  return {};
}

Result<std::optional<Post>> last(store::Tx& tx, std::string_view job_id) {
  TRY(const auto row, tx.query_one(R"sql(
    SELECT id, job_id, number, stage, prompt, marker, end_marker, conversation_url, baseline, sent,
           raw, sent_et
    FROM posts
    WHERE job_id = $1
    ORDER BY number DESC
    LIMIT 1
  )sql",
                                   {job_id}));
  if (!row) return std::optional<Post>();
  TRY(auto post, post_of(*row));
  return std::optional(std::move(post));
}

Result<std::vector<Answered>> answered(store::Tx& tx, std::string_view job_id) {
  TRY(const auto rows, tx.query(R"sql(
    SELECT id, job_id, number, stage, prompt, marker, end_marker, conversation_url, baseline, sent,
           raw, changed_ms
    FROM posts
    WHERE job_id = $1 AND raw IS NOT NULL
    ORDER BY number
  )sql",
                                {job_id}));
  std::vector<Answered> found;
  for (const auto& row : rows) {
    TRY(auto post, post_of(row));
    const base::WallTime received(std::chrono::milliseconds(row[11].integer()));
    found.push_back({std::move(post), received});
  }
  return found;
}

Result<> set_baseline(store::Tx& tx, std::string_view id, const chat::Baseline& baseline,
                      base::WallTime now) {
  return move(tx, id, PostStage::intent, PostStage::intent, now, {.baseline = written(baseline)});
}

Result<> set_armed(store::Tx& tx, std::string_view id, base::WallTime now) {
  return move(tx, id, PostStage::intent, PostStage::armed, now);
}

Result<> set_unsent(store::Tx& tx, std::string_view id, base::WallTime now) {
  return move(tx, id, PostStage::armed, PostStage::intent, now);
}

Result<> set_sent(store::Tx& tx, std::string_view id, const chat::Sent& sent,
                  const engine::Now& now) {
  TRY(const auto time, engine::engine_now(tx, now));
  return move(tx, id, PostStage::armed, PostStage::sent, now.wall,
              {.sent = written(sent), .sent_at = time.count()});
}

Result<> set_address(store::Tx& tx, std::string_view id, const chat::Sent& sent) {
  TRY(const auto rows, tx.execute(R"sql(
    UPDATE posts
    SET sent = $2
    WHERE id = $1 AND stage IN ('sent', 'replied')
  )sql",
                                  {id, written(sent)}));
  if (rows == 1) return {};
  return base::fail(Code::conflict, fmt::format("the address of message {}: it is not sent", id));
}

Result<> set_replied(store::Tx& tx, std::string_view id, const chat::RawReply& raw,
                     base::WallTime now) {
  return move(tx, id, PostStage::sent, PostStage::replied, now, {.raw = written(raw)});
}

}  // namespace posts

namespace marker_keys {
namespace {

constexpr std::string_view newest =
    "SELECT hash, jobs_before FROM marker_keys ORDER BY number DESC LIMIT 1";

// `jobs_before`: the last job of the time before it.
Result<> add(store::Tx& tx, const std::string& hash, std::int64_t since, std::int64_t jobs_before) {
  TRY_OK(tx.execute("INSERT INTO marker_keys (hash, since_at, jobs_before) VALUES ($1, $2, $3)",
                    {hash, since, jobs_before}));
  return {};
}

}  // namespace

std::string hash_of(std::string_view key) { return base::sha256_hex(key); }

Result<std::optional<std::string>> current(store::Tx& tx) {
  TRY(const auto row, tx.query_one(newest));
  return row ? std::optional(row->at(0).text()) : std::nullopt;
}

Result<> note(store::Tx& tx, std::string_view key) {
  TRY(const auto known, current(tx));
  const std::string hash = hash_of(key);
  if (!known) return add(tx, hash, 0, 0);
  if (*known == hash) return {};
  return base::fail(Code::conflict, "note the key of the markers: the store knows another one",
                    "configuration");
}

Result<> replace(store::Tx& tx, std::string_view key, base::WallTime now) {
  TRY(const auto known, current(tx));
  const std::string hash = hash_of(key);
  if (known && *known == hash) return {};
  TRY(const auto last, tx.query_one("SELECT COALESCE(MAX(seq), 0) FROM jobs"));
  return add(tx, hash, engine::to_stamp(now), last->at(0).integer());
}

Result<bool> may_be_older(store::Tx& tx, const engine::Job& root) {
  TRY(const auto row, tx.query_one(newest));
  return row && root.sequence <= row->at(1).integer();
}

}  // namespace marker_keys
}  // namespace services
