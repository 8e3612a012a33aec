// Runs as people begin them, look at them and act on them.
#include "bridge/base/ids.h"
#include "bridge/services/workflows/workflow_views.h"
#include "bridge/services/workflows/workflows.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
namespace rows = workflow_rows;
namespace views = workflow_views;
using base::Code;
using base::Result;
using base::Task;
using protocol::Refusal;

namespace {

Result<std::size_t> step_named(store::Tx& tx, const rows::Run& run, const std::string& name) {
  TRY(const auto steps, rows::plans(tx, run.workflow, run.version));
  const auto found = std::ranges::find(steps, name, &workflow::Step::id);
  if (found == steps.end()) {
    return base::fail(Code::not_found, fmt::format("run {}: there is no job \"{}\"", run.id, name));
  }
  return static_cast<std::size_t>(found - steps.begin());
}

// A workflow is no way to actions for those who may not ask for them.
Result<> check_actions(const Caller& caller, const rows::Version& version) {
  if (caller.may_act) return {};
  for (const auto& [id, job] : version.document.at("jobs").as_object()) {
    const auto* uses = job.as_object().if_contains("uses");
    if (!uses || !uses->as_string().starts_with("action/")) continue;
    return base::fail(
        Code::denied,
        fmt::format("the workflow's job {} asks for an action, and the caller may not",
                    std::string_view(id)),
        "no_actions");
  }
  return {};
}

Result<> check_own(const Caller& caller, const rows::Run& run) {
  if (caller.is_admin || caller.principal == run.creator || caller.principal == run.behind) {
    return {};
  }
  return base::fail(Code::denied,
                    fmt::format("run {}: only who began it and administrators may", run.id),
                    "other_run");
}

// A run that begins itself does not go on for ever.
Result<int> depth_of(store::Tx& tx, const Caller& caller) {
  const auto within = run_of_principal(caller.within);
  if (!within) return 0;
  TRY(const auto parent, rows::run(tx, *within));
  const int depth = parent ? parent->depth + 1 : 1;
  if (depth <= limits::workflow_depth_max) return depth;
  return base::fail(Code::conflict,
                    fmt::format("execute workflow: {} runs began one another, and no more may",
                                limits::workflow_depth_max + 1),
                    "too_deep");
}

}  // namespace

Result<rows::Run> Workflows::begin(store::Tx& tx, rows::Run run, json::object inputs,
                                   const engine::Now& now) const {
  TRY(auto steps, rows::plans(tx, run.workflow, run.version));
  run.steps = run.state.unfinished = static_cast<int>(steps.size());
  TRY_OK(rows::insert(tx, run, inputs));
  TRY_OK(needs_.journal.append(
      tx,
      {.type = "workflow.run_started",
       .subject = run.id,
       .actor = run.creator,
       .thread = run.id,
       .data = {{"workflow", run.workflow_name}, {"version", run.version}, {"steps", run.steps}}},
      now.wall));
  RunWorld world(tx, parts_, now, std::move(run));
  world.use_new_steps(std::move(steps));
  workflow::Machine machine(world, world.run().state);
  TRY_OK(machine.begin());
  TRY(const bool is_due, world.close());
  if (is_due) tx.after_commit([this] { tell_change(); });
  return world.run();
}

namespace {

// What a run of it may be given, filled up, or what is wrong with it.
Result<protocol::Checked<json::object>> inputs_of(const Caller& caller,
                                                  const rows::Version& version,
                                                  const json::object& inputs) {
  TRY_OK(check_actions(caller, version));
  const auto* declared = version.document.if_contains("inputs");
  return workflow::checked_inputs(declared ? declared->get_object() : json::object(), inputs);
}

}  // namespace

Result<std::optional<Refusal>> Workflows::check_start(store::Tx& tx, const Caller& caller,
                                                      const std::string& which,
                                                      const json::object& inputs) const {
  TRY(const auto workflow, rows::find(tx, which));
  TRY(const auto version, rows::version(tx, workflow.id, workflow.version));
  TRY(auto checked, inputs_of(caller, version, inputs));
  if (checked) return std::nullopt;
  return std::optional(std::move(checked).error());
}

