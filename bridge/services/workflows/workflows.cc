#include "bridge/services/workflows/workflows.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/schema/format.h"
#include "bridge/services/schedules.h"
#include "bridge/services/workflows/step_scopes.h"
#include "bridge/services/workflows/template.h"
#include "bridge/services/workflows/workflow_views.h"

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
using protocol::Violation;

namespace {

Refusal refusal_of(std::vector<Violation> violations) {
  std::string message = "create workflow: " + to_line(violations.front());
  if (violations.size() > 1) message += fmt::format(" (and {} more)", violations.size() - 1);
  return {{Code::invalid, std::move(message), "invalid"}, std::move(violations)};
}

// Who may not act for others changes only what is his.
Result<> check_owner(const Caller& caller, const rows::Workflow& workflow, std::string_view doing,
                     std::string_view why_not) {
  if (workflow.creator == caller.principal || caller.may_send_for_others) return {};
  return base::fail(Code::denied,
                    fmt::format("{} workflow: \"{}\" {}", doing, workflow.name, why_not),
                    "not_owner");
}

// Nothing goes on by it, and nothing begins it by itself.
Result<> check_idle(store::Tx& tx, const rows::Workflow& workflow) {
  TRY(const auto open,
      rows::runs(tx, {.workflow = workflow.id, .result = "running", .only = {}}, "", 1));
  if (!open.empty()) {
    return base::fail(
        Code::conflict,
        fmt::format("delete workflow {}: run {} has not ended", workflow.name, open.front().id),
        "wrong_state");
  }
  TRY(const auto schedule, schedule_of_workflow(tx, workflow.name));
  if (!schedule) return {};
  return base::fail(Code::conflict,
                    fmt::format("delete workflow {}: schedule {} begins it; delete that first",
                                workflow.name, *schedule),
                    "is_scheduled");
}

// What a request made that is known.
Result<rows::Workflow> made_by(store::Tx& tx, const std::string& id, const std::string& request) {
  TRY(auto found, rows::with_id(tx, id));
  if (found && !found->is_deleted) return *std::move(found);
  return base::fail(Code::conflict,
                    fmt::format("create workflow: request {} made {}, which was deleted since; use "
                                "another key",
                                request, id),
                    "workflow_deleted");
}

// An id calls the one that has it, and nobody is to take another for that one. What was named so
// before this was a rule goes on.
Result<std::vector<Violation>> faults_of_name(store::Tx& tx, const std::string& name) {
  if (!schema::is_uuid(name)) return std::vector<Violation>();
  TRY(const auto known, rows::named(tx, name));
  if (known) return std::vector<Violation>();
  return std::vector<Violation>{{"/name", "not", "it looks like an id"}};
}

}  // namespace

rows::Request request_of(const Caller& caller, std::string key, const json::value& body) {
  return {.creator = caller.principal,
          .key = std::move(key),
          .hash = base::sha256_hex(base::canonical_json(body))};
}

Workflows::Workflows(asio::any_io_executor executor, Needs needs, StepKinds kinds)
    : needs_(needs),
      kinds_(std::move(kinds)),
      parts_{needs.queue, needs.journal, kinds_},
      notice_(std::move(executor)) {}

Result<std::vector<Violation>> Workflows::violations_of(
    store::Tx& tx, const workflow::Definition& definition) const {
  TRY(auto violations, faults_of_name(tx, definition.name));
  for (const auto& step : definition.steps) {
    if (step.kind.empty()) continue;
    const std::string pointer = "/jobs" + workflow::pointer_token(step.id);
    const auto kind = kinds_.find(step.kind);
    if (kind == kinds_.end()) {
      violations.push_back(
          {pointer + "/uses", "uses", fmt::format("nothing here does {}", step.uses())});
      continue;
    }
    for (auto& violation : kind->second.check(tx, step)) {
      violation.pointer.insert(0, pointer);
      violations.push_back(std::move(violation));
    }
  }
  return violations;
}

Task<std::vector<Violation>> Workflows::check(workflow::Definition definition) {
  co_return co_await needs_.store.read(
      [this, &definition](store::Tx& tx) { return violations_of(tx, definition); });
}

