#include "bridge/chat/chat_page.h"

#include "bridge/base/limits.h"
#include "bridge/chat/message.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace chat {

namespace json = boost::json;
using base::Code;
using base::fail;

namespace {

// The first line of a message of ours: FLYWHEEL-JOB-<uuid>-<16 digits>. New chats share one draft,
// so it may be that of a message which goes out in another tab.
bool is_marker(std::string_view line) {
  constexpr std::string_view start = "FLYWHEEL-JOB-";
  constexpr std::size_t rest = 36 + 1 + 16;
  return line.size() == start.size() + rest && line.starts_with(start) &&
         line.find_first_not_of("0123456789abcdef-", start.size()) == std::string_view::npos;
}

// States that end by themselves.
bool is_passing(const Judgement& judged, base::Instant::duration document_age) {
  if (judged.is_weak) return document_age < limits::unknown_page_grace;
  return judged.state == State::hydrating || judged.state == State::generating ||
         judged.state == State::reconnecting;
}

// Notices that a page keeps showing after their time: of a message that was refused, of a limit.
bool may_be_old(State state, base::Instant::duration document_age) {
  if (state == State::too_long) return true;
  return (state == State::rate_limited || state == State::usage_cap) &&
         document_age > limits::notice_grows_old;
}

}  // namespace

ChatPage::ChatPage(std::shared_ptr<Eyes> eyes, ChatOptions options, Binding bound,
                   base::Clock& clock)
    : eyes_(std::move(eyes)),
      options_(std::move(options)),
      bound_(std::move(bound)),
      clock_(clock) {}

ChatPage::~ChatPage() { eyes_->stop(); }

base::Task<std::unique_ptr<ChatPage>> ChatPage::open(std::unique_ptr<cdp::Page> page,
                                                     const Profiles& profiles, ChatOptions options,
                                                     base::Clock& clock) {
  CO_TRY(Binding bound, binding_of(options.url));
  NetworkWatch network(bound.origin, conversation_in(bound.path));
  CO_TRY(auto eyes, co_await Eyes::open(std::move(page), profiles.script(), std::move(network)));
  std::unique_ptr<ChatPage> chat(
      new ChatPage(std::move(eyes), std::move(options), std::move(bound), clock));
  CO_TRY_OK(co_await chat->load());
  co_return std::move(chat);
}

base::Task<> ChatPage::load() {
  auto loaded = co_await eyes_->page().navigate(options_.url);
  const bool is_refused = !loaded && loaded.error().failure == cdp::Failure::refused;
  if (loaded || is_refused) is_elsewhere_ = false;
  if (loaded) co_return base::Result<>();
  if (is_refused) {
    // An unreachable site is a state of the page, judged and told like any other.
    eyes_->network().on_load_error(loaded.error().message);
    co_return base::Result<>();
  }
  co_return std::unexpected(translate(loaded.error(), "open " + options_.url));
}

// The watching may lag behind the browser: what the old document did may still come.
base::Task<> ChatPage::leave() {
  const base::Instant old_document = eyes_->document_since();
  CO_TRY_OK(co_await load());
  const base::Instant deadline = clock_.now() + limits::page_call;
  while (eyes_->document_since() == old_document && clock_.now() < deadline) {
    if (eyes_->failure()) co_return std::unexpected(*eyes_->failure());
    co_await eyes_->news().wait(deadline);
  }
  if (eyes_->document_since() != old_document) co_return base::Result<>();
  co_return fail(Code::timeout, "leave the page at " + options_.url + ": it is still there",
                 "timeout");
}

bool ChatPage::has_posted(const Prompt& prompt) const {
  return eyes_->network().post(prompt.marker) != nullptr;
}

bool ChatPage::may_be_taken(const Prompt& prompt) const {
  return eyes_->network().may_be_taken(prompt.marker);
}

base::Task<Sighting> ChatPage::look(int turns) {
  constexpr int looks_max = 3;  // The document may be replaced under the first of them.
  for (int i = 1;; ++i) {
    auto value = co_await eyes_->run(fmt::format("look({{turns: {}}})", turns), "look at the page",
                                     limits::page_call);
    if (value) co_return Sighting::parse(*value);
    if (value.error().reason != "navigated" || i == looks_max) {
      co_return std::unexpected(value.error());
    }
  }
}

base::Task<std::string> ChatPage::digest() {
  CO_TRY(auto value, co_await eyes_->run("digest()", "describe the page", limits::page_call));
  co_return std::string(text_of(&value));
}

