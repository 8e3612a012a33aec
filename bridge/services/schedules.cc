#include "bridge/services/schedules.h"

#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/schema/format.h"
#include "bridge/services/schedule/schedule.h"
#include "bridge/services/schedule/zone.h"
#include "bridge/services/schedule_rows.h"
#include "bridge/services/schedule_writer.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
namespace rows = schedule_rows;
using base::Code;
using base::Result;
using base::Task;

namespace {

constexpr std::string_view every = "every ";

base::WallTime to_milliseconds(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time);
}

protocol::Refusal wrong(std::string pointer, std::string keyword, const base::Error& error) {
  return {{Code::invalid, "create schedule: " + error.message, "invalid"},
          {{std::move(pointer), std::move(keyword), error.message}}};
}

Result<schedule::Schedule> rule_of(const Schedule& schedule) {
  return schedule::Schedule::parse(schedule.rule, schedule.zone, schedule.start);
}

// Goes on from `now`: what was due before is not made up for.
Result<> start_anew(Schedule& schedule, base::WallTime now) {
  const bool is_interval = schedule.rule.starts_with(every);
  if (is_interval && schedule.start > now) schedule.start = to_milliseconds(now);
  schedule.done = to_milliseconds(now);
  schedule.next.reset();
  if (schedule.is_paused) return {};
  TRY(const auto rule, rule_of(schedule));
  schedule.next = rule.next_after(now);
  return {};
}

// Everything about a request that no store needs to be asked for.
protocol::Checked<Schedule> planned(const Packets& packets, const Caller& caller,
                                    NewSchedule& asked, base::WallTime now) {
  Schedule schedule{.id = base::uuid_v7(now),
                    .name = asked.name,
                    .rule = asked.cron.empty() ? std::string(every) + asked.interval : asked.cron,
                    .zone = asked.zone,
                    .start = to_milliseconds(now),
                    .packet = std::nullopt,
                    .flow = asked.flow,
                    .band = asked.band,
                    .patience = asked.patience,
                    .is_paused = asked.is_paused,
                    .creator = caller.principal,
                    .created = to_milliseconds(now),
                    .done = to_milliseconds(now),
                    .next = std::nullopt};
  if (auto zone = schedule::find_zone(asked.zone); !zone) {
    return std::unexpected(wrong("/time_zone", "time_zone", zone.error()));
  }
  // "every" begins intervals, which are asked for by another name.
  auto rule = asked.cron.starts_with(every)
                  ? Result<schedule::Schedule>(
                        base::fail(Code::invalid,
                                   "this is an interval: write it without \"every\" into "
                                   "\"interval\" instead of \"cron\""))
                  : rule_of(schedule);
  if (!rule) {
    return std::unexpected(asked.cron.empty() ? wrong("/interval", "interval", rule.error())
                                              : wrong("/cron", "cron", rule.error()));
  }
  if (auto begun = start_anew(schedule, now); !begun) {
    return std::unexpected(protocol::Refusal{begun.error(), {}});
  }
  if (!asked.packet) return schedule;
  auto job = packets.job_of(caller, *asked.packet, {});
  if (!job) {
    auto refusal = std::move(job).error();
    for (auto& violation : refusal.violations) violation.pointer.insert(0, "/packet");
    return std::unexpected(std::move(refusal));
  }
  schedule.packet = std::move(asked.packet->as_object());
  if (schedule.packet->contains("idempotency_key")) {
    return std::unexpected(
        wrong("/packet/idempotency_key", "unique",
              {Code::invalid, "leave it out: every run hands in a packet with a key of its own"}));
  }
  return schedule;
}

// Its workflow is there and takes these inputs; nothing: all is well, and the call is of the
// version that was looked at.
Result<std::optional<protocol::Refusal>> check_flow(store::Tx& tx, const Schedules::Needs& needs,
                                                    const Caller& caller, WorkflowCall& flow,
                                                    const engine::Now& now) {
  auto checked = needs.flows.check(tx, caller, flow, now);
  if (!checked && checked.error().code == Code::not_found) {
    return std::optional(wrong("/workflow", "workflow", checked.error()));
  }
  if (!checked) return std::unexpected(std::move(checked).error());
  if (checked->refusal) return std::move(checked->refusal);
  // By its name it is the same for ever; what else was asked for by may come to mean another.
  flow.workflow = std::move(checked->workflow);
  flow.version = checked->version;
  return std::nullopt;
}

