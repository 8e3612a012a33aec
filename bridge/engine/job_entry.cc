#include "bridge/engine/job_entry.h"

#include <fmt/format.h>

namespace engine {

NewEntry job_entry(const Change& change, std::string_view noun) {
  const Job& job = change.job;
  base::json::object data{{"state", name(job.state)}, {"stage", name(job.stage)},
                          {"attempt", job.attempt},   {"lane", job.lane.text},
                          {"sender", job.sender},     {"principal", job.principal}};
  if (job.error) data["error"] = base::json::object{{"code", job.error->code}};
  if (!change.note.empty()) data["note"] = change.note;
  std::string actor = change.actor.empty() ? "bridge" : change.actor;
  if (change.verb == "submitted") actor = job.principal;
  return {.type = fmt::format("{}.{}", noun, change.verb),
          .subject = job.id.text,
          .actor = std::move(actor),
          .thread = job.thread.empty() ? job.id.text : job.thread,
          .data = std::move(data)};
}

}  // namespace engine
