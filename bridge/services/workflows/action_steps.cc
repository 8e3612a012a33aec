#include "bridge/services/workflows/action_steps.h"

#include "bridge/base/hash.h"
#include "bridge/base/nearest.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/workflows/template.h"

#include <algorithm>
#include <array>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using actions::Asked;
using actions::State;
using base::Code;
using base::Result;
using protocol::Violation;

namespace {

// ---- when the workflow is created

// Where `with` has texts that are not known yet.
std::vector<std::string> open_places(const json::object& with) {
  std::vector<std::string> open;
  workflow::each_text(with, "", [&](const std::string& pointer, std::string_view text) {
    const auto parsed = workflow::Template::parse(text);
    if (parsed && !parsed->expressions().empty()) open.push_back(pointer);
  });
  return open;
}

// True where an expression may yet make it right.
bool may_vanish(const schema::Violation& violation, const std::vector<std::string>& open) {
  const auto& place = violation.instance_location;
  const bool is_open = std::ranges::any_of(
      open, [&](const std::string& one) { return one == place || one.starts_with(place + "/"); });
  if (!is_open) return false;
  // The names of members stay as they are, unless other values decide which must be there.
  static constexpr std::array<std::string_view, 4> of_names = {"required", "maxProperties",
                                                               "minProperties", "propertyNames"};
  static constexpr std::array<std::string_view, 8> conditions = {
      "/allOf/", "/anyOf/", "/oneOf/", "/not/", "/if/", "/then/", "/else/", "/contains/"};
  if (std::ranges::find(of_names, violation.keyword) == of_names.end()) return true;
  return std::ranges::any_of(conditions, [&](std::string_view condition) {
    return violation.keyword_location.contains(condition);
  });
}

std::vector<Violation> check_step(const actions::Catalogue& catalogue, const workflow::Step& step) {
  const auto* definition = catalogue.find(step.target);
  if (!definition) {
    std::vector<std::string> names;
    for (const auto& [name, known] : catalogue.all()) names.push_back(name);
    return {{"/uses", "uses",
             fmt::format("there is no action \"{}\"{}", step.target,
                         base::suggestion(step.target, names))}};
  }
  const auto found = definition->schema.check(json::value(step.with));
  if (!found) return {{"/with", "schema", found.error().message}};
  const auto open = open_places(step.with);
  std::vector<Violation> violations;
  for (const auto& one : *found) {
    if (may_vanish(one, open)) continue;
    violations.push_back({"/with" + one.instance_location, one.keyword, one.message});
  }
  return violations;
}

// ---- when it runs

std::string refusal_of(const actions::Decision& decision) {
  std::string why;
  for (const auto& reason : decision.reasons) why += (why.empty() ? "" : "; ") + reason;
  for (const auto& violation : decision.violations) why += "; /with" + to_line(violation);
  return why;
}

Result<std::string> ask(const Actions& actions, store::Tx& tx, const StepStart& start) {
  const std::string whole = json::serialize(start.with);
  if (whole.size() > limits::action_params_bytes_max) {
    return base::fail(Code::invalid,
                      fmt::format("/with is larger than {} bytes", limits::action_params_bytes_max),
                      "too_big");
  }
  const actions::Request request{start.key, base::sha256_hex(start.target + "\n" + whole)};
  // A job whose action could not be noted would be nobody's. What the policy refuses is no failure:
  // the journal tells of it.
  TRY(const auto answer, tx.attempt([&] {
    return actions.ask(tx, start.caller, "", {start.target, start.with}, request, start.now);
  }));
  if (answer.asked) return answer.asked->id;
  return base::fail(Code::denied, refusal_of(answer.decision), answer.decision.code);
}

json::object outputs_of(const Asked& asked, const engine::Job& job) {
  const json::value result = job.result ? *job.result : json::value(nullptr);
  const auto* members = result.if_object();
  const auto* out = members ? members->if_contains("out") : nullptr;
  return {{"action", asked.id},
          {"result", result},
          {"text", out && out->is_string() ? *out : json::value(base::canonical_json(result))}};
}

// Of a failure it must be known that nothing is left half done.
ErrandEnd failure_of(const Asked& asked, const engine::Job& job) {
  static constexpr std::array<std::string_view, 5> doubtful = {
      "unknown_outcome", "timeout", "cancelled", "not_allowed", "expired"};
  const auto error = job.error.value_or(engine::JobError{asked.error, "it failed"});
  return {.error = workflow::StepError{error.code, error.detail},
          .may_retry = std::ranges::find(doubtful, error.code) == doubtful.end()};
}

Result<std::optional<ErrandEnd>> end_of(const engine::Queue& queue, store::Tx& tx,
                                        const std::string& id) {
  TRY(const auto asked, actions::get(tx, id));
  const auto ended = [](std::string code, std::string detail) {
    return ErrandEnd{.error = workflow::StepError{std::move(code), std::move(detail)}};
  };
  if (!asked.has_ended()) return std::nullopt;
  if (asked.state == State::rejected) {
    return ended("rejected", asked.error.empty() ? "a person refused it" : asked.error);
  }
  if (asked.state == State::expired) {
    return ended("expired", std::string(actions::expiry_of(asked)));
  }
  TRY(const auto job, queue.get(tx, {asked.job}));
  if (asked.state == State::done) return ErrandEnd{.outputs = outputs_of(asked, job)};
  return failure_of(asked, job);
}

Result<json::object> view_of(store::Tx& tx, const std::string& id) {
  TRY(const auto asked, actions::get(tx, id));
  return json::object{{"id", asked.id},
                      {"state", actions::name(asked.state)},
                      {"risk", asked.risk},
                      {"approvers", asked.approvers},
                      {"links", json::object{{"self", "/api/approvals/" + asked.id}}}};
}

}  // namespace

StepKind action_steps(const Actions& actions, const engine::Queue& queue) {
  return {
      .check = [&actions](
                   store::Tx&,
                   const workflow::Step& step) { return check_step(actions.catalogue(), step); },
      .errand = Errand{
          .noun = "action",
          .begin = [&actions](store::Tx& tx,
                              const StepStart& start) { return ask(actions, tx, start); },
          .withdraw =
              [&actions](store::Tx& tx, const std::string& id, const engine::Now& now,
                         const std::string& actor) { return actions.withdraw(tx, id, now, actor); },
          .end_of = [&queue](store::Tx& tx,
                             const std::string& id) { return end_of(queue, tx, id); },
          .view = view_of}};
}

}  // namespace services