Result<Workflows::Begun> Workflows::execute(store::Tx& tx, const Caller& caller,
                                            const std::string& which, const json::object& inputs,
                                            const rows::Request& asked,
                                            const engine::Now& now) const {
  TRY(const auto known, rows::run_of_request(tx, asked));
  if (known) return Begun{.run = known->id, .is_replay = true};
  TRY(const auto workflow, rows::find(tx, which));
  TRY(const auto version, rows::version(tx, workflow.id, workflow.version));
  TRY(auto checked, inputs_of(caller, version, inputs));
  if (!checked) return Begun{.refusal = std::move(checked).error()};
  TRY(const int depth, depth_of(tx, caller));
  rows::Run run{.id = base::uuid_v7(now.wall),
                .workflow = workflow.id,
                .workflow_name = workflow.name,
                .version = workflow.version,
                .creator = caller.principal,
                .sender = caller.name,
                .may_send_for_others = caller.may_send_for_others,
                .agent = caller.agent,
                .behind = caller.behind.empty() ? caller.principal : caller.behind,
                .depth = depth,
                .request = asked.key,
                .request_hash = asked.hash,
                .created = now.wall};
  const auto* most = version.document.if_contains("max_parallel");
  run.state.parallel_max = most ? most->to_number<int>() : limits::workflow_parallel_default;
  TRY(const auto begun, begin(tx, std::move(run), *std::move(checked), now));
  return Begun{.run = begun.id};
}

Result<Workflows::Begun> Workflows::execute_own(store::Tx& tx, const Caller& caller,
                                                const workflow::Definition& definition,
                                                const json::object& inputs,
                                                const rows::Request& asked,
                                                const engine::Now& now) const {
  const Caller bridge{.principal = "bridge", .name = "bridge"};
  Created created;
  TRY(auto violations,
      add(tx, bridge, definition, request_of(bridge, "", definition.document), now.wall, created));
  if (!violations.empty()) {
    const auto line = to_line(violations.front());
    return Begun{.refusal = Refusal{{Code::invalid, "begin run: " + line, "invalid"},
                                    std::move(violations)}};
  }
  return execute(tx, caller, definition.name, inputs, asked, now);
}

asio::awaitable<protocol::Checked<Workflows::Executed>> Workflows::execute(Caller caller,
                                                                           std::string which,
                                                                           json::object inputs,
                                                                           std::string key) {
  const auto now = needs_.timeline.now();
  const auto asked =
      request_of(caller, std::move(key), json::object{{"workflow", which}, {"inputs", inputs}});
  auto made = co_await needs_.store.write(
      [this, caller, which, inputs = std::move(inputs), asked, now](store::Tx& tx) {
        return execute(tx, caller, which, inputs, asked, now);
      });
  if (!made) co_return std::unexpected(Refusal{std::move(made).error(), {}});
  if (made->refusal) co_return std::unexpected(*std::move(made->refusal));
  // Not within: the view of a long run would keep other writers waiting.
  auto view = co_await run(made->run);
  if (!view) co_return std::unexpected(Refusal{std::move(view).error(), {}});
  co_return Executed{*std::move(view), made->run, made->is_replay};
}

Task<json::object> Workflows::run(std::string which) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.read([this, which, now](store::Tx& tx) -> Result<json::object> {
    TRY(auto run, rows::find_run(tx, which));
    RunWorld world(tx, parts_, now, std::move(run));
    return views::whole(world, tx);
  });
}

Task<json::object> Workflows::wait(std::string which, base::Instant deadline) {
  CO_TRY(const auto found,
         co_await needs_.store.read([which](store::Tx& tx) { return rows::find_run(tx, which); }));
  const engine::Bells::Ear ear(needs_.bells, bell_of_run(found.id));
  for (;;) {
    // Before the look, so that an end between look and wait is not missed.
    const auto rung = ear.count();
    CO_TRY(auto shown, co_await run(found.id));
    if (shown.at("state") == "finished" || needs_.clock.now() >= deadline) {
      co_return std::move(shown);
    }
    co_await ear.wait(rung, needs_.clock, deadline);
  }
}

Task<json::object> Workflows::step(std::string run, std::string name) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.read(
      [this, run, name, now](store::Tx& tx) -> Result<json::object> {
        TRY(auto found, rows::find_run(tx, run));
        TRY(const auto number, step_named(tx, found, name));
        RunWorld world(tx, parts_, now, std::move(found));
        return views::step(world, tx, number);
      });
}

