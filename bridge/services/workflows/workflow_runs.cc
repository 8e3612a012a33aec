// Runs as people begin them, look at them and act on them.
#include "bridge/base/ids.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/messages/rules.h"
#include "bridge/services/workflows/step_scopes.h"
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

Result<> check_own(const Caller& caller, const rows::Run& run) {
  if (caller.is_admin || caller.principal == run.creator || caller.principal == run.behind) {
    return {};
  }
  return base::fail(Code::denied,
                    fmt::format("run {}: only who began it and administrators may", run.id),
                    "other_run");
}

// Else who wanted it could let it go on alone. An administrator could give himself another key.
Result<> check_no_wish_of(const Caller& caller, const rows::Run& run) {
  if (caller.is_admin) return {};
  if (caller.principal != run.creator && caller.principal != run.behind) return {};
  return base::fail(
      Code::conflict,
      fmt::format("run {}: only another or an administrator decides on what one began", run.id),
      "own_request");
}

// The id of the caller's agent, or what it is called if nobody is registered so; empty: none.
Result<std::string> agent_of(store::Tx& tx, const Caller& caller) {
  if (caller.agent.empty()) return std::string();
  TRY(const auto own, agents::look(tx, caller.agent));
  return own ? own->id : caller.agent;
}

// The id of the agent to whom an attempt of a step was put, which may be gone; empty: there is
// none.
Result<std::string> recipient_of(store::Tx& tx, const engine::Queue& queue,
                                 const std::string& attempt) {
  if (attempt.empty()) return std::string();
  const auto job = queue.get(tx, {attempt});
  if (job) return job->subject;
  if (job.error().code != Code::not_found) return std::unexpected(job.error());
  const auto query = messages::get(tx, attempt);
  if (query) return query->recipient.id;
  if (query.error().code != Code::not_found) return std::unexpected(query.error());
  return std::string();
}

// True if the step was put to the agent. Whoever answers to the name in its `uses` by now may be
// another: an agent chooses its aliases itself.
Result<bool> is_asked_of(store::Tx& tx, const engine::Queue& queue, const rows::Run& run,
                         const std::string& name, const std::string& agent) {
  TRY(const auto steps, rows::plans(tx, run.workflow, run.version));
  const auto found = std::ranges::find(steps, name, &workflow::Step::id);
  if (found == steps.end() || (found->kind != "gpt" && found->kind != "message")) return false;
  TRY(const auto state, rows::state(tx, run.id, static_cast<std::size_t>(found - steps.begin())));
  TRY(const auto recipient, recipient_of(tx, queue, state.job));
  return !recipient.empty() && recipient == agent;
}

// The run, for who looks at one step of it.
Result<rows::Run> run_of_step(store::Tx& tx, const engine::Queue& queue, const Caller& caller,
                              const std::string& which, const std::string& step) {
  TRY(const auto only, beginner(tx, caller));
  auto own = rows::find_run(tx, which, only);
  if (own || !only || own.error().code != Code::not_found) return own;
  auto any = rows::find_run(tx, which);
  if (!any) return own;
  TRY(const bool is_asked, is_asked_of(tx, queue, *any, step, only->agent));
  return is_asked ? std::move(any) : std::move(own);
}