// Takes the newest version, which somebody who may has looked at.
Result<> renew(store::Tx& tx, const Schedules::Needs& needs, const Caller& caller,
               Schedule& schedule, const engine::Now& now) {
  const auto cannot = [&](Code code, std::string_view why, std::string reason) {
    return base::fail(code, fmt::format("resume schedule {}: {}", schedule.id, why),
                      std::move(reason));
  };
  if (!caller.is_admin) {
    return cannot(Code::denied, "only an administrator has it take another's version", "not_admin");
  }
  if (!schedule.flow) return cannot(Code::conflict, "it begins no workflow", "no_workflow");
  TRY(const auto refusal, check_flow(tx, needs, caller, *schedule.flow, now));
  if (refusal) return std::unexpected<base::Error>(*refusal);
  return rows::set_flow(tx, schedule);
}

}  // namespace

Schedules::Schedules(asio::any_io_executor executor, Needs needs)
    : needs_(needs), notice_(std::move(executor)) {}

void Schedules::tell_change() {
  ++changes_;
  notice_.notify();
}

const Schedules::Check* Schedules::check_of(const std::string& schedule) const {
  const auto found = std::ranges::find(checks_, schedule, &Check::schedule);
  return found == checks_.end() ? nullptr : &*found;
}

void Schedules::add_check(Check check) {
  if (check_of(check.schedule)) return;
  checks_.push_back(std::move(check));
  notice_.notify();
}

// ---- what people do

asio::awaitable<protocol::Checked<Schedules::Created>> Schedules::create(Caller caller,
                                                                         NewSchedule asked) {
  const auto now = needs_.timeline.now();
  auto schedule = planned(needs_.packets, caller, asked, now.wall);
  if (!schedule) co_return std::unexpected(std::move(schedule).error());
  struct Outcome {
    std::optional<protocol::Refusal> refusal = {};
    Created created = {};
  };
  auto write = [needs = needs_, caller = std::move(caller), plan = *std::move(schedule),
                asked = std::move(asked), now](store::Tx& tx) -> Result<Outcome> {
    TRY(auto known, rows::of_request(tx, plan.creator, asked));
    if (known) return Outcome{.created = {*std::move(known), true}};
    Schedule made = plan;
    // An id calls the one that has it, and nobody is to take another for that one.
    if (schema::is_uuid(made.name)) {
      return Outcome{.refusal = wrong("/name", "not", {Code::invalid, "it looks like an id"})};
    }
    if (made.flow) {
      TRY(auto refusal, check_flow(tx, needs, caller, *made.flow, now));
      if (refusal) return Outcome{.refusal = *std::move(refusal)};
    }
    TRY_OK(rows::insert(tx, made, asked, needs.store.generation()));
    TRY_OK(needs.journal.append(tx,
                                {.type = "schedule.created",
                                 .subject = made.id,
                                 .actor = made.creator,
                                 .data = facts(made)},
                                now.wall));
    return Outcome{.created = {std::move(made), false}};
  };
  auto created = co_await needs_.store.write(std::move(write));
  if (!created) co_return std::unexpected(protocol::Refusal{std::move(created).error(), {}});
  if (created->refusal) co_return std::unexpected(*std::move(created->refusal));
  tell_change();
  co_return std::move(created->created);
}

Task<Schedule> Schedules::get(std::string which) {
  co_return co_await needs_.store.read([which](store::Tx& tx) { return rows::find(tx, which); });
}

Task<std::vector<ScheduleRun>> Schedules::runs(std::string id, int limit) {
  co_return co_await needs_.store.read(
      [id, limit](store::Tx& tx) { return rows::runs(tx, id, limit); });
}

Task<Schedules::Page> Schedules::list(std::string before, std::size_t limit) {
  CO_TRY(auto found, co_await needs_.store.read(
                         [before, limit](store::Tx& tx) { return rows::list(tx, before, limit); }));
  co_return Page{.schedules = std::move(found.items), .is_end = found.is_end};
}

Task<Schedule> Schedules::pause(std::string which, std::string actor) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write(
      [needs = needs_, which, actor, now](store::Tx& tx) -> Result<Schedule> {
        TRY(auto schedule, rows::find(tx, which));
        if (schedule.is_paused) return schedule;
        schedule.is_paused = true;
        schedule.next.reset();
        TRY_OK(rows::set_times(tx, schedule, needs.store.generation()));
        TRY_OK(needs.journal.append(tx,
                                    {.type = "schedule.paused",
                                     .subject = schedule.id,
                                     .actor = actor,
                                     .data = facts(schedule)},
                                    now));
        return schedule;
      });
}

Task<Schedule> Schedules::resume(std::string which, Caller caller, Version version) {
  const auto now = needs_.timeline.now();
  auto write = [needs = needs_, which, caller = std::move(caller), version,
                now](store::Tx& tx) -> Result<Schedule> {
    TRY(auto schedule, rows::find(tx, which));
    if (version == Version::newest) TRY_OK(renew(tx, needs, caller, schedule, now));
    if (!schedule.is_paused && version == Version::kept) return schedule;
    if (schedule.is_paused) {
      schedule.is_paused = false;
      TRY_OK(start_anew(schedule, now.wall));
      TRY_OK(rows::set_times(tx, schedule, needs.store.generation()));
    }
    TRY_OK(needs.journal.append(tx,
                                {.type = "schedule.resumed",
                                 .subject = schedule.id,
                                 .actor = caller.principal,
                                 .data = facts(schedule)},
                                now.wall));
    return schedule;
  };
  CO_TRY(auto resumed, co_await needs_.store.write(std::move(write)));
  tell_change();
  co_return resumed;
}

