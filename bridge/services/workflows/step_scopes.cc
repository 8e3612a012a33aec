#include "bridge/services/workflows/step_scopes.h"

#include "bridge/services/keys.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

using base::Code;
using base::Result;

namespace {

bool may(const Caller& caller, std::string_view scope) {
  if (caller.is_admin) return true;
  if (scope == "packets") return caller.may_post;
  if (scope == "messages") return caller.may_write;
  return scope == "actions" && caller.may_act;
}

std::unexpected<base::Error> lacks(std::string_view job, std::string_view scope,
                                   std::string_view who) {
  return base::fail(
      Code::denied,
      fmt::format("the workflow's job {} needs the scope {}, which {} lacks", job, scope, who),
      fmt::format("no_{}", scope));
}

std::string_view kind_of(const base::json::object& job) {
  const auto* uses = job.if_contains("uses");
  if (!uses || !uses->is_string()) return {};
  const std::string_view word = uses->get_string();
  return word.substr(0, word.find('/'));
}

}  // namespace

std::string_view scope_of_step(std::string_view kind) {
  if (kind.empty()) return {};
  if (kind == "packet") return "packets";
  if (kind == "gpt" || kind == "message") return "messages";
  if (kind == "action") return "actions";
  return "admin";  // what nobody has thought of
}

Result<> check_scopes(store::Tx& tx, const Caller& caller, const base::json::object& document,
                      base::WallTime now) {
  for (const auto& [id, job] : document.at("jobs").as_object()) {
    const auto kind = kind_of(job.as_object());
    const auto scope = scope_of_step(kind);
    if (scope.empty()) continue;
    if (!may(caller, scope)) return lacks(id, scope, "the caller");
    TRY_OK(check_step_scope(tx, caller.behind, id, kind, now));
  }
  return {};
}

Result<> check_step_scope(store::Tx& tx, const std::string& behind, const std::string& step,
                          std::string_view kind, base::WallTime now) {
  const auto scope = scope_of_step(kind);
  if (scope.empty() || !behind.starts_with("key:")) return {};
  TRY(const auto key, good_key(tx, behind, now));
  const auto is_wide_enough = [scope](const std::string& own) {
    return own == scope || own == "admin";
  };
  if (std::ranges::any_of(key.scopes, is_wide_enough)) return {};
  return lacks(step, scope, "the key that is behind it");
}

}  // namespace services
