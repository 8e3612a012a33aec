#include "tests/sim/promises.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace sim {

using engine::State;

std::string_view name(Promise promise) {
  static constexpr std::array<std::string_view, 19> names = {
      "posted_once", "accepted_once", "kept",           "ends_once", "one_writer",
      "caps",        "in_turn",       "in_time",        "journal",   "held_in_doubt",
      "patience",    "right_answer",  "failed_rightly", "ends",      "own_chat",
      "parallel",    "typed_in_turn", "looks_first",    "paused"};
  return names[static_cast<std::size_t>(promise)];
}

void Watch::report(Promise promise, std::string what) {
  violations_.push_back({promise, std::move(what)});
}

void Watch::committed(const engine::Change& change, const engine::Now& now) {
  ++entries_;
  const engine::Job& job = change.job;
  const auto known = jobs_.find(job.id.text);
  const bool is_asked_anew = change.verb == "requeued";
  if (known != jobs_.end() && engine::is_final(known->second.state) && !is_asked_anew) {
    report(Promise::ends_once, fmt::format("job {} was {} and is {}", job.id.text,
                                           name(known->second.state), name(job.state)));
  }
  if (change.verb == "claimed") check_claim(change);
  if (change.verb == "armed") {
    armed_in_pause_.erase(job.id.text);
    if (is_everything_paused()) armed_in_pause_.insert(job.id.text);
  }
  if (change.verb == "sent") sent_[job.id.text] = base::Instant(now.steady);
  // A person's word: the wait begins when the message is seen.
  if (change.verb == "resolved") sent_.erase(job.id.text);
  // The deadline that was promised, whatever becomes of it in the store.
  const auto deadline = known == jobs_.end() ? job.deadline : known->second.deadline;
  jobs_.insert_or_assign(job.id.text, job).first->second.deadline = deadline;
}

void Watch::check_claim(const engine::Change& change) {
  const engine::Job& job = change.job;
  std::int64_t& epoch = lanes_[job.lane].claim_epoch;
  if (job.epoch <= epoch) {
    report(Promise::one_writer, fmt::format("epoch {} was given out after {}", job.epoch, epoch));
  }
  epoch = job.epoch;
  if (is_everything_paused()) {
    report(Promise::paused, fmt::format("job {} begins", job.id.text));
  }
  if (change.from != State::queued) return;
  for (const auto& [id, other] : jobs_) {
    const bool waits = !other.parent && other.state == State::queued && other.lane == job.lane &&
                       other.band == job.band;
    if (waits && other.sender == job.sender && other.sequence < job.sequence) {
      report(Promise::in_turn, fmt::format("job {} of {} starts before {}", job.sequence,
                                           job.sender, other.sequence));
    }
  }
}

template <class Predicate>
int Watch::lanes_beside(const engine::LaneId& one, Predicate is_counted) const {
  const std::string& account = rules_.lanes.at(one);
  return static_cast<int>(std::ranges::count_if(lanes_, [&](const auto& known) {
    const auto& [id, lane] = known;
    return lane.is_held(clock_.now()) && is_counted(lane) && rules_.lanes.at(id) == account;
  }));
}

Counted Watch::types(const engine::LaneId& lane) {
  int& typing = accounts_[rules_.lanes.at(lane)].typing;
  Counted counted(typing);
  if (typing > 1) {
    report(Promise::typed_in_turn, fmt::format("{} messages are typed at once", typing));
  }
  return counted;
}

// Who has lost the lane and does not know it yet has no turn of the account any more.
int Watch::turns_beside(const engine::LaneId& lane) const {
  return lanes_beside(lane, [](const Lane& one) { return one.turns > 0; });
}

Counted Watch::begins_turn(const engine::LaneId& lane) {
  Counted counted(lanes_[lane].turns);
  if (const int turns = turns_beside(lane); turns > rules_.parallel) {
    report(Promise::parallel,
           fmt::format("{} turns are under way instead of {}", turns, rules_.parallel));
  }
  return counted;
}

// A click comes that much later than what was noted before it, and the one before it did not.
constexpr base::Instant::duration click_slack = limits::armed_is_fresh + std::chrono::seconds(1);

void Watch::check_limits(const std::string& account) {
  const base::Instant now = clock_.now();
  auto& clicks = accounts_[account].clicks;
  if (!clicks.empty() && now - clicks.back() < rules_.pause) {
    report(Promise::caps, "two sends in one pause");
  }
  clicks.push_back(now);
  const auto recent = std::ranges::count_if(
      clicks, [&](base::Instant at) { return at > now - (rules_.cap_window - click_slack); });
  if (recent > rules_.cap) {
    report(Promise::caps, fmt::format("{} sends in a window of {}", recent, rules_.cap));
  }
}