// True if a step waits for a person's word, or an action that it asks for.
Result<bool> waits_for_people(RunWorld& world) {
  TRY(const auto steps, world.active());
  for (const auto step : steps) {
    TRY(const auto* state, world.state(step));
    if (state->phase == workflow::Phase::approval) return true;
    TRY(const auto* plan, world.plan(step));
    TRY(const auto errand, world.errand_view(*plan, *state));
    const bool is_action = errand && errand->noun == "action";
    if (is_action && errand->view.at("state") == "waiting") return true;
  }
  return false;
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

Result<std::optional<rows::Beginner>> beginner(store::Tx& tx, const Caller& caller) {
  if (caller.agent.empty()) return std::nullopt;
  TRY(auto agent, agent_of(tx, caller));
  return std::optional(rows::Beginner{caller.principal, std::move(agent)});
}

Result<rows::Run> Workflows::begin(store::Tx& tx, rows::Run run, json::object inputs,
                                   const engine::Now& now) const {
  TRY(auto steps, rows::plans(tx, run.workflow, run.version));
  run.steps = run.state.unfinished = static_cast<int>(steps.size());
  TRY_OK(rows::insert(tx, run, inputs));
  auto data = rows::facts(run);
  data["version"] = run.version;
  data["steps"] = run.steps;
  TRY_OK(needs_.journal.append(tx,
                               {.type = "workflow.run_started",
                                .subject = run.id,
                                .actor = run.creator,
                                .thread = run.id,
                                .data = std::move(data)},
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
Result<protocol::Checked<json::object>> inputs_of(store::Tx& tx, const Caller& caller,
                                                  const rows::Version& version,
                                                  const json::object& inputs, base::WallTime now) {
  TRY_OK(check_scopes(tx, caller, version.document, now));
  const auto* declared = version.document.if_contains("inputs");
  return workflow::checked_inputs(declared ? declared->get_object() : json::object(), inputs);
}

Result<std::int64_t> version_for(store::Tx& tx, const rows::Workflow& workflow,
                                 const Workflows::Trusted& trusted) {
  if (trusted.version == 0) return workflow.version;
  if (trusted.version <= workflow.version) {
    return rows::newest_by(tx, workflow.id, trusted.author, trusted.version);
  }
  return base::fail(Code::not_found, fmt::format("workflow {}: there is no version {}",
                                                 workflow.name, trusted.version));
}

}  // namespace

Result<Workflows::Start> Workflows::check_start(store::Tx& tx, const Caller& caller,
                                                const std::string& which,
                                                const json::object& inputs,
                                                base::WallTime now) const {
  TRY(const auto workflow, rows::find(tx, which));
  TRY(const auto version, rows::version(tx, workflow.id, workflow.version));
  TRY(auto checked, inputs_of(tx, caller, version, inputs, now));
  Start start{.refusal = {}, .workflow = workflow.name, .version = version.number};
  if (!checked) start.refusal = std::move(checked).error();
  return start;
}

Result<Workflows::Begun> Workflows::execute(store::Tx& tx, const Caller& caller,
                                            const std::string& which, const json::object& inputs,
                                            const rows::Request& asked, const engine::Now& now,
                                            const Trusted& trusted) const {
  TRY(const auto known, rows::run_of_request(tx, asked));
  if (known) return Begun{.run = known->id, .is_replay = true};
  TRY(const auto workflow, rows::find(tx, which));
  TRY(const auto number, version_for(tx, workflow, trusted));
  TRY(const auto version, rows::version(tx, workflow.id, number));
  TRY(auto checked, inputs_of(tx, caller, version, inputs, now.wall));
  if (!checked) return Begun{.refusal = std::move(checked).error()};
  TRY(auto agent, agent_of(tx, caller));
  TRY(const int depth, depth_of(tx, caller));
  rows::Run run{.id = base::uuid_v7(now.wall),
                .workflow = workflow.id,
                .workflow_name = workflow.name,
                .version = number,
                .creator = caller.principal,
                .sender = caller.name,
                .may_send_for_others = caller.may_send_for_others,
                .agent = std::move(agent),
                .behind = caller.behind.empty() ? caller.principal : caller.behind,
                .depth = depth,
                .request = asked.key,
                .request_hash = asked.hash,
                .created = now.wall};
  const auto* most = version.document.if_contains("max_parallel");
  run.state.parallel_max = most ? most->to_number<int>() : limits::workflow_parallel_default;
  TRY(const auto begun, begin(tx, std::move(run), *std::move(checked), now));
  return Begun{.run = begun.id, .version = number};
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
  return execute(tx, caller, definition.name, inputs, asked, now, {});
}

asio::awaitable<protocol::Checked<Workflows::Executed>> Workflows::execute(Caller caller,
                                                                           std::string which,
                                                                           json::object inputs,
                                                                           std::string key) {
  const auto now = needs_.timeline.now();
  const auto asked =
      request_of(caller, std::move(key), json::object{{"workflow", which}, {"inputs", inputs}});
  auto made = co_await needs_.store.write([this, caller, which, inputs = std::move(inputs), asked,
                                           now](store::Tx& tx) -> Result<Begun> {
    TRY(const auto known, rows::run_of_request(tx, asked));
    if (known) return Begun{.run = known->id, .is_replay = true};
    TRY_OK(room_for_new(needs_.store));
    return execute(tx, caller, which, inputs, asked, now, {});
  });
  if (!made) co_return std::unexpected(Refusal{std::move(made).error(), {}});
  if (made->refusal) co_return std::unexpected(*std::move(made->refusal));
  // Not within: the view of a long run would keep other writers waiting.
  auto view = co_await shown(made->run);
  if (!view) co_return std::unexpected(Refusal{std::move(view).error(), {}});
  co_return Executed{*std::move(view), made->run, made->is_replay};
}

Task<json::object> Workflows::shown(std::string id) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.read([this, id, now](store::Tx& tx) -> Result<json::object> {
    TRY(auto run, rows::find_run(tx, id));
    RunWorld world(tx, parts_, now, std::move(run));
    return views::whole(world, tx);
  });
}

Task<json::object> Workflows::run(Caller caller, std::string which) {
  co_return co_await wait(std::move(caller), std::move(which), base::Instant::min());
}

// The run, for who only decides: an agent does not. Others are as if they were not there.
Result<rows::Run> Workflows::run_to_decide(store::Tx& tx, const Caller& caller,
                                           const std::string& which, const engine::Now& now) const {
  const auto missing = [&] {
    return base::fail(Code::not_found, fmt::format("find run {}: none waits for a person", which));
  };
  if (!caller.agent.empty()) return missing();
  auto found = rows::find_run(tx, which);
  if (!found && (found.error().code == Code::not_found || found.error().code == Code::invalid)) {
    return missing();
  }
  if (!found) return found;
  RunWorld world(tx, parts_, now, *found);
  TRY(const bool waits, waits_for_people(world));
  return waits ? std::move(found) : missing();
}

Task<json::object> Workflows::wait(Caller caller, std::string which, base::Instant deadline) {
  const auto now = needs_.timeline.now();
  CO_TRY(const auto found,
         co_await needs_.store.read([this, caller, which, now](store::Tx& tx) -> Result<rows::Run> {
           if (caller.only_decides) return run_to_decide(tx, caller, which, now);
           TRY(const auto only, beginner(tx, caller));
           return rows::find_run(tx, which, only);
         }));
  const engine::Bells::Ear ear(needs_.bells, bell_of_run(found.id));
  for (;;) {
    // Before the look, so that an end between look and wait is not missed.
    const auto rung = ear.count();
    CO_TRY(auto view, co_await shown(found.id));
    if (view.at("state") == "finished" || needs_.clock.now() >= deadline) {
      co_return std::move(view);
    }
    co_await ear.wait(rung, needs_.clock, deadline);
  }
}

Task<json::object> Workflows::step(Caller caller, std::string run, std::string name) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.read(
      [this, caller, run, name, now](store::Tx& tx) -> Result<json::object> {
        TRY(auto found, caller.only_decides ? run_to_decide(tx, caller, run, now)
                                            : run_of_step(tx, needs_.queue, caller, run, name));
        TRY(const auto number, step_named(tx, found, name));
        RunWorld world(tx, parts_, now, std::move(found));
        return views::step(world, tx, number);
      });
}

Task<Workflows::Page> Workflows::runs(Caller caller, std::string workflow, std::string result,
                                      std::string before, std::size_t limit) {
  co_return co_await needs_.store.read(
      [caller, workflow, result, before, limit](store::Tx& tx) -> Result<Page> {
        rows::RunFilter filter{.workflow = {}, .result = result};
        TRY(filter.only, beginner(tx, caller));
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

Task<Workflows::Page> Workflows::waiting(Caller caller, std::string after, std::size_t limit) {
  const auto now = needs_.timeline.now();
  co_return co_await needs_.store.read(
      [this, caller, after, limit, now](store::Tx& tx) -> Result<Page> {
        TRY(const auto only, beginner(tx, caller));
        TRY(const auto place, rows::waiting_at(after));
        TRY(auto found, rows::waiting(tx, only, place, limit + 1));
        Page page;
        if (found.size() > limit) {
          found.resize(limit);
          page.next = rows::text_of(found.back());
        }
        for (const auto& one : found) {
          TRY(auto run, rows::run(tx, one.run));
          BRIDGE_ASSERT(run);
          RunWorld world(tx, parts_, now, *std::move(run));
          TRY(auto view, views::waiting(world, one.step));
          page.items.push_back(std::move(view));
        }
        return page;
      });
}

Task<json::object> Workflows::act(Caller caller, std::string which, Act work) {
  const auto now = needs_.timeline.now();
  CO_TRY(auto id, co_await needs_.store.write([this, caller = std::move(caller), which,
                                               work = std::move(work),
                                               now](store::Tx& tx) -> Result<std::string> {
    TRY(const auto only, beginner(tx, caller));
    TRY(auto found, rows::find_run(tx, which, only));
    auto found_id = found.id;
    TRY_OK(change(tx, std::move(found), now, caller.principal, work));
    return found_id;
  }));
  co_return co_await shown(std::move(id));
}

Task<json::object> Workflows::cancel(Caller caller, std::string run, workflow::Wish wish,
                                     std::string note) {
  const auto now = needs_.timeline.now();
  const std::string actor = caller.principal;
  co_return co_await act(
      caller, std::move(run),
      [this, caller, wish, note, actor, now](store::Tx& tx, RunWorld& world,
                                             workflow::Machine& machine) -> Result<> {
        TRY_OK(check_own(caller, world.run()));
        auto data = rows::facts(world.run());
        data["note"] = note;
        TRY_OK(needs_.journal.append(tx,
                                     {.type = "workflow.run_cancelled",
                                      .subject = world.run().id,
                                      .actor = actor,
                                      .thread = world.run().id,
                                      .data = std::move(data)},
                                     now.wall));
        return machine.cancel(wish);
      });
}

Task<json::object> Workflows::retry(Caller caller, std::string run) {
  const auto now = needs_.timeline.now();
  const std::string actor = caller.principal;
  co_return co_await act(caller, std::move(run),
                         [this, caller, actor, now](store::Tx& tx, RunWorld& world,
                                                    workflow::Machine& machine) -> Result<> {
                           TRY_OK(check_own(caller, world.run()));
                           TRY_OK(room_for_new(needs_.store));
                           TRY(const auto version,
                               rows::version(tx, world.run().workflow, world.run().version));
                           TRY_OK(check_scopes(tx, caller, version.document, now.wall));
                           TRY_OK(needs_.journal.append(tx,
                                                        {.type = "workflow.run_retried",
                                                         .subject = world.run().id,
                                                         .actor = actor,
                                                         .thread = world.run().id,
                                                         .data = rows::facts(world.run())},
                                                        now.wall));
                           world.run().finished.reset();
                           world.run().error.clear();
                           TRY_OK(rows::clear_outputs(tx, world.run().id));
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
      caller, std::move(run),
      [this, caller, step, is_approved, note, actor, now](store::Tx& tx, RunWorld& world,
                                                          workflow::Machine& machine) -> Result<> {
        TRY(const auto number, step_named(tx, world.run(), step));
        TRY_OK(check_no_wish_of(caller, world.run()));
        auto data = rows::facts(world.run());
        data["step"] = step;
        data["note"] = note;
        TRY_OK(needs_.journal.append(
            tx,
            {.type = is_approved ? "workflow.step_approved" : "workflow.step_rejected",
             .subject = world.run().id,
             .actor = actor,
             .thread = world.run().id,
             .data = std::move(data)},
            now.wall));
        if (is_approved) return machine.approve(number);
        return machine.reject(number, note.empty() ? "rejected by " + actor : note);
      });
}

}  // namespace services
