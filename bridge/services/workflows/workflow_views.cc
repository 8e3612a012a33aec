#include "bridge/services/workflows/workflow_views.h"

#include "bridge/base/limits.h"
#include "bridge/base/utf8.h"
#include "bridge/services/untrusted.h"
#include "bridge/services/workflows/template.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::workflow_views {

namespace json = boost::json;
namespace rows = workflow_rows;
using base::Result;
using workflow::Phase;

namespace {

constexpr std::size_t recent_runs = 10;

json::value time_or_null(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::rfc3339(*time)) : json::value(nullptr);
}

std::string_view state_of(const rows::Run& run) {
  if (run.finished) return "finished";
  return run.state.wish == workflow::Wish::none ? "running" : "cancelling";
}

bool has_expressions(std::string_view text) {
  const auto parsed = workflow::Template::parse(text);
  return parsed && !parsed->expressions().empty();
}

std::string path_of(RunWorld& world, const workflow::Step& plan) {
  return fmt::format("/api/gpt-workflows/runs/{}/steps/{}", world.run().id, plan.id);
}

// One step is looked at, or each of many.
enum class Look { alone, among_others };

// What the one who decides shall know. With anything filled in, others speak than the author.
void add_note(json::object& view, RunWorld& world, std::size_t number, const workflow::Step& plan,
              Look look) {
  const auto note = world.text_of(number, plan.approval_note);
  const bool is_filled = note && has_expressions(plan.approval_note);
  const std::string& said = note ? *note : plan.approval_note;
  const auto shown = look == Look::alone
                         ? std::string_view(said)
                         : base::beginning_of(said, limits::approval_note_bytes_listed);
  view["approval_note"] = shown;
  view["approval_note_trust"] = is_filled ? "untrusted" : "author";
  if (shown.size() < said.size()) view["approval_note_at"] = path_of(world, plan);
}

// Everything but its input and outputs.
Result<json::object> step_view(RunWorld& world, std::size_t number, Look look) {
  TRY(const auto* plan, world.plan(number));
  TRY(const auto* state, world.state(number));
  json::array needs;
  for (const auto need : plan->needs) {
    TRY(const auto* other, world.plan(need));
    needs.push_back(json::value(other->id));
  }
  json::object view{
      {"state", workflow::name(state->phase)},
      {"result", state->outcome ? json::value(workflow::name(*state->outcome)) : nullptr},
      {"uses", plan->kind.empty() ? json::value(nullptr) : json::value(plan->uses())},
      {"needs", std::move(needs)},
      {"attempts", state->attempts},
      {"job", state->job.empty() ? json::value(nullptr) : json::value(state->job)},
      {"error", nullptr},
      {"started", time_or_null(state->started)},
      {"finished", time_or_null(state->finished)},
      {"outputs", nullptr}};
  TRY(auto errand, world.errand_view(*plan, *state));
  if (errand) {
    view["job"] = nullptr;
    view[errand->noun] = std::move(errand->view);
  }
  if (state->error) {
    view["error"] = json::object{{"code", state->error->code}, {"detail", state->error->detail}};
  }
  if (state->due && state->phase != Phase::pending) view["due"] = base::rfc3339(*state->due);
  if (state->phase == Phase::approval && !plan->approval_note.empty()) {
    add_note(view, world, number, *plan, look);
  }
  return view;
}

// What it was given, or will be as things stand; null before its needs have ended.
Result<> add_input(json::object& view, RunWorld& world, std::size_t number) {
  TRY(const auto* plan, world.plan(number));
  TRY(const auto* state, world.state(number));
  const bool is_open = state->phase != Phase::pending && state->phase != Phase::finished;
  view["input"] = nullptr;
  if (plan->kind.empty() || (!is_open && state->attempts == 0)) return {};
  TRY(auto input, world.input_of(number));
  if (input && json::serialize(*input).size() > limits::step_view_input_bytes_max) {
    input = std::unexpected(workflow::StepError{"too_big", "it is too big to be shown"});
  }
  if (input) {
    view["input"] = *std::move(input);
  } else {
    view["input_error"] =
        json::object{{"code", input.error().code}, {"detail", input.error().detail}};
  }
  return {};
}

// Which one it is, for those who look at it alone.
Result<> add_place(json::object& view, RunWorld& world, std::size_t number) {
  TRY(const auto* plan, world.plan(number));
  view["run"] = world.run().id;
  view["workflow"] = world.run().workflow_name;
  view["id"] = plan->id;
  return {};
}

// Nothing: it gave none.
Result<std::optional<std::string>> outputs_of(RunWorld& world, store::Tx& tx, std::size_t number) {
  TRY(const auto* state, world.state(number));
  if (state->outcome != workflow::Outcome::success) return std::nullopt;
  return rows::step_outputs(tx, world.run().id, number);
}

}  // namespace

