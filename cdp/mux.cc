#include "cdp/mux.h"

#include "cdp/limits.h"

#include <algorithm>
#include <array>

#include <boost/json/serializer.hpp>
#include <fmt/format.h>

namespace cdp {
namespace {

// True if the browser process answers by itself, with the page blocked or its renderer gone.
// See BrowserTest.ADialogBlocksOnlyWhatThePageMustAnswer.
bool is_answered_by_browser(std::string_view method) {
  constexpr std::array<std::string_view, 5> domains{"Target.", "Browser.", "Storage.", "Inspector.",
                                                    "Fetch."};
  constexpr std::array<std::string_view, 8> methods{
      "Page.navigate",      "Page.reload",
      "Page.close",         "Page.bringToFront",
      "Page.stopLoading",   "Page.getNavigationHistory",
      "Network.getCookies", "Page.handleJavaScriptDialog"};
  return std::ranges::any_of(domains, [&](auto domain) { return method.starts_with(domain); }) ||
         std::ranges::find(methods, method) != methods.end();
}

// A beforeunload dialog asks about these, so they wait for it too.
bool is_leaving(std::string_view method) {
  return method == "Page.navigate" || method == "Page.reload" || method == "Page.close";
}

bool is_plain(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c != '"' && c != '\\'; });
}

Failure classify(std::int64_t code, std::string_view message) {
  auto says = [&](std::string_view words) { return message.find(words) != message.npos; };
  if (code == -32001) return Failure::detached;
  if (code != -32000) return Failure::refused;
  if (says("Target crashed")) return Failure::crashed;
  if (says("navigated or closed") || says("context was destroyed") || says("Cannot find context") ||
      says("Promise was collected") || says("No frame")) {
    return Failure::navigated;
  }
  return Failure::refused;
}

Error refusal(std::string_view method, const json::object& error) {
  auto* number = error.if_contains("code");
  auto code = number != nullptr && number->is_int64() ? number->get_int64() : 0;
  std::string message = text_in(error, "message");
  Failure failure = classify(code, message);
  if (auto data = text_in(error, "data"); !data.empty()) message += " (" + data + ")";
  return {failure, static_cast<int>(code), fmt::format("{}: {}", method, message)};
}

void append(std::string& text, const json::object& object) {
  json::serializer serializer;
  serializer.reset(&object);
  std::array<char, 4096> buffer;
  while (!serializer.done()) text += serializer.read(buffer.data(), buffer.size());
}

Error blocked(std::string_view method, const Dialog& dialog) {
  return {Failure::dialog, 0,
          fmt::format("{}: the page shows a dialog ({}: {}) that someone must answer", method,
                      dialog.type, quote(dialog.message))};
}

}  // namespace

Result<Mux::Command> Mux::command(std::string_view session, std::string_view method,
                                  const json::object& params) {
  if (closed_) {
    return fail(closed_->failure, fmt::format("{}: {}", method, closed_->message), closed_->code);
  }
  if (auto known = sessions_.find(session);
      known != sessions_.end() && !is_answered_by_browser(method)) {
    if (known->second.is_crashed) {
      return fail(Failure::crashed, fmt::format("{}: the page crashed; navigate first", method));
    }
    if (known->second.dialog) return std::unexpected(blocked(method, *known->second.dialog));
  }
  if (pending_.size() >= limits::pending_calls_max) {
    return fail(Failure::overflow,
                fmt::format("{}: {} calls wait for a reply already", method, pending_.size()));
  }
  if (!is_plain(method) || !is_plain(session)) {
    return fail(Failure::invalid,
                fmt::format("method {}, session {}: not names", quote(method), quote(session)));
  }
  Command command{next_id_, {}};
  command.text.reserve(128 + method.size());
  fmt::format_to(std::back_inserter(command.text), R"({{"id":{},"method":"{}")", command.id,
                 method);
  if (!session.empty()) {
    command.text.append(R"(,"sessionId":")").append(session).push_back('"');
  }
  if (!params.empty()) {
    command.text += R"(,"params":)";
    append(command.text, params);
  }
  command.text.push_back('}');
  // The browser answers malformed UTF-8 with an error that names no call.
  if (!is_utf8(command.text)) {
    return fail(Failure::invalid, fmt::format("{}: the parameters are not UTF-8", method));
  }
  ++next_id_;
  pending_.emplace(command.id, Pending{std::string(session), std::string(method)});
  return command;
}

void Mux::abandon(CallId id) {
  auto pending = pending_.find(id);
  if (pending == pending_.end()) return;
  pending->second.is_abandoned = true;
  abandoned_.insert(id);
  if (abandoned_.size() <= limits::abandoned_calls_max) return;
  pending_.erase(*abandoned_.begin());
  abandoned_.erase(abandoned_.begin());
}

Result<Mux::Happened> Mux::feed(std::string_view message) {
  TRY(Envelope envelope, scan_envelope(message));
  Happened happened;
  if (envelope.id) {
    settle_reply(envelope, happened);
  } else if (!envelope.method.empty()) {
    TRY_OK(note_event(envelope, happened));
    happened.event = envelope;
  }
  return happened;
}

