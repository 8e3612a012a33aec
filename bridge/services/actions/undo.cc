// Taking back what was done.
#include "bridge/services/actions/rows.h"
#include "bridge/services/actions/rules.h"

#include <fmt/format.h>

namespace services::actions {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

auto conflict(const Asked& asked, std::string_view why, std::string reason) {
  return base::fail(Code::conflict, fmt::format("undo action {}: {}", asked.id, why),
                    std::move(reason));
}

// The value at "result.body.id". Null: there is none that is plain.
const json::value* given_at(const json::value& result, std::string_view path) {
  const json::value* at = &result;
  path.remove_prefix(path.find('.') + 1);
  for (bool is_last = false; !is_last;) {
    const auto dot = path.find('.');
    is_last = dot == std::string_view::npos;
    const auto* object = at->if_object();
    at = object ? object->if_contains(path.substr(0, dot)) : nullptr;
    if (!at) return nullptr;
    if (!is_last) path.remove_prefix(dot + 1);
  }
  return at->is_structured() || at->is_null() ? nullptr : at;
}

// What it was given, with what it has given.
Result<json::object> undo_params(const Act& act, const Definition& undo, const Asked& done) {
  json::object params = done.params.is_object() ? done.params.get_object() : json::object();
  if (undo.results.empty()) return params;
  TRY(const auto job, act.queue.get(act.tx, {done.job}));
  for (const auto& name : undo.results) {
    const auto* value = job.result ? given_at(*job.result, name) : nullptr;
    if (!value) return conflict(done, fmt::format("it has given no {}", name), "no_undo");
    params[name] = *value;
  }
  return params;
}

Result<> check_undone(const Act& act, const Asked& done) {
  TRY(const auto earlier, rows::one(act.tx,
                                    "WHERE undoes = $1 AND undoes <> '' "
                                    "AND state IN ('waiting', 'approved', 'done', 'held')",
                                    {done.id}));
  if (!earlier) return {};
  if (earlier->state == State::done) return conflict(done, "it was undone", "already_undone");
  return conflict(done, fmt::format("its undo is {}", name(earlier->state)), "undo_waits");
}

}  // namespace

Result<Answer> undo(const Act& act, const Catalogue& catalogue, const std::string& id, Wish who,
                    const std::string& asker, const Request& request) {
  TRY(auto known, replayed(act, request));
  if (known) return *std::move(known);
  TRY(const auto done, get(act.tx, id));
  if (!who.agent.empty() && who.agent != done.agent) {
    return base::fail(Code::denied, "the action is another agent's", "other_agent");
  }
  const auto* definition = catalogue.find(done.action, done.id);
  if (!definition || !done.undoes.empty()) {
    return conflict(done, "nothing takes it back", "no_undo");
  }
  if (done.state != State::done) {
    return conflict(done, fmt::format("it is {}, not done", name(done.state)), "not_done");
  }
  if (definition->hash != done.definition_hash) {
    return conflict(done, "its definition is not any more what it was done by", "changed");
  }
  TRY_OK(check_undone(act, done));
  who.action = done.action;
  who.undoes = done.id;
  TRY(who.params, undo_params(act, *definition, done));
  return ask(act, catalogue, who, asker, request);
}

Result<std::optional<Asked>> undo_of(store::Tx& tx, const std::string& id) {
  return rows::one(tx, "WHERE undoes = $1 AND undoes <> '' ORDER BY id DESC LIMIT 1", {id});
}

}  // namespace services::actions
