// A conversation's tab, watched: the page tells of its changes by itself, nothing is polled.
#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/chat/chrome.h"
#include "bridge/chat/eyes.h"
#include "bridge/chat/message.h"

#include <utility>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/json/serialize.hpp>

namespace chat {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr auto forever = base::Instant::max();

// What the watching task and the tab share; the task ends soon after the tab.
struct Watch {
  std::optional<Sighting> seen;
  base::Instant document{};          // the one that was seen
  std::optional<Judgement> blocked;  // by the page's own dialog
  std::optional<Judgement> ended;
  std::uint64_t version = 0;
  bool is_over = false;
  asio::cancellation_signal cancel;
};

std::string call_after(const std::string& previous) {
  const auto limit = std::chrono::milliseconds(limits::page_wait_slice).count();
  json::object wait{{"previous", previous.empty() ? json::value() : json::value(previous)},
                    {"limit_ms", limit},
                    {"quiet_ms", std::chrono::milliseconds(limits::watch_pause).count()}};
  return "next_look(" + json::serialize(wait) + ")";
}

class Watcher {
 public:
  Watcher(std::shared_ptr<Eyes> eyes, std::shared_ptr<Watch> watch)
      : eyes_(std::move(eyes)),
        watch_(std::move(watch)),
        dialogs_(eyes_->page().subscribe({"Page.javascriptDialogClosed"})) {}

  asio::awaitable<void> run() {
    std::string previous;
    while (!watch_->is_over && !watch_->ended) {
      const base::Instant document = eyes_->document_since();
      auto answer = co_await eyes_->run(call_after(previous), "watch the page",
                                        limits::page_wait_slice + limits::page_call, true);
      if (watch_->is_over) co_return;
      if (answer) {
        if (document == eyes_->document_since()) note(*answer, document, previous);
        continue;
      }
      previous.clear();
      if (answer.error().reason == "navigated") continue;
      co_await understand(answer.error());
    }
  }

 private:
  void note(const json::value& answer, base::Instant document, std::string& previous) {
    const auto* object = answer.if_object();
    const auto* look = object ? object->if_contains("seen") : nullptr;
    if (look == nullptr) return end(State::unknown_ui, "the page scripts gave no look");
    std::string situation(text_at(*object, "situation"));
    const bool is_same = situation == previous;
    previous = std::move(situation);
    if (is_same) return;
    auto seen = Sighting::parse(*look);
    if (!seen) return end(State::unknown_ui, seen.error().message);
    watch_->seen = std::move(*seen);
    watch_->document = document;
    tell();
  }

  // Why the page could not be watched: a dialog will go, everything else stays.
  asio::awaitable<void> understand(const base::Error& error) {
    // The page is well, but there are no eyes for it.
    if (error.code == base::Code::invalid) {
      end(State::unknown_ui, error.message);
      co_return;
    }
    const auto state = state_of(eyes_->page().state());
    if (state != State::unknown_dialog) {
      end(state.value_or(State::tab_crashed), error.message);
      co_return;
    }
    watch_->blocked = Judgement{.state = State::unknown_dialog, .evidence = error.message};
    tell();
    // Those that went before this one was seen are still in the queue.
    while (eyes_->page().state().kind == cdp::PageState::Kind::dialog) {
      if (!co_await dialogs_.next(forever)) break;
    }
    watch_->blocked.reset();
    tell();
  }

  void end(State state, std::string evidence) {
    watch_->ended = Judgement{.state = state, .evidence = std::move(evidence)};
    tell();
  }

  void tell() {
    ++watch_->version;
    eyes_->news().notify();
  }

  std::shared_ptr<Eyes> eyes_;
  std::shared_ptr<Watch> watch_;
  cdp::Subscription dialogs_;
};

asio::awaitable<void> watch_page(std::shared_ptr<Eyes> eyes, std::shared_ptr<Watch> watch) {
  Watcher watcher(std::move(eyes), std::move(watch));
  co_await watcher.run();
}

class ChatTab final : public LiveTab {
 public:
  explicit ChatTab(std::unique_ptr<ChatPage> chat)
      : chat_(std::move(chat)), eyes_(chat_->eyes()), watch_(std::make_shared<Watch>()) {
    base::spawn_owned(eyes_->executor(), watch_, watch_->cancel, watch_page(eyes_, watch_));
  }
  ~ChatTab() override { stop(); }

  Conversation& conversation() override { return *chat_; }
  std::string url() const override { return chat_->url(); }