Task<Workflows::Page> Workflows::runs(std::string workflow, std::string result, std::string before,
                                      std::size_t limit) {
  co_return co_await needs_.store.read(
      [workflow, result, before, limit](store::Tx& tx) -> Result<Page> {
        rows::RunFilter filter{.result = result};
        if (!workflow.empty()) {
          TRY(const auto found, rows::find(tx, workflow));
          filter.workflow = found.id;
        }
        TRY(const auto found, rows::runs(tx, filter, before, limit + 1));
        Page page;
        for (const auto& run : found) {
          if (page.items.size() == limit) {
            page.next = std::string(page.items.back().at("id").as_string());
            break;
          }
          page.items.push_back(views::brief(run));
        }
        return page;
      });
}

Task<json::object> Workflows::act(std::string which, std::string actor, Act work) {
  const auto now = needs_.timeline.now();
  CO_TRY(auto id, co_await needs_.store.write([this, which, actor, work = std::move(work),
                                               now](store::Tx& tx) -> Result<std::string> {
    TRY(auto found, rows::find_run(tx, which));
    auto found_id = found.id;
    TRY_OK(change(tx, std::move(found), now, actor, work));
    return found_id;
  }));
  co_return co_await run(std::move(id));
}

Task<json::object> Workflows::cancel(Caller caller, std::string run, workflow::Wish wish,
                                     std::string note) {
  const auto now = needs_.timeline.now();
  const std::string actor = caller.principal;
  co_return co_await act(
      std::move(run), actor,
      [this, caller, wish, note, actor, now](store::Tx& tx, RunWorld& world,
                                             workflow::Machine& machine) -> Result<> {
        TRY_OK(check_own(caller, world.run()));
        TRY_OK(needs_.journal.append(
            tx,
            {.type = "workflow.run_cancelled",
             .subject = world.run().id,
             .actor = actor,
             .thread = world.run().id,
             .data = {{"workflow", world.run().workflow_name}, {"note", note}}},
            now.wall));
        return machine.cancel(wish);
      });
}

Task<json::object> Workflows::retry(Caller caller, std::string run) {
  const auto now = needs_.timeline.now();
  const std::string actor = caller.principal;
  co_return co_await act(
      std::move(run), actor,
      [this, caller, actor, now](store::Tx& tx, RunWorld& world,
                                 workflow::Machine& machine) -> Result<> {
        TRY_OK(check_own(caller, world.run()));
        TRY(const auto version, rows::version(tx, world.run().workflow, world.run().version));
        TRY_OK(check_actions(caller, version));
        TRY_OK(needs_.journal.append(tx,
                                     {.type = "workflow.run_retried",
                                      .subject = world.run().id,
                                      .actor = actor,
                                      .thread = world.run().id,
                                      .data = {{"workflow", world.run().workflow_name}}},
                                     now.wall));
        world.run().finished.reset();
        world.run().error.clear();
        TRY_OK(world.load_all());
        return machine.reopen();
      });
}

Task<json::object> Workflows::decide(Caller caller, std::string run, std::string step,
                                     bool is_approved, std::string note) {
  if (!caller.agent.empty()) {
    co_return base::fail(Code::denied, "decide on a step: only a person may", "not_a_person");
  }
  const std::string actor = caller.principal;
  const auto now = needs_.timeline.now();
  co_return co_await act(
      std::move(run), actor,
      [this, step, is_approved, note, actor, now](store::Tx& tx, RunWorld& world,
                                                  workflow::Machine& machine) -> Result<> {
        TRY(const auto number, step_named(tx, world.run(), step));
        TRY_OK(needs_.journal.append(
            tx,
            {.type = is_approved ? "workflow.step_approved" : "workflow.step_rejected",
             .subject = world.run().id,
             .actor = actor,
             .thread = world.run().id,
             .data = {{"workflow", world.run().workflow_name}, {"step", step}, {"note", note}}},
            now.wall));
        if (is_approved) return machine.approve(number);
        return machine.reject(number, note.empty() ? "rejected by " + actor : note);
      });
}

}  // namespace services
