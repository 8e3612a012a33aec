#include "bridge/services/session_changes.h"

#include "bridge/base/limits.h"
#include "bridge/base/utf8.h"
#include "cdp/json_text.h"

#include <string_view>
#include <utility>
#include <vector>

namespace services {

namespace json = boost::json;
using base::Result;
using chat::State;

namespace {

constexpr std::string_view change_type = "session.changed";
constexpr std::string_view change_subject = "session";

// Neither does the account wait for anything in it, nor a page for a person.
bool may_pass(State state) {
  return state != State::ready && !chat::is_of_account(state) && !chat::is_of_page(state) &&
         !chat::needs_person(state);
}

// So many have been told in so short a time that the next one has to wait.
bool is_enough(const std::vector<engine::Entry>& told, base::WallTime now) {
  if (told.size() < static_cast<std::size_t>(limits::session_changes_max)) return false;
  // A clock that was set back holds nothing up.
  const auto age = now - told.back().time;
  return age >= age.zero() && age < limits::session_changes_period;
}

}  // namespace

State told_state(const chat::SessionView& session) {
  return session.can_send ? State::ready : session.state;
}

Result<std::optional<State>> tell_session(store::Tx& tx, const engine::Journal& journal,
                                          const SeenSession& seen, base::WallTime now) {
  TRY(const auto told,
      journal.newest(tx, change_type, change_subject, limits::session_changes_max));
  std::optional<State> before;
  if (!told.empty()) before = chat::state_named(cdp::text_in(told.front().data, "state"));
  const State state = told_state(seen.view);
  if (before == state) return before;
  const bool lasts = seen.at - seen.view.began >= limits::session_change_lasts;
  if ((may_pass(state) && !lasts) || is_enough(told, now)) return before;
  json::object data{
      {"account", seen.account},
      {"state", chat::name(state)},
      {"before", before ? json::value(chat::name(*before)) : json::value(nullptr)},
      {"evidence", base::beginning_of(seen.view.evidence, limits::session_evidence_bytes_max)},
      // Whatever a page says.
      {"evidence_trust", "untrusted"}};
  if (!seen.view.conversation.empty()) data["conversation"] = seen.view.conversation;
  TRY_OK(journal.append(tx,
                        {.type = std::string(change_type),
                         .subject = std::string(change_subject),
                         .actor = "bridge",
                         .data = std::move(data)},
                        now));
  return state;
}

}  // namespace services
