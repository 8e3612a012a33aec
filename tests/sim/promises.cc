#include "tests/sim/promises.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sim {

using engine::State;

std::string_view name(Promise promise) {
  static constexpr std::array<std::string_view, 14> names = {
      "posted_once", "accepted_once", "kept",           "ends_once", "one_writer",
      "caps",        "in_turn",       "in_time",        "journal",   "held_in_doubt",
      "patience",    "right_answer",  "failed_rightly", "ends"};
  return names[static_cast<std::size_t>(promise)];
}

void Watch::report(Promise promise, std::string what) {
  violations_.push_back({promise, std::move(what)});
}

void Watch::committed(const engine::Change& change, const engine::Now& now) {
  ++entries_;
  const engine::Job& job = change.job;
  const auto known = jobs_.find(job.id.text);
  if (known != jobs_.end() && engine::is_final(known->second.state)) {
    report(Promise::ends_once, fmt::format("job {} was {} and is {}", job.id.text,
                                           name(known->second.state), name(job.state)));
  }
  if (change.verb == "claimed") check_claim(change);
  if (change.verb == "armed") armed_ = job.id.text;
  if (change.verb == "sent") sent_[job.id.text] = base::Instant(now.steady);
  // A person's word: the wait begins when the message is seen.
  if (change.verb == "resolved") sent_.erase(job.id.text);
  // The deadline that was promised, whatever becomes of it in the store.
  const auto deadline = known == jobs_.end() ? job.deadline : known->second.deadline;
  jobs_.insert_or_assign(job.id.text, job).first->second.deadline = deadline;
}

void Watch::check_claim(const engine::Change& change) {
  const engine::Job& job = change.job;
  if (job.epoch <= claim_epoch_) {
    report(Promise::one_writer,
           fmt::format("epoch {} was given out after {}", job.epoch, claim_epoch_));
  }
  claim_epoch_ = job.epoch;
  if (change.from != State::queued) return;
  for (const auto& [id, other] : jobs_) {
    const bool waits = !other.parent && other.state == State::queued && other.band == job.band;
    if (waits && other.sender == job.sender && other.sequence < job.sequence) {
      report(Promise::in_turn, fmt::format("job {} of {} starts before {}", job.sequence,
                                           job.sender, other.sequence));
    }
  }
}

const engine::Job& Watch::clicked() {
  static const engine::Job nothing;
  // A click comes that much later than what was noted before it, and the one before it did not.
  constexpr base::Instant::duration slack = limits::armed_is_fresh + std::chrono::seconds(1);
  const base::Instant now = clock_.now();
  clicks_.push_back(now);
  const auto recent = std::ranges::count_if(
      clicks_, [&](base::Instant at) { return at > now - (rules_.cap_window - slack); });
  if (recent > rules_.cap) {
    report(Promise::caps, fmt::format("{} sends in a window of {}", recent, rules_.cap));
  }
  const auto known = jobs_.find(armed_);
  if (known == jobs_.end()) {
    report(Promise::posted_once, "a click for no job");
    return nothing;
  }
  const engine::Job& job = known->second;
  if (job.stage != engine::Stage::armed) {
    report(Promise::posted_once, fmt::format("a click for a job that is {}", name(job.stage)));
  }
  if (job.deadline && clock_.wall() > *job.deadline + slack) {
    report(Promise::in_time, fmt::format("job {} is sent after its deadline", job.id.text));
  }
  return job;
}

void Watch::waits(base::Instant::duration limit) {
  constexpr base::Instant::duration least = std::chrono::seconds(5);
  constexpr base::Instant::duration slack = std::chrono::milliseconds(10);
  for (const auto& [id, job] : jobs_) {
    const auto sent = sent_.find(id);
    if (job.state != State::running || job.stage != engine::Stage::sent || sent == sent_.end()) {
      continue;
    }
    const auto due = std::max(rules_.reply - (clock_.now() - sent->second), least);
    if (limit >= due - slack && limit <= due + slack) continue;
    const std::chrono::duration<double> waits = limit;
    const std::chrono::duration<double> agreed = due;
    report(Promise::patience, fmt::format("job {} waits {:.3f} s for its answer instead of {:.3f}",
                                          id, waits.count(), agreed.count()));
  }
}

base::Result<> Watch::look(store::Tx& tx, base::Instant asked) {
  TRY_OK(look_at_lease(tx, asked));
  TRY_OK(look_at_journal(tx));
  TRY(const auto row, tx.query_one("SELECT COUNT(*) FROM jobs"));
  if (row->at(0).integer() < static_cast<std::int64_t>(jobs_.size())) {
    report(Promise::kept,
           fmt::format("{} jobs were accepted, {} are there", jobs_.size(), row->at(0).integer()));
  }
  return {};
}

base::Result<> Watch::look_at_lease(store::Tx& tx, base::Instant asked) {
  TRY(const auto row, tx.query_one("SELECT epoch, holder, lease_until_et FROM lanes"));
  if (!row) return {};
  const std::int64_t epoch = row->at(0).integer();
  const std::int64_t until = row->at(2).integer();
  if (epoch < epoch_) report(Promise::one_writer, "the lane's epoch went back");
  // The engine counts whole milliseconds.
  const base::Instant now = clock_.now() + engine::Milliseconds(1);
  if (epoch != epoch_ && is_leased_ && now < lease_ends_) {
    report(Promise::one_writer, fmt::format("epoch {} begins while {} holds", epoch, epoch_));
  }
  if (epoch != epoch_ || until != lease_row_) lease_ends_ = asked + rules_.lease;
  epoch_ = epoch;
  lease_row_ = until;
  is_leased_ = !row->at(1).is_null();
  return {};
}

base::Result<> Watch::look_at_journal(store::Tx& tx) {
  constexpr int at_once = 500;
  do {
    verified_.is_finished = false;
    TRY_OK(journal_.verify(tx, verified_, "", at_once));
    if (verified_.broken) {
      report(Promise::journal, fmt::format("entry {}: {}", *verified_.broken, verified_.why));
      verified_.broken.reset();
      return {};
    }
  } while (!verified_.is_finished);
  if (verified_.checked != entries_) {
    report(Promise::journal, fmt::format("{} changes, {} entries", entries_, verified_.checked));
  }
  return {};
}

base::Result<> Watch::restored(store::Tx& tx, const engine::Queue& queue) {
  jobs_.clear();
  sent_.clear();
  TRY(const auto rows, tx.query("SELECT id FROM jobs"));
  for (const auto& row : rows) {
    const std::string& id = row[0].text();
    TRY(auto job, queue.get(tx, {id}));
    jobs_.emplace(id, std::move(job));
  }
  verified_ = {};
  TRY(entries_, journal_.last(tx));
  TRY(const auto lane, tx.query_one("SELECT epoch, lease_until_et FROM lanes"));
  epoch_ = claim_epoch_ = lane ? lane->at(0).integer() : 0;
  lease_row_ = lane ? lane->at(1).integer() : 0;
  is_leased_ = false;
  return {};
}

bool Watch::is_settled() const {
  return std::ranges::all_of(jobs_,
                             [](const auto& job) { return engine::is_final(job.second.state); });
}

bool Watch::is_anything_held() const {
  return std::ranges::any_of(jobs_,
                             [](const auto& job) { return job.second.state == State::held; });
}

}  // namespace sim