Task<> Schedules::remove(std::string which, std::string actor) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write(
      [needs = needs_, which, actor, now](store::Tx& tx) -> Result<> {
        TRY(const auto schedule, rows::find(tx, which));
        TRY_OK(rows::remove(tx, schedule.id));
        TRY_OK(needs.journal.append(tx,
                                    {.type = "schedule.deleted",
                                     .subject = schedule.id,
                                     .actor = actor,
                                     .data = facts(schedule)},
                                    now));
        return {};
      });
}

namespace {

// What is asked for now, under a key of the caller's; empty: none.
struct Wanted {
  std::string id, key, actor;
  Deed deed;
  std::optional<ScheduleRun> under_way;  // a look at the session
};

Result<Schedules::RanNow> run_once(store::Tx& tx, const Schedules::Needs& needs,
                                   const Wanted& wanted, const engine::Now& now) {
  TRY(const auto schedule, rows::find(tx, wanted.id));
  TRY(auto known, rows::run_of_key(tx, schedule.id, wanted.key));
  if (known) return Schedules::RanNow{*std::move(known), true};
  Schedules::RanNow ran;
  if (wanted.under_way) {
    // One look at a time serves all who want one.
    ran.run = *wanted.under_way;
  } else {
    const RunWriter writer(tx, needs, now);
    TRY(ran.run, writer.act(schedule, to_milliseconds(now.wall), wanted.deed, ran.is_replay));
    // Its run is no longer among those that are kept.
    if (ran.is_replay) return ran;
    TRY(ran.run, writer.write(schedule, std::move(ran.run), wanted.actor));
  }
  if (ran.run.outcome != "failed") {
    TRY_OK(rows::keep_key(tx, schedule.id, wanted.key, ran.run.number));
  }
  return ran;
}

}  // namespace

Task<Schedules::RanNow> Schedules::run_now(std::string which, std::string key, std::string actor) {
  CO_TRY(const auto schedule, co_await get(which));
  const auto now = needs_.timeline.now();
  const auto own = "now:" + (key.empty() ? base::uuid_v7(now.wall) : key);
  Wanted wanted{.id = schedule.id,
                .key = std::move(key),
                .actor = std::move(actor),
                .deed = deed_of(needs_.packets, schedule, own, now.wall),
                .under_way = std::nullopt};
  if (schedule.packet || schedule.flow) {
    CO_TRY_OK(room_for_new(needs_.store));
    const auto& job = wanted.deed.job;
    if (job && !*job) co_return std::unexpected<base::Error>(job->error());
  } else if (const auto* under_way = check_of(schedule.id)) {
    wanted.under_way = under_way->run;
  }
  CO_TRY(auto ran, co_await needs_.store.write([needs = needs_, wanted, now](store::Tx& tx) {
    return run_once(tx, needs, wanted, now);
  }));
  const bool is_new = !ran.is_replay && !wanted.under_way;
  if (is_new && ran.run.outcome == "checking") add_check({schedule.id, ran.run});
  co_return ran;
}

// ---- what time does

Task<> Schedules::start(base::Scope& tasks) {
  const auto now = needs_.clock.wall();
  CO_TRY_OK(co_await needs_.store.write([needs = needs_, now](store::Tx& tx) -> Result<> {
    TRY_OK(rows::interrupt_checks(tx));
    const auto generation = needs.store.generation();
    // What ran after the backup was made is not known here, and must not run twice.
    TRY(const auto restored, rows::of_other_generations(tx, generation));
    for (auto schedule : restored) {
      const bool was_due = schedule.next && *schedule.next <= now;
      TRY_OK(start_anew(schedule, now));
      TRY_OK(rows::set_times(tx, schedule, generation));
      if (!was_due) continue;
      ScheduleRun run{.due = schedule.done,
                      .started = schedule.done,
                      .outcome = "skipped",
                      .detail = "a backup was restored: runs since then may have happened"};
      TRY(run.number, rows::add_run(tx, schedule.id, run));
      TRY_OK(needs.journal.append(tx,
                                  {.type = "schedule.skipped",
                                   .subject = schedule.id,
                                   .actor = "bridge",
                                   .data = facts(schedule, run)},
                                  now));
    }
    return {};
  }));
  tasks.spawn(run());
  tasks.spawn(check_sessions());
  co_return base::Result<>();
}