// In the transaction that makes the version; the violations of kinds, if there are any.
Result<std::vector<Violation>> Workflows::add(store::Tx& tx, const Caller& caller,
                                              const workflow::Definition& definition,
                                              const rows::Request& asked, base::WallTime now,
                                              Created& created) const {
  TRY(auto violations, violations_of(tx, definition));
  if (!violations.empty()) return violations;
  TRY(const auto before, rows::once_named(tx, definition.name));
  const bool is_there = before && !before->is_deleted;
  rows::Workflow next = before.value_or(rows::Workflow{});
  if (is_there) {
    TRY_OK(check_owner(caller, *before, "create", "is there already, and another's"));
    TRY(const auto version, rows::version(tx, next.id, next.version));
    if (version.hash == asked.hash) {
      created.is_new = false;
      TRY(created.view, views::whole(tx, next));
      return violations;
    }
  } else {
    TRY(const auto count, rows::count(tx));
    if (count >= static_cast<std::int64_t>(limits::workflows_max)) {
      return base::fail(
          Code::conflict,
          fmt::format("create workflow: there are {} already, and no more are allowed; delete one "
                      "first",
                      count),
          "too_many");
    }
    if (!before) next = {.id = base::uuid_v7(now), .name = definition.name};
    next.creator = caller.principal;
    next.created = now;
  }
  ++next.version;
  next.updated = now;
  TRY_OK(rows::add_version(tx, next, definition, asked.hash, asked));
  TRY_OK(needs_.journal.append(tx,
                               {.type = "workflow.created",
                                .subject = next.id,
                                .actor = caller.principal,
                                .thread = next.id,
                                .data = {{"name", next.name},
                                         {"version", next.version},
                                         {"steps", definition.steps.size()},
                                         {"hash", asked.hash}}},
                               now));
  TRY(created.view, views::whole(tx, next));
  return violations;
}

asio::awaitable<protocol::Checked<Workflows::Created>> Workflows::create(
    Caller caller, workflow::Definition definition, std::string key) {
  const auto now = needs_.clock.wall();
  const auto asked = request_of(caller, std::move(key), definition.document);
  struct Outcome {
    std::vector<Violation> violations;
    Created created;
  };
  auto made = co_await needs_.store.write([this, caller, definition = std::move(definition), asked,
                                           now](store::Tx& tx) -> Result<Outcome> {
    Outcome outcome;
    TRY(const auto known, rows::of_request(tx, asked));
    if (known) {
      TRY(const auto first, made_by(tx, known->first, asked.key));
      TRY(outcome.created.view, views::whole(tx, first));
      outcome.created.is_replay = true;
      return outcome;
    }
    TRY_OK(room_for_new(needs_.store));
    TRY_OK(check_scopes(tx, caller, definition.document, now));
    TRY(outcome.violations, add(tx, caller, definition, asked, now, outcome.created));
    return outcome;
  });
  if (!made) co_return std::unexpected(Refusal{std::move(made).error(), {}});
  if (!made->violations.empty()) {
    co_return std::unexpected(refusal_of(std::move(made->violations)));
  }
  co_return std::move(made->created);
}

Task<> Workflows::remove(Caller caller, std::string which) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which,
                                         now](store::Tx& tx) -> Result<> {
    TRY(const auto workflow, rows::find(tx, which));
    TRY_OK(check_owner(caller, workflow, "delete", "is another's"));
    TRY_OK(check_idle(tx, workflow));
    TRY_OK(rows::hide(tx, workflow.id, now));
    TRY_OK(needs_.journal.append(tx,
                                 {.type = "workflow.deleted",
                                  .subject = workflow.id,
                                  .actor = caller.principal,
                                  .thread = workflow.id,
                                  .data = {{"name", workflow.name}, {"version", workflow.version}}},
                                 now));
    return {};
  });
}

Task<json::object> Workflows::view(std::string which) {
  co_return co_await needs_.store.read([which](store::Tx& tx) -> Result<json::object> {
    TRY(const auto found, rows::find(tx, which));
    return views::whole(tx, found);
  });
}

Task<json::object> Workflows::status(Caller caller, std::string which) {
  co_return co_await needs_.store.read([caller, which](store::Tx& tx) -> Result<json::object> {
    TRY(const auto found, rows::find(tx, which));
    TRY(const auto only, beginner(tx, caller));
    return views::status(tx, found, only);
  });
}

Task<Workflows::Page> Workflows::list(std::string before, std::size_t limit) {
  CO_TRY(const auto found, co_await needs_.store.read([before, limit](store::Tx& tx) {
    return rows::list(tx, before, limit + 1);
  }));
  Page page;
  for (const auto& workflow : found) {
    if (page.items.size() == limit) {
      page.next = std::string(page.items.back().at("id").as_string());
      break;
    }
    page.items.push_back(views::brief(workflow));
  }
  co_return page;
}

}  // namespace services
