#include "bridge/services/schedule_writer.h"

#include "bridge/base/limits.h"
#include "bridge/services/keys.h"
#include "bridge/services/schedule_rows.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
namespace rows = schedule_rows;
using base::Code;
using base::Result;

namespace {

std::string_view doing(const Schedule& schedule) {
  if (schedule.flow) return "workflow";
  return schedule.packet ? "packet" : "session_check";
}

std::string_view type_of(const ScheduleRun& run) {
  if (run.outcome == "skipped") return "schedule.skipped";
  return run.outcome == "failed" ? "schedule.failed" : "schedule.ran";
}

// denied, reason key_not_good: who made the schedule may do nothing any more. Only keys end.
Result<> check_creator(store::Tx& tx, const Schedule& schedule, base::WallTime now) {
  if (!schedule.creator.starts_with("key:")) return {};
  TRY_OK(good_key(tx, schedule.creator, now));
  return {};
}

// An error that says something about what was to be done, not about the store.
bool is_about_deed(const base::Error& error) {
  return error.code == Code::invalid || error.code == Code::conflict ||
         error.code == Code::not_found || error.code == Code::denied;
}

}  // namespace

json::object facts(const Schedule& schedule) {
  json::object data{{"name", schedule.name},
                    {"does", doing(schedule)},
                    {"rule", schedule.rule},
                    {"time_zone", schedule.zone}};
  if (schedule.flow) {
    data["workflow"] = schedule.flow->workflow;
    data["workflow_version"] = schedule.flow->version;
  }
  if (schedule.next) data["next"] = base::rfc3339(*schedule.next);
  return data;
}

json::object facts(const Schedule& schedule, const ScheduleRun& run) {
  json::object data{
      {"name", schedule.name}, {"due", base::rfc3339(run.due)}, {"outcome", run.outcome}};
  if (!run.job.empty()) data["job"] = run.job;
  if (!run.flow.empty()) data["workflow_run"] = run.flow;
  if (!run.detail.empty()) data["detail"] = run.detail;
  return data;
}

Caller caller_of(const Schedule& schedule) {
  return {.principal = "schedule:" + schedule.id,
          .name = schedule.name.empty() ? schedule.id : schedule.name,
          .may_send_for_others = true,
          // It was asked when the schedule was made, and whose it is is looked at again.
          .may_act = true,
          .may_post = true,
          .may_write = true,
          .behind = schedule.creator};
}

Deed deed_of(const Packets& packets, const Schedule& schedule, std::string key,
             base::WallTime now) {
  Deed deed{.key = std::move(key)};
  if (!schedule.packet) return deed;
  json::object packet = *schedule.packet;
  packet["ts"] = base::rfc3339(now);
  deed.job =
      packets.job_of(caller_of(schedule), std::move(packet),
                     {.key = deed.key, .band = schedule.band, .deadline = schedule.patience});
  return deed;
}

ScheduleRun RunWriter::ended(base::WallTime due, std::string outcome, std::string detail) const {
  return {
      .due = due, .started = now_.wall, .outcome = std::move(outcome), .detail = std::move(detail)};
}

Result<ScheduleRun> RunWriter::run(const Schedule& schedule, base::WallTime due, const Deed& deed,
                                   bool is_checking) const {
  if (is_checking) return ended(due, "skipped", "the look at the session before has not ended");
  TRY(auto unfinished, skipped(schedule, due));
  if (unfinished) return *std::move(unfinished);
  bool is_replay = false;
  return act(schedule, due, deed, is_replay);
}

Result<ScheduleRun> RunWriter::act(const Schedule& schedule, base::WallTime due, const Deed& deed,
                                   bool& is_replay) const {
  if (schedule.flow) return start(schedule, due, deed.key, is_replay);
  if (!deed.job) return ended(due, "checking", "");
  if (!*deed.job) return ended(due, "failed", deed.job->error().message);
  return submit(schedule, **deed.job, due, is_replay);
}

