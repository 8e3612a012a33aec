#include "bridge/services/beads/watcher.h"

#include "bridge/base/json.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace beads {

std::string_view name(Report::Kind kind) {
  return kind == Report::Kind::needs_plan ? "needs_plan" : "closed_without_gate";
}

json::object to_json(const Report& report) {
  json::object out{{"event", name(report.kind)},
                   {"id", report.id},
                   {"title", report.title},
                   {"status", report.status}};
  if (report.kind == Report::Kind::closed_without_gate) {
    out["reasons"] = json::array(report.reasons.begin(), report.reasons.end());
  }
  return out;
}

std::string to_line(const Report& report) {
  if (report.kind == Report::Kind::needs_plan) {
    return fmt::format("{} needs a plan: {}", report.id, report.title);
  }
  return fmt::format("{} is {} without a passed gate: {}", report.id, report.status,
                     report.reasons.empty() ? "" : report.reasons.front());
}

std::vector<Report> Watcher::look(const Beads& beads, const JudgeGate& judge) {
  std::vector<Report> out;
  for (const Bead& bead : beads.all) {
    Report report{Report::Kind::needs_plan,
                  bead.id(),
                  std::string(bead.title()),
                  std::string(bead.status()),
                  {}};
    if (bead.needs_plan()) {
      const std::string content = bead.content_hash();
      std::string& reported = planned_[bead.id()];
      if (reported != content) out.push_back(report);
      reported = content;
    } else {
      planned_.erase(bead.id());
    }
    if (!bead.is_closed()) {
      closed_.erase(bead.id());
    } else if (!closed_.contains(bead.id())) {
      Gate gate = judge(bead);
      closed_[bead.id()] = gate.is_open();
      if (gate.is_open()) continue;
      report.kind = Report::Kind::closed_without_gate;
      report.reasons = std::move(gate.reasons);
      out.push_back(std::move(report));
    }
  }
  return out;
}

std::string Watcher::to_text() const {
  json::object planned;
  for (const auto& [id, content] : planned_) planned[id] = content;
  json::object closed;
  for (const auto& [id, is_open] : closed_) closed[id] = is_open;
  return json::serialize(json::object{
             {"version", 1}, {"planned", std::move(planned)}, {"closed", std::move(closed)}}) +
         "\n";
}

base::Result<Watcher> Watcher::from_text(std::string_view text) {
  TRY(const json::value value, base::parse_json(text));
  const auto wrong = [] {
    return base::fail(base::Code::invalid, "not the state of a watcher of this version");
  };
  const json::object* object = value.if_object();
  const json::value* version = object ? object->if_contains("version") : nullptr;
  if (!version || *version != 1) return wrong();
  const json::value* planned = object->if_contains("planned");
  const json::value* closed = object->if_contains("closed");
  if (!planned || !planned->is_object() || !closed || !closed->is_object()) return wrong();
  Watcher watcher;
  for (const auto& [id, content] : planned->get_object()) {
    if (!content.is_string()) return wrong();
    watcher.planned_.emplace(id, content.get_string());
  }
  for (const auto& [id, is_open] : closed->get_object()) {
    if (!is_open.is_bool()) return wrong();
    watcher.closed_.emplace(id, is_open.get_bool());
  }
  return watcher;
}

}  // namespace beads