const engine::Job& Watch::clicked(const engine::LaneId& lane, const std::string& id) {
  static const engine::Job nothing;
  check_limits(rules_.lanes.at(lane));
  const auto known = jobs_.find(id);
  if (known == jobs_.end()) {
    report(Promise::posted_once, "a click for no job");
    return nothing;
  }
  const engine::Job& job = known->second;
  if (job.lane != lane) {
    report(Promise::own_chat, fmt::format("job {} is clicked in another conversation", id));
  }
  if (job.stage != engine::Stage::armed) {
    report(Promise::posted_once, fmt::format("a click for a job that is {}", name(job.stage)));
  }
  if (armed_in_pause_.contains(id)) {
    report(Promise::paused, fmt::format("job {} was armed for a click", id));
  }
  if (job.deadline && clock_.wall() > *job.deadline + click_slack) {
    report(Promise::in_time, fmt::format("job {} is sent after its deadline", id));
  }
  return job;
}

void Watch::waits(const engine::LaneId& lane, base::Instant::duration limit) {
  constexpr base::Instant::duration least = std::chrono::seconds(5);
  constexpr base::Instant::duration slack = std::chrono::milliseconds(10);
  for (const auto& [id, job] : jobs_) {
    const auto sent = sent_.find(id);
    if (job.lane != lane || sent == sent_.end()) continue;
    if (job.state != State::running || job.stage != engine::Stage::sent) continue;
    const auto due = std::max(rules_.reply - (clock_.now() - sent->second), least);
    if (limit >= due - slack && limit <= due + slack) continue;
    const std::chrono::duration<double> waits = limit;
    const std::chrono::duration<double> agreed = due;
    report(Promise::patience, fmt::format("job {} waits {:.3f} s for its answer instead of {:.3f}",
                                          id, waits.count(), agreed.count()));
  }
}

void Watch::gives_up(const engine::Job& job, base::Instant came) {
  constexpr base::Instant::duration slack = std::chrono::milliseconds(10);
  const auto sent = sent_.find(job.id.text);
  if (sent == sent_.end()) return;
  const base::Instant looked = lanes_[job.lane].looked;
  if (looked >= sent->second + rules_.reply - slack && looked < came) return;
  report(Promise::looks_first, fmt::format("job {} is {}, and its answer is there: no look after "
                                           "its time has missed it",
                                           job.id.text, name(job.state)));
}

base::Result<> Watch::look(store::Tx& tx, base::Instant asked) {
  TRY_OK(look_at_leases(tx, asked));
  TRY_OK(look_at_journal(tx));
  TRY(const auto row, tx.query_one("SELECT COUNT(*) FROM jobs"));
  if (row->at(0).integer() < static_cast<std::int64_t>(jobs_.size())) {
    report(Promise::kept,
           fmt::format("{} jobs were accepted, {} are there", jobs_.size(), row->at(0).integer()));
  }
  return {};
}

void Watch::look_at_lease(const store::Row& row, base::Instant asked) {
  const engine::LaneId id{row.at(0).text()};
  Lane& lane = lanes_[id];
  const std::int64_t epoch = row.at(1).integer();
  const std::int64_t until = row.at(3).integer();
  if (epoch < lane.epoch) report(Promise::one_writer, "the lane's epoch went back");
  if (epoch != lane.epoch && lane.is_held(clock_.now())) {
    report(Promise::one_writer, fmt::format("epoch {} begins while {} holds", epoch, lane.epoch));
  }
  const bool is_new = epoch != lane.epoch || until != lane.lease_row;
  if (is_new) lane.lease_ends = asked + rules_.lease;
  lane.epoch = epoch;
  lane.lease_row = until;
  lane.is_leased = !row.at(2).is_null();
  if (!is_new || !lane.is_leased) return;
  const int held = lanes_beside(id, [](const Lane&) { return true; });
  if (held > rules_.parallel) {
    report(Promise::parallel, fmt::format("{} lanes run instead of {}", held, rules_.parallel));
  }
}

base::Result<> Watch::look_at_leases(store::Tx& tx, base::Instant asked) {
  TRY(const auto rows, tx.query("SELECT id, epoch, holder, lease_until_et FROM lanes"));
  for (const auto& row : rows) look_at_lease(row, asked);
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
  armed_in_pause_.clear();
  TRY(const auto paused, queue.everything_paused(tx));
  everything_is(paused.empty() ? Activity::going_on : Activity::paused);
  TRY(const auto rows, tx.query("SELECT id FROM jobs"));
  for (const auto& row : rows) {
    const std::string& id = row[0].text();
    TRY(auto job, queue.get(tx, {id}));
    jobs_.emplace(id, std::move(job));
  }
  verified_ = {};
  TRY(entries_, journal_.last(tx));
  for (auto& [id, lane] : lanes_) lane = Lane{};
  TRY(const auto lanes, tx.query("SELECT id, epoch, lease_until_et FROM lanes"));
  for (const auto& row : lanes) {
    Lane& lane = lanes_[{row.at(0).text()}];
    lane.epoch = lane.claim_epoch = row.at(1).integer();
    lane.lease_row = row.at(2).integer();
  }
  return {};
}

void Watch::process_died() {
  for (auto& [id, lane] : lanes_) lane.lease_ends = base::Instant::min();
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