json::object brief(const rows::Workflow& workflow) {
  const std::string self = "/api/gpt-workflows/" + workflow.id;
  return {{"id", workflow.id},
          {"name", workflow.name},
          {"version", workflow.version},
          {"created", base::rfc3339(workflow.created)},
          {"updated", base::rfc3339(workflow.updated)},
          {"created_by", workflow.creator},
          {"links", json::object{{"self", self},
                                 {"execute", self + "/execute"},
                                 {"status", self + "/status"},
                                 {"runs", "/api/gpt-workflows/runs?workflow=" + workflow.id}}}};
}

json::object brief(const rows::Run& run) {
  const std::string self = "/api/gpt-workflows/runs/" + run.id;
  const bool has_ended = run.state.has_ended();
  json::object links{
      {"self", self}, {"cancel", self + "/cancel"}, {"events", "/api/events?subject=" + run.id}};
  if (rows::has_steps_to_retry(run)) links["retry"] = self + "/retry";
  return {{"id", run.id},
          {"workflow", run.workflow_name},
          {"workflow_id", run.workflow},
          {"version", run.version},
          {"state", state_of(run)},
          {"result", has_ended ? json::value(workflow::name(run.state.result())) : nullptr},
          {"steps", run.steps},
          {"steps_finished", run.steps - run.state.unfinished},
          {"created", base::rfc3339(run.created)},
          {"created_by", run.creator},
          {"finished", time_or_null(run.finished)},
          {"links", std::move(links)}};
}

Result<json::object> whole(store::Tx& tx, const rows::Workflow& workflow) {
  TRY(auto version, rows::version(tx, workflow.id, workflow.version));
  auto view = brief(workflow);
  const auto* inputs = version.document.if_contains("inputs");
  const auto* text = version.document.if_contains("description");
  view["description"] = text ? *text : json::value(nullptr);
  view["inputs"] = inputs ? *inputs : json::value(json::object());
  view["steps"] = version.document.at("jobs").as_object().size();
  view["definition"] = std::move(version.document);
  return view;
}

Result<json::object> status(store::Tx& tx, const rows::Workflow& workflow,
                            const std::optional<rows::Beginner>& only) {
  TRY(const auto counts, rows::tally(tx, workflow.id, only));
  TRY(const auto newest,
      rows::runs(tx, {.workflow = workflow.id, .result = {}, .only = only}, "", recent_runs));
  json::object runs{{"running", 0}, {"success", 0}, {"failure", 0}, {"cancelled", 0}};
  std::int64_t total = 0;
  for (const auto& [result, count] : counts) {
    runs[result] = count;
    total += count;
  }
  runs["total"] = total;
  json::array recent;
  for (const auto& run : newest) recent.push_back(brief(run));
  auto view = brief(workflow);
  view["status"] = runs.at("running") != json::value(0) ? "running" : "idle";
  view["runs"] = std::move(runs);
  view["last_run"] = recent.empty() ? json::value(nullptr) : recent.front();
  view["recent_runs"] = std::move(recent);
  return view;
}

Result<json::object> whole(RunWorld& world, store::Tx& tx) {
  const auto& run = world.run();
  auto view = brief(run);
  TRY_OK(world.load_all());
  TRY(view["inputs"], rows::inputs(tx, run.id));
  json::object jobs;
  std::size_t room = limits::run_view_outputs_bytes_max;
  for (std::size_t i = 0; i < world.steps(); ++i) {
    TRY(auto job, step_view(world, i, Look::among_others));
    TRY(const auto* plan, world.plan(i));
    TRY(const auto outputs, outputs_of(world, tx, i));
    if (outputs && outputs->size() > room) {
      job["outputs_at"] = path_of(world, *plan);
    } else if (outputs) {
      TRY(job["outputs"], rows::parsed_outputs(*outputs));
      mark_untrusted(job, "outputs");
      room -= outputs->size();
    }
    jobs[plan->id] = std::move(job);
  }
  view["jobs"] = std::move(jobs);
  TRY(view["outputs"], rows::outputs(tx, run.id));
  mark_untrusted(view, "outputs");
  if (!run.error.empty()) {
    view["error"] = json::object{{"code", "wrong_expression"}, {"detail", run.error}};
  }
  return view;
}

Result<json::object> step(RunWorld& world, store::Tx& tx, std::size_t number) {
  TRY(auto view, step_view(world, number, Look::alone));
  TRY(const auto outputs, outputs_of(world, tx, number));
  if (outputs) {
    TRY(view["outputs"], rows::parsed_outputs(*outputs));
    mark_untrusted(view, "outputs");
  }
  TRY_OK(add_input(view, world, number));
  mark_untrusted(view, "input");
  TRY_OK(add_place(view, world, number));
  return view;
}

Result<json::object> waiting(RunWorld& world, std::size_t number) {
  TRY(auto view, step_view(world, number, Look::among_others));
  TRY_OK(add_place(view, world, number));
  return view;
}

}  // namespace services::workflow_views
