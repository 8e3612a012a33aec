#include "bridge/engine/job_row.h"

#include "cdp/try.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;
using store::Value;

constexpr std::array<std::string_view, 7> states = {"queued", "running",   "done",   "failed",
                                                    "held",   "cancelled", "expired"};
constexpr std::array<std::string_view, 5> stages = {"none", "intent", "armed", "sent", "replied"};

template <class Enum, std::size_t n>
std::optional<Enum> named(const std::array<std::string_view, n>& names, std::string_view word) {
  const auto found = std::ranges::find(names, word);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

std::optional<std::string> text_or_none(const Value& value) {
  if (value.is_null()) return std::nullopt;
  return value.text();
}

constexpr std::string_view columns =
    "seq, id, kind, lane, sender, principal, idempotency_key, body_hash, subject, thread, band, "
    "cost, state, stage, attempt, failures, epoch, doubtful, in_line, ready_et, since_et, parent, "
    "deadline_at, error_code, error_detail, queued_at, claimed_at, intent_at, armed_at, sent_at, "
    "replied_at, ended_at";

// Reads one row from left to right.
class Reader {
 public:
  explicit Reader(const store::Row& row) : row_(row) {}
  const Value& next() { return row_.at(at_++); }
  std::string text() { return next().text(); }
  std::int64_t integer() { return next().integer(); }
  int small() { return static_cast<int>(integer()); }

 private:
  const store::Row& row_;
  std::size_t at_ = 0;
};

}  // namespace

Payload::Payload(Members members) : Payload(base::json::object(members)) {}
Payload::Payload(const base::json::object& object) : text_(base::json::serialize(object)) {}
Payload Payload::of(std::string text) {
  Payload payload;
  payload.text_ = std::move(text);
  return payload;
}

std::string_view name(State state) { return states[static_cast<std::size_t>(state)]; }
std::optional<State> state_named(std::string_view word) { return named<State>(states, word); }
bool is_final(State state) {
  return state != State::queued && state != State::running && state != State::held;
}
std::string_view name(Stage stage) { return stages[static_cast<std::size_t>(stage)]; }
std::optional<Stage> stage_named(std::string_view word) { return named<Stage>(stages, word); }

std::string select_jobs(std::string_view rest) {
  return fmt::format("SELECT {} FROM jobs {}", columns, rest);
}

JobRow job_of(const store::Row& row) {
  Reader in(row);
  JobRow job;
  job.sequence = in.integer();
  job.id.text = in.text();
  job.kind = in.text();
  job.lane.text = in.text();
  job.sender = in.text();
  job.principal = in.text();
  job.key = text_or_none(in.next()).value_or("");
  job.body_hash = in.text();
  job.subject = in.text();
  job.thread = in.text();
  job.band = in.small();
  job.cost = in.small();
  const auto state = state_named(in.text());
  const auto stage = stage_named(in.text());
  BRIDGE_ASSERT(state && stage);
  job.state = *state;
  job.stage = *stage;
  job.attempt = in.small();
  job.failures = in.small();
  job.epoch = in.integer();
  job.is_doubtful = in.next().flag();
  job.is_in_line = in.next().flag();
  job.ready = Milliseconds(in.integer());
  job.since = Milliseconds(in.integer());
  if (auto parent = text_or_none(in.next())) job.parent = JobId{*std::move(parent)};
  job.deadline = time_or_none(in.next());
  auto code = text_or_none(in.next());
  auto detail = text_or_none(in.next());
  if (code) job.error = JobError{*std::move(code), std::move(detail).value_or("")};
  job.timings.queued = from_stamp(in.integer());
  for (auto* time : {&job.timings.claimed, &job.timings.intent, &job.timings.armed,
                     &job.timings.sent, &job.timings.replied, &job.timings.ended}) {
    *time = time_or_none(in.next());
  }
  return job;
}

namespace {

std::vector<JobRow> jobs_of(const std::vector<store::Row>& rows) {
  std::vector<JobRow> jobs;
  jobs.reserve(rows.size());
  for (const auto& row : rows) jobs.push_back(job_of(row));
  return jobs;
}

}  // namespace

Result<std::vector<JobRow>> find_jobs(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto rows, tx.query(select_jobs(rest), std::move(values)));
  return jobs_of(rows);
}

Result<std::vector<JobRow>> find_jobs_by_key(store::Tx& tx, const std::string& principal,
                                             const std::string& key) {
  static const auto select = select_jobs("WHERE principal = $1 AND idempotency_key = $2");
  TRY(const auto rows, tx.query(select, {principal, key}));
  return jobs_of(rows);
}