asio::awaitable<void> Schedules::run() {
  for (;;) {
    const auto seen = changes_;
    const auto next = co_await run_due();
    base::Instant::duration pause = limits::schedule_look;
    if (next && *next) {
      pause = std::clamp<base::Instant::duration>(**next - needs_.clock.wall(),
                                                  base::Instant::duration(0), pause);
    }
    if (changes_ == seen) co_await notice_.wait(needs_.clock, needs_.clock.now() + pause);
  }
}

// Runs what is due; when the next one is.
Task<std::optional<base::WallTime>> Schedules::run_due() {
  const auto now = needs_.clock.wall();
  // What is left of the disk is for what is under way.
  if (needs_.store.is_short_of_space()) co_return now + limits::schedule_look;
  CO_TRY(auto due, co_await needs_.store.read([now](store::Tx& tx) { return rows::due(tx, now); }));
  for (auto& schedule : due) CO_TRY_OK(co_await run_one(std::move(schedule)));
  co_return co_await needs_.store.read([](store::Tx& tx) { return rows::next(tx); });
}

Task<> Schedules::run_one(Schedule seen) {
  const auto now = needs_.timeline.now();
  const auto rule = rule_of(seen);
  if (!rule) co_return co_await give_up(std::move(seen), rule.error());
  const auto due = rule->due(seen.done, now.wall);
  Deed deed;
  if (due) deed = deed_of(needs_.packets, seen, base::rfc3339(*due), now.wall);
  const bool is_checking = check_of(seen.id) != nullptr;
  CO_TRY(const auto run,
         co_await needs_.store.write([needs = needs_, seen, rule = *rule, due, deed, is_checking,
                                      now](store::Tx& tx) -> Result<std::optional<ScheduleRun>> {
           TRY(auto schedule, rows::with_id(tx, seen.id));
           // Somebody was quicker.
           if (!schedule || schedule->is_paused || schedule->done != seen.done) return std::nullopt;
           const auto generation = needs.store.generation();
           if (!due) {
             // The calendar was set back.
             TRY_OK(start_anew(*schedule, now.wall));
             TRY_OK(rows::set_times(tx, *schedule, generation));
             return std::nullopt;
           }
           const RunWriter writer(tx, needs, now);
           auto run = writer.run(*schedule, *due, deed, is_checking);
           if (!run && run.error().reason == "queue_full") {
             TRY_OK(writer.delay(*schedule, *due, run.error()));
             return std::nullopt;
           }
           if (!run) return std::unexpected(run.error());
           schedule->done = *due;
           schedule->next = rule.next_after(now.wall);
           TRY_OK(rows::set_times(tx, *schedule, generation));
           TRY(auto written, writer.write(*schedule, *std::move(run), "bridge"));
           return written;
         }));
  if (run && run->outcome == "checking") add_check({seen.id, *run});
  co_return base::Result<>();
}

// A rule that was good once: its time zone is no longer installed.
Task<> Schedules::give_up(Schedule seen, base::Error why) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.write(
      [needs = needs_, seen, why, now](store::Tx& tx) -> Result<> {
        TRY(auto schedule, rows::with_id(tx, seen.id));
        if (!schedule || schedule->is_paused) return {};
        schedule->is_paused = true;
        schedule->next.reset();
        TRY_OK(rows::set_times(tx, *schedule, needs.store.generation()));
        const RunWriter writer(tx, needs, now);
        auto run = writer.ended(now.wall, "failed", why.message + "; the schedule is paused");
        TRY_OK(writer.write(*schedule, std::move(run), "bridge"));
        return {};
      });
}

asio::awaitable<void> Schedules::check_sessions() {
  for (;;) {
    if (checks_.empty()) {
      co_await notice_.wait(needs_.clock, base::Instant::max());
      continue;
    }
    // A store that fails here leaves the outcome open; the next start says so.
    (void)co_await check(checks_.front());
    checks_.pop_front();
  }
}

Task<> Schedules::check(Check which) {
  auto looked = co_await base::with_deadline(needs_.clock, needs_.session.check(),
                                             limits::schedule_check, "check the session");
  const std::string outcome = looked ? "checked" : "failed";
  const std::string detail =
      looked ? fmt::format("{}: {}", chat::name(looked->state), looked->evidence)
             : looked.error().message;
  co_return co_await needs_.store.write([needs = needs_, which, outcome, detail,
                                         now = needs_.clock.wall()](store::Tx& tx) -> Result<> {
    TRY_OK(rows::end_checks(tx, which.schedule, outcome, detail));
    TRY_OK(needs.journal.append(tx,
                                {.type = "schedule.checked",
                                 .subject = which.schedule,
                                 .actor = "bridge",
                                 .data = {{"outcome", outcome}, {"detail", detail}}},
                                now));
    return {};
  });
}

}  // namespace services