  asio::awaitable<Glance> next(base::Instant deadline) override {
    for (bool is_late = false;;) {
      const NetworkEvidence evidence = eyes_->network().evidence();
      const bool is_new = watch_->version != told_version_ || evidence != told_evidence_;
      if (is_new || is_late || watch_->is_over) {
        told_version_ = watch_->version;
        told_evidence_ = evidence;
        if (auto glance = co_await look()) co_return std::move(*glance);
      }
      // Nothing can be seen between two documents.
      if (is_late) deadline = forever;
      co_await eyes_->news().wait(deadline);
      is_late = std::chrono::steady_clock::now() >= deadline;
    }
  }

  base::Task<std::optional<bool>> ask_session() override {
    CO_TRY(const auto value, co_await eyes_->run("session()", "ask for the session",
                                                 limits::page_call, /*is_promise=*/true));
    const auto* session = value.if_object();
    const auto* status = session ? session->if_contains("status") : nullptr;
    // A server in trouble says nothing about who is signed in.
    if (status == nullptr || *status != json::value(200)) co_return std::nullopt;
    const bool has_user = is_true(session->if_contains("user"));
    const bool has_error = is_true(session->if_contains("error"));
    eyes_->network().on_session(has_user, has_error);
    eyes_->news().notify();
    co_return has_user && !has_error;
  }

  base::Task<> reload() override { return chat_->load(); }
  base::Task<> leave() override { return chat_->leave(); }
  bool has_posted(const Prompt& prompt) const override { return chat_->has_posted(prompt); }
  bool may_be_taken(const Prompt& prompt) const override { return chat_->may_be_taken(prompt); }

  base::Task<std::string> screenshot() override {
    auto picture = co_await chat_->page().screenshot();
    if (!picture) co_return std::unexpected(translate(picture.error(), "take a screenshot"));
    co_return std::move(*picture);
  }

  base::Task<Inspection> inspect(int turns) override {
    Inspection inspection;
    CO_TRY(inspection.seen, co_await chat_->look(turns));
    CO_TRY(inspection.judged, co_await chat_->judge_now(inspection.seen));
    if (inspection.judged.state == State::unknown_ui) {
      if (auto digest = co_await chat_->digest()) inspection.digest = std::move(*digest);
    }
    co_return inspection;
  }

  base::Task<> close() override {
    stop();
    auto closed = co_await chat_->page().close();
    const bool is_gone = closed || closed.error().failure == cdp::Failure::detached ||
                         closed.error().failure == cdp::Failure::closed ||
                         chat_->page().state().kind == cdp::PageState::Kind::closed;
    if (!is_gone) co_return std::unexpected(translate(closed.error(), "close the tab"));
    // The watching may lag behind the browser: what the page did before is known then.
    const base::Instant deadline = std::chrono::steady_clock::now() + limits::page_call;
    while (!eyes_->failure() && std::chrono::steady_clock::now() < deadline) {
      co_await eyes_->news().wait(deadline);
    }
    co_return base::Result<>();
  }

 private:
  void stop() {
    if (std::exchange(watch_->is_over, true)) return;
    watch_->cancel.emit(asio::cancellation_type::terminal);
    eyes_->news().notify();
  }

  // Nothing: there is nothing to see yet.
  asio::awaitable<std::optional<Glance>> look() {
    if (watch_->ended) co_return glance(*watch_->ended, /*is_over=*/true);
    if (watch_->is_over) {
      co_return glance({.state = State::tab_closed, .evidence = "the tab was closed"}, true);
    }
    if (watch_->blocked) co_return glance(*watch_->blocked, false);
    if (!watch_->seen || watch_->document != eyes_->document_since()) co_return std::nullopt;
    auto judged = co_await chat_->judge_now(*watch_->seen);
    if (!judged) co_return std::nullopt;
    co_return glance(std::move(*judged), false);
  }

  Glance glance(Judgement judged, bool is_over) const {
    return {.judged = std::move(judged),
            .shell = watch_->seen ? watch_->seen->shell() : "",
            .document_age = std::chrono::steady_clock::now() - eyes_->document_since(),
            .is_over = is_over};
  }

  std::unique_ptr<ChatPage> chat_;
  std::shared_ptr<Eyes> eyes_;
  std::shared_ptr<Watch> watch_;
  std::uint64_t told_version_ = 0;
  NetworkEvidence told_evidence_;
};

}  // namespace

std::unique_ptr<LiveTab> live_tab(std::unique_ptr<ChatPage> chat) {
  return std::make_unique<ChatTab>(std::move(chat));
}

}  // namespace chat