Result<std::optional<JobRow>> find_job(store::Tx& tx, const JobId& id) {
  static const auto select = select_jobs("WHERE id = $1");
  TRY(const auto row, tx.query_one(select, {id.text}));
  if (!row) return std::nullopt;
  return job_of(*row);
}

Result<JobRow> load_job(store::Tx& tx, const JobId& id) {
  TRY(auto job, find_job(tx, id));
  if (!job) return base::fail(Code::not_found, fmt::format("job {}: no such job", id.text));
  return *std::move(job);
}

Result<> load_texts(store::Tx& tx, Job& job) {
  TRY(const auto texts, tx.query_one("SELECT p.payload, r.result FROM job_payloads AS p "
                                     "LEFT JOIN job_results AS r ON r.seq = p.seq "
                                     "WHERE p.seq = $1",
                                     {job.sequence}));
  BRIDGE_ASSERT(texts);
  TRY(auto payload, base::parse_json(texts->at(0).text()));
  job.payload = std::move(payload).as_object();
  if (texts->at(1).is_null()) return {};
  TRY(job.result, base::parse_json(texts->at(1).text()));
  return {};
}

Result<> insert_job(store::Tx& tx, JobRow& row, const std::string& payload) {
  TRY(const auto last, tx.query_one("SELECT COALESCE(MAX(seq), 0) FROM jobs"));
  row.sequence = last->at(0).integer() + 1;
  store::Values values = {row.sequence,
                          row.id.text,
                          row.kind,
                          row.lane.text,
                          row.sender,
                          row.principal,
                          row.key.empty() ? Value() : Value(row.key),
                          row.body_hash,
                          row.subject,
                          row.thread,
                          row.band,
                          row.cost,
                          name(row.state),
                          name(row.stage),
                          row.attempt,
                          row.failures,
                          row.epoch,
                          row.is_doubtful,
                          row.is_in_line,
                          row.ready.count(),
                          row.since.count(),
                          row.parent ? Value(row.parent->text) : Value(),
                          stamp_or_null(row.deadline),
                          Value(),
                          Value(),
                          to_stamp(row.timings.queued),
                          stamp_or_null(row.timings.claimed),
                          Value(),
                          Value(),
                          Value(),
                          Value(),
                          Value()};
  static const std::string insert = fmt::format(
      "INSERT INTO jobs ({}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
      "$15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)",
      columns);
  TRY_OK(tx.execute(insert, std::move(values)));
  TRY_OK(tx.execute("INSERT INTO job_payloads (seq, payload) VALUES ($1, $2)",
                    {row.sequence, payload}));
  return {};
}

Result<> update_job(store::Tx& tx, const JobRow& before, const JobRow& after) {
  BRIDGE_ASSERT(before.sequence == after.sequence);
  store::Values values = {before.sequence,
                          name(before.state),
                          name(before.stage),
                          before.attempt,
                          before.epoch,
                          name(after.state),
                          name(after.stage),
                          after.attempt,
                          after.failures,
                          after.epoch,
                          after.is_doubtful,
                          after.is_in_line,
                          after.ready.count(),
                          after.since.count(),
                          stamp_or_null(after.deadline),
                          after.error ? Value(after.error->code) : Value(),
                          after.error ? Value(after.error->detail) : Value(),
                          to_stamp(after.timings.queued),
                          stamp_or_null(after.timings.claimed),
                          stamp_or_null(after.timings.intent),
                          stamp_or_null(after.timings.armed),
                          stamp_or_null(after.timings.sent),
                          stamp_or_null(after.timings.replied),
                          stamp_or_null(after.timings.ended)};
  TRY(const auto changed,
      tx.execute("UPDATE jobs SET state = $6, stage = $7, attempt = $8, failures = $9, "
                 "epoch = $10, doubtful = $11, in_line = $12, ready_et = $13, since_et = $14, "
                 "deadline_at = $15, error_code = $16, error_detail = $17, queued_at = $18, "
                 "claimed_at = $19, intent_at = $20, armed_at = $21, sent_at = $22, "
                 "replied_at = $23, ended_at = $24 "
                 "WHERE seq = $1 AND state = $2 AND stage = $3 AND attempt = $4 AND epoch = $5",
                 std::move(values)));
  if (changed != 1) {
    return base::fail(
        Code::conflict,
        fmt::format("change job {}: it is no longer {}", before.id.text, name(before.state)),
        "stale");
  }
  return {};
}

}  // namespace engine