// Replies find their call by id alone: one to an unknown session carries no session.
void Mux::settle_reply(const Envelope& envelope, Happened& happened) {
  auto pending = pending_.find(*envelope.id);
  if (pending == pending_.end()) return;
  auto call = std::move(pending->second);
  pending_.erase(pending);
  if (call.is_abandoned) {
    abandoned_.erase(*envelope.id);
    return;
  }
  auto outcome = parse_object(envelope.error.empty() ? envelope.result : envelope.error);
  if (!outcome) {
    outcome = fail(Failure::invalid, fmt::format("{}: {}", call.method, outcome.error().message));
  } else if (!envelope.error.empty()) {
    outcome = std::unexpected(refusal(call.method, *outcome));
  }
  happened.settled.push_back({*envelope.id, std::move(outcome)});
}

Result<> Mux::note_event(const Envelope& event, Happened& happened) {
  auto is = [&](std::string_view method) { return event.method == method; };
  auto known = sessions_.find(event.session);
  if (is("Inspector.detached")) {
    end_session(event.session, {Failure::detached, 0, "the tab has gone"}, happened);
  } else if (is("Inspector.targetCrashed")) {
    crash_session(event.session, happened);
  } else if (is("Inspector.targetReloadedAfterCrash")) {
    if (known != sessions_.end()) known->second.is_crashed = false;
  } else if (is("Page.javascriptDialogClosed")) {
    if (known != sessions_.end()) known->second.dialog.reset();
  } else if (is("Page.javascriptDialogOpening")) {
    TRY(auto params, parse_object(event.params));
    open_dialog(event.session, params, happened);
  } else if (is("Target.attachedToTarget")) {
    TRY(auto params, parse_object(event.params));
    auto* info = params.if_contains("targetInfo");
    auto* target = info ? info->if_object() : nullptr;
    sessions_[text_in(params, "sessionId")].target = target ? text_in(*target, "targetId") : "";
  } else if (is("Target.detachedFromTarget")) {
    TRY(auto params, parse_object(event.params));
    end_session(text_in(params, "sessionId"),
                {Failure::detached, 0, "the tab has gone or its session has ended"}, happened);
  } else if (is("Target.targetCrashed")) {
    TRY(auto params, parse_object(event.params));
    auto target = text_in(params, "targetId");
    for (auto& [session, state] : sessions_) {
      if (state.target == target) crash_session(session, happened);
    }
  }
  return {};
}

void Mux::settle(CallId id, Error error, Happened& happened) {
  error.message = fmt::format("{}: {}", pending_.at(id).method, error.message);
  happened.settled.push_back({id, std::unexpected(std::move(error))});
}

void Mux::end_session(std::string_view session, const Error& reason, Happened& happened) {
  if (session.empty()) return;
  for (auto pending = pending_.begin(); pending != pending_.end();) {
    if (pending->second.session != session) {
      ++pending;
      continue;
    }
    if (!pending->second.is_abandoned) settle(pending->first, reason, happened);
    abandoned_.erase(pending->first);
    pending = pending_.erase(pending);
  }
  if (auto known = sessions_.find(session); known != sessions_.end()) {
    happened.lost.emplace(known->first, reason);
    sessions_.erase(known);
  }
}

void Mux::crash_session(std::string_view session, Happened& happened) {
  auto known = sessions_.find(session);
  if (known == sessions_.end() || known->second.is_crashed) return;
  known->second.is_crashed = true;
  known->second.dialog.reset();
  Error reason{Failure::crashed, 0, "the page crashed"};
  for (auto& [id, pending] : pending_) {
    if (pending.session != session || pending.is_abandoned) continue;
    if (is_answered_by_browser(pending.method)) continue;
    settle(id, reason, happened);
    abandon(id);
  }
  happened.lost.emplace(known->first, reason);
}

void Mux::open_dialog(std::string_view session, const json::object& params, Happened& happened) {
  auto known = sessions_.find(session);
  if (known == sessions_.end()) return;
  Dialog dialog{text_in(params, "type"), text_in(params, "message"), text_in(params, "url")};
  for (auto& [id, pending] : pending_) {
    if (pending.session != session || pending.is_abandoned) continue;
    bool is_blocked = !is_answered_by_browser(pending.method) ||
                      (dialog.type == "beforeunload" && is_leaving(pending.method));
    if (!is_blocked) continue;
    happened.settled.push_back({id, std::unexpected(blocked(pending.method, dialog))});
    abandon(id);
  }
  known->second.dialog = std::move(dialog);
}

std::vector<Mux::Settled> Mux::close(const Error& reason) {
  closed_ = reason;
  Happened happened;
  for (auto& [id, pending] : pending_) {
    if (!pending.is_abandoned) settle(id, reason, happened);
  }
  pending_.clear();
  abandoned_.clear();
  sessions_.clear();
  return {std::make_move_iterator(happened.settled.begin()),
          std::make_move_iterator(happened.settled.end())};
}

PageState Mux::state(std::string_view session) const {
  auto known = sessions_.find(session);
  if (known == sessions_.end()) return {PageState::Kind::closed};
  if (known->second.is_crashed) return {PageState::Kind::crashed};
  if (known->second.dialog) return {PageState::Kind::dialog, known->second.dialog};
  return {PageState::Kind::open};
}

}  // namespace cdp