// What a run before handed in or began, if it has not come to an end.
Result<std::optional<ScheduleRun>> RunWriter::skipped(const Schedule& schedule,
                                                      base::WallTime due) const {
  if (!schedule.last) return std::nullopt;
  const auto& last = *schedule.last;
  if (!last.flow.empty()) {
    TRY(const bool has_ended, needs_.flows.has_ended(tx_, last.flow));
    if (has_ended) return std::nullopt;
    auto run = ended(due, "skipped", fmt::format("run {} has not ended", last.flow));
    run.flow = last.flow;
    return std::optional(std::move(run));
  }
  if (last.job.empty()) return std::nullopt;
  const auto job = needs_.queue.get(tx_, {last.job});
  if (!job && job.error().code == Code::not_found) return std::nullopt;
  if (!job) return std::unexpected(job.error());
  if (engine::is_final(job->state)) return std::nullopt;
  auto run = ended(
      due, "skipped",
      fmt::format("packet {} of the run before is still {}", last.job, engine::name(job->state)));
  run.job = last.job;
  return std::optional(std::move(run));
}

Result<ScheduleRun> RunWriter::submit(const Schedule& schedule, const engine::NewJob& job,
                                      base::WallTime due, bool& is_replay) const {
  // What a workflow's run does for the schedule's maker is looked at where it begins.
  if (const auto may = check_creator(tx_, schedule, now_.wall); !may) {
    if (!is_about_deed(may.error())) return std::unexpected(may.error());
    return ended(due, "failed", may.error().message);
  }
  const auto accepted = needs_.queue.submit(tx_, job, now_);
  if (!accepted) {
    if (!is_about_deed(accepted.error())) return std::unexpected(accepted.error());
    return ended(due, "failed", accepted.error().message);
  }
  auto run = ended(due, "submitted", "");
  run.job = accepted->job.id.text;
  is_replay = accepted->is_replay;
  return run;
}

Result<ScheduleRun> RunWriter::start(const Schedule& schedule, base::WallTime due,
                                     const std::string& key, bool& is_replay) const {
  const auto begun = needs_.flows.begin(tx_, caller_of(schedule), *schedule.flow, key, now_);
  if (!begun) {
    if (!is_about_deed(begun.error())) return std::unexpected(begun.error());
    return ended(due, "failed", begun.error().message);
  }
  if (begun->refusal) return ended(due, "failed", begun->refusal->message);
  if (!begun->is_replay && begun->version != schedule.flow->version) {
    Schedule renewed = schedule;
    renewed.flow->version = begun->version;
    TRY_OK(rows::set_flow(tx_, renewed));
  }
  auto run = ended(due, "started", "");
  run.flow = begun->run;
  is_replay = begun->is_replay;
  return run;
}

Result<ScheduleRun> RunWriter::write(const Schedule& schedule, ScheduleRun run,
                                     std::string actor) const {
  TRY(run.number, rows::add_run(tx_, schedule.id, run));
  TRY_OK(needs_.journal.append(tx_,
                               {.type = std::string(type_of(run)),
                                .subject = schedule.id,
                                .actor = std::move(actor),
                                .thread = run.flow.empty() ? run.job : run.flow,
                                .data = facts(schedule, run)},
                               now_.wall));
  return run;
}

Result<> RunWriter::delay(Schedule schedule, base::WallTime due, const base::Error& full) const {
  // A full queue is no reason to write every second.
  const auto wait =
      std::clamp<std::chrono::milliseconds>(full.retry_after.value_or(limits::schedule_look),
                                            limits::schedule_look, limits::schedule_delay_max);
  // Only the first time is news.
  if (schedule.next && *schedule.next <= due) {
    TRY_OK(needs_.journal.append(
        tx_,
        {.type = "schedule.delayed",
         .subject = schedule.id,
         .actor = "bridge",
         .data = {{"name", schedule.name}, {"due", base::rfc3339(due)}, {"detail", full.message}}},
        now_.wall));
  }
  schedule.next = std::chrono::floor<std::chrono::milliseconds>(now_.wall + wait);
  return rows::set_times(tx_, schedule, needs_.store.generation());
}

}  // namespace services