base::Task<Judgement> ChatPage::judge_now(const Sighting& seen) {
  Judgement judged = judge(seen, eyes_->network().evidence(), bound_);
  // The page may have asked for its session before we watched: then we ask once for it.
  const NetworkEvidence known = eyes_->network().evidence();
  const bool may_lack_session =
      judged.state == State::hydrating || (judged.state == State::error_turn && !judged.can_send);
  if (may_lack_session && !known.signed_in && !known.session_untold && seen.composer &&
      seen.composer->stable_ms >= composer_stable_ms) {
    CO_TRY_OK(co_await ask_session());
    judged = judge(seen, eyes_->network().evidence(), bound_);
  }
  co_return judged;
}

base::Task<> ChatPage::ask_session() {
  CO_TRY(auto value, co_await eyes_->run("session()", "ask for the session", limits::page_call,
                                         /*is_promise=*/true));
  if (const auto* session = value.if_object()) {
    eyes_->network().on_session(is_true(session->if_contains("user")),
                                is_true(session->if_contains("error")));
  } else {
    eyes_->network().on_no_session();
  }
  co_return base::Result<>();
}

base::Task<Judgement> ChatPage::state() {
  CO_TRY(Judgement judged, co_await page_state());
  if (is_unresolved_ && judged.state > State::submit_unknown) {
    co_return Judgement{State::submit_unknown, "clicked, and no proof of the outcome"};
  }
  co_return judged;
}

base::Task<Judgement> ChatPage::page_state() {
  auto seen = co_await look(0);
  if (seen) co_return co_await judge_now(*seen);
  if (const auto gone = state_of(eyes_->page().state())) {
    co_return Judgement{.state = *gone, .evidence = seen.error().message};
  }
  co_return std::unexpected(seen.error());
}

base::Task<Sighting> ChatPage::wait_until_ready(const Prompt* own, DraftPolicy drafts) {
  const base::Instant deadline = clock_.now() + options_.ready_limit;
  std::string previous;
  bool is_draft_cleared = false;
  bool is_reloaded = false;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock_.now());
    const auto slice =
        std::clamp(left, std::chrono::milliseconds(1), std::chrono::milliseconds(500));
    json::object wait{{"previous", previous.empty() ? json::value() : json::value(previous)},
                      {"limit_ms", slice.count()}};
    auto answer = co_await eyes_->run("next_look(" + json::serialize(wait) + ")",
                                      "wait for the page", limits::page_call, /*is_promise=*/true);
    if (!answer && answer.error().reason == "navigated" && clock_.now() < deadline) continue;
    if (!answer) co_return std::unexpected(answer.error());
    const auto* object = answer->if_object();
    const json::value* look = object ? object->if_contains("seen") : nullptr;
    if (look == nullptr) co_return fail(Code::internal, "wait for the page: no look came");
    previous = text_at(*object, "situation");
    CO_TRY(auto seen, Sighting::parse(*look));
    CO_TRY(const Judgement judged, co_await judge_now(seen));
    if (judged.can_send) co_return seen;
    if (!is_reloaded && may_be_old(judged.state, clock_.now() - eyes_->document_since())) {
      is_reloaded = true;
      CO_TRY_OK(co_await load());
      continue;
    }
    const bool is_own = own && seen.composer && seen.composer->attachments == 0 &&
                        is_marker(first_line(seen.composer->text));
    if (judged.state == State::draft_present && !is_draft_cleared &&
        (is_own || drafts == DraftPolicy::clear)) {
      is_draft_cleared = true;
      CO_TRY_OK(co_await clear_draft(seen));
      continue;
    }
    const bool may_pass = is_passing(judged, clock_.now() - eyes_->document_since());
    if (!may_pass || clock_.now() >= deadline) {
      co_return std::unexpected(as_error(judged.state, judged.evidence));
    }
  }
}

// A new chat has got its address: from now on it is the bound conversation.
void ChatPage::bind(const std::string& conversation_id) {
  if (conversation_id.empty() || !is_new_chat(bound_.path)) return;
  bound_.path = (bound_.path == "/" ? "" : bound_.path) + "/c/" + conversation_id;
  options_.url = bound_.origin + bound_.path;
  eyes_->network().bind(conversation_id);
}

// It was another chat, which the page may go on showing.
void ChatPage::unbind(const Binding& home, std::string url) {
  bound_ = home;
  options_.url = std::move(url);
  eyes_->network().bind({});
  is_elsewhere_ = true;
}

base::Task<> ChatPage::clear_draft(const Sighting& seen) {
  json::object what{{"shell", seen.shell()}, {"text", nullptr}};
  CO_TRY(auto cleared, co_await eyes_->run("clear(" + json::serialize(what) + ")",
                                           "clear the draft", limits::page_call));
  const auto* object = cleared.if_object();
  const std::string_view reason = object ? text_at(*object, "reason") : "no answer";
  if (!reason.empty()) {
    co_return fail(Code::conflict, fmt::format("clear the draft: {}", reason), "ui_changed");
  }
  co_return base::Result<>();
}

}  // namespace chat
