// The send protocol's part in the browser: insert, read back, arm, one click, proof.
#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/message.h"

#include <algorithm>

#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace chat {

namespace asio = boost::asio;
namespace json = boost::json;
using base::Code;
using base::fail;

namespace {

std::unexpected<base::Error> posted_before() {
  return fail(Code::conflict, "this prompt was posted before in this tab", "unknown_outcome");
}

std::unexpected<base::Error> unknown_outcome(std::string why) {
  return fail(Code::timeout,
              fmt::format("the message may have been sent: {}. It is not sent again; look into the "
                          "conversation, or let the bridge look for its marker",
                          why),
              "unknown_outcome");
}

double seconds_of(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

// The page script's own refusal, or empty.
std::string refusal_in(const json::value& answer) {
  const auto* object = answer.if_object();
  return object ? std::string(text_at(*object, "reason")) : "no answer from the page";
}

// The guard says whether what would be sent had changed.
std::unexpected<base::Error> refused_by_page(const json::value& answer, std::string why) {
  const auto* object = answer.if_object();
  const bool is_altered = object && is_true(object->if_contains("altered"));
  return fail(Code::conflict, std::move(why), is_altered ? "payload_altered" : "ui_changed");
}

std::unexpected<base::Error> too_slow(std::chrono::milliseconds limit) {
  return fail(
      Code::timeout,
      fmt::format("not sent: it took longer than {} s to insert the prompt", seconds_of(limit)),
      "ui_changed");
}

// What was cancelled just as it ended would learn that only at its next wait.
asio::awaitable<void> stop_if_cancelled() {
  const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
  if (cancelled != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

}  // namespace

// Our text in the composer, from before it comes there until the click. However the send ends
// before that, also cancelled, the page takes the text out again: a person could send it, and the
// next message must not find it. What is another's it leaves alone.
class ChatPage::StandingText {
 public:
  // `prompt` outlives it.
  StandingText(std::shared_ptr<Eyes> eyes, const Prompt& prompt, std::string shell)
      : eyes_(std::move(eyes)), prompt_(prompt), shell_(std::move(shell)) {}
  StandingText(const StandingText&) = delete;
  StandingText& operator=(const StandingText&) = delete;
  ~StandingText() {
    if (is_ours_to_remove_) eyes_->post(removal({}));
  }

  const std::string& shell() const { return shell_; }

  // From the click on nobody knows whether the page needs it.
  void leave() { is_ours_to_remove_ = false; }

  // Returns when it is out. `given_back_within`: how long the page may take to put a refused text
  // back.
  base::Task<> take_back(std::chrono::milliseconds given_back_within = {}) {
    CO_TRY(auto cleared,
           co_await eyes_->run(removal(given_back_within), "take the prompt out of the composer",
                               limits::page_call, /*is_promise=*/true));
    is_ours_to_remove_ = false;
    const std::string trouble = refusal_in(cleared);
    if (!trouble.empty()) co_return fail(Code::conflict, "take the prompt back: " + trouble);
    co_return base::Result<>();
  }

 private:
  std::string removal(std::chrono::milliseconds given_back_within) const {
    json::object what{
        {"shell", shell_}, {"text", prompt_.text}, {"wait_ms", given_back_within.count()}};
    return "take_back(" + json::serialize(what) + ")";
  }

  std::shared_ptr<Eyes> eyes_;
  const Prompt& prompt_;
  const std::string shell_;
  bool is_ours_to_remove_ = true;
};

base::Task<Sent> ChatPage::send(const Prompt& prompt, SendSteps& steps) {
  if (is_unresolved_) {
    co_return fail(Code::conflict,
                   "the outcome of the message before is unknown: look for it first",
                   "unknown_outcome");
  }
  if (may_be_taken(prompt)) co_return posted_before();
  CO_TRY(const Sighting seen, co_await ready_at_home(prompt));
  const Baseline baseline{.path = seen.path,
                          .last_turn = seen.turns.empty() ? "" : seen.turns.back().turn,
                          .shell = seen.shell()};
  // … or meanwhile.
  if (may_be_taken(prompt)) co_return posted_before();
  CO_TRY_OK(co_await steps.intent(baseline));
  const base::Instant deadline = clock_.now() + options_.send_limit;
  StandingText text(eyes_, prompt, baseline.shell);
  CO_TRY_OK(co_await insert(prompt, text, deadline));
  if (auto armed = co_await steps.armed(); !armed) {
    (void)co_await text.take_back();
    co_return std::unexpected(armed.error());
  }
  if (clock_.now() >= deadline) {
    (void)co_await text.take_back();
    co_return too_slow(options_.send_limit);
  }
  const base::Instant document = eyes_->document_since();
  if (auto clicked = co_await click_once(prompt, baseline, text); !clicked) {
    is_unresolved_ = clicked.error().reason == "unknown_outcome";
    co_return std::unexpected(clicked.error());
  }
  if (auto told = steps.clicked(); !told) {
    is_unresolved_ = true;
    co_return unknown_outcome(told.error().message);
  }
  auto sent = co_await proof_of_send(prompt, document, deadline);
  is_unresolved_ = !sent && sent.error().reason == "unknown_outcome";
  // Until the outcome is known the guard refuses every other click.
  if (!sent && sent.error().reason != "unknown_outcome") {
    // Pages give a refused text back, in their own time.
    (void)co_await text.take_back(limits::text_given_back);
    // … or post it once more by themselves, as after a new token.
    if (may_be_taken(prompt)) {
      is_unresolved_ = true;
      co_return unknown_outcome("the page posted the message again after: " + sent.error().message);
    }
  } else {
    eyes_->post("guard_down()");
  }
  co_return sent;
}

// A new chat may be at any address, so the page would not be told from one of another chat: of an
// earlier message whose address was not told, or of one that a person opened in the window.
base::Task<Sighting> ChatPage::ready_at_home(const Prompt& prompt) {
  if (is_new_chat(bound_.path) && !is_elsewhere_) {
    const auto seen = co_await look(0);
    is_elsewhere_ = seen && !is_new_chat(seen->path);
  }
  if (is_elsewhere_) CO_TRY_OK(co_await load());
  // What became of an earlier post is not to be taken for what becomes of the next one, and the
  // page that was refused may repeat it.
  if (has_posted(prompt)) CO_TRY_OK(co_await leave());
  CO_TRY(Sighting seen, co_await wait_until_ready(&prompt, options_.drafts));
  if (is_new_chat(bound_.path) && seen.path != bound_.path) {
    co_return std::unexpected(
        as_error(State::wrong_conversation,
                 fmt::format("a new chat was to begin at {}, and the page is at {}", bound_.path,
                             seen.path)));
  }
  co_return seen;
}

base::Task<> ChatPage::insert(const Prompt& prompt, StandingText& text, base::Instant deadline) {
  const auto guard_ms = std::chrono::milliseconds(limits::guard_up).count();
  json::object what{{"shell", text.shell()}, {"text", prompt.text}};
  // One call: the guard is up before the first character is in the composer.
  constexpr std::chrono::milliseconds longest = limits::page_insert;
  const auto limit = std::min(longest, options_.send_limit);
  auto inserted =
      co_await eyes_->run(fmt::format("guarded_insert({}, {})", guard_ms, json::serialize(what)),
                          "insert the prompt", limit, /*is_promise=*/true);
  if (!inserted && inserted.error().reason == "navigated") {
    // The text has gone with its document.
    co_return std::unexpected(
        co_await explain({Code::conflict, "not sent: " + inserted.error().message, "ui_changed"}));
  }
  // It is taken out as soon as the page gets to that.
  if (!inserted && inserted.error().code == Code::timeout) co_return too_slow(limit);
  if (!inserted) co_return std::unexpected(inserted.error());
  const json::value& answer = *inserted;
  std::string trouble = refusal_in(answer);
  const auto* object = answer.if_object();
  if (trouble.empty() && object) {
    const auto* attachments = object->if_contains("attachments");
    if (text_at(*object, "text") != prompt.text) {
      trouble = "the composer holds another text than was inserted";
    } else if (attachments == nullptr || *attachments != json::value(0)) {
      trouble = "an attachment came into the composer";
    }
  }
  const bool is_late = clock_.now() >= deadline;
  if (trouble.empty() && !is_late) co_return base::Result<>();
  (void)co_await text.take_back();
  if (trouble.empty()) co_return too_slow(options_.send_limit);
  co_return std::unexpected(
      co_await explain({Code::conflict, "insert the prompt: " + trouble, "payload_altered"}));
}

// The state that stood in the way, if the page shows one now; else the refusal itself.
boost::asio::awaitable<base::Error> ChatPage::explain(base::Error refused) {
  const auto judged = co_await state();
  if (!judged || !is_blocking(*judged)) co_return refused;
  co_return as_error(judged->state, judged->evidence + "; " + refused.message);
}

base::Task<ChatPage::Click> ChatPage::arm(const Prompt& prompt, const Baseline& baseline) {
  const std::string nonce = base::hex(base::random_bytes(8));
  json::object plan{{"nonce", nonce},
                    {"shell", baseline.shell},
                    {"text", prompt.text},
                    {"path", baseline.path},
                    {"last_turn", baseline.last_turn},
                    {"limit_ms", std::chrono::milliseconds(limits::click_deadline).count()}};
  CO_TRY(auto answer, co_await eyes_->run("arm_when_sendable(" + json::serialize(plan) + ")",
                                          "arm the click", limits::page_call, true));
  const std::string trouble = refusal_in(answer);
  if (!trouble.empty()) {
    co_return refused_by_page(answer, "not clicked: " + trouble);
  }
  const auto& object = answer.as_object();
  co_return Click{nonce, object.at("x").to_number<double>(), object.at("y").to_number<double>()};
}

// The click was not made, or not as the one that sends.
base::Task<> ChatPage::not_clicked(const Prompt& prompt, StandingText& text, base::Error why) {
  (void)co_await text.take_back();
  if (may_be_taken(prompt)) co_return unknown_outcome(why.message);
  co_return std::unexpected(co_await explain(std::move(why)));
}

// An error other than unknown_outcome: the click was certainly refused.
base::Task<> ChatPage::click_once(const Prompt& prompt, const Baseline& baseline,
                                  StandingText& text) {
  const base::Instant document = eyes_->document_since();
  auto click = co_await arm(prompt, baseline);
  if (!click) {
    const auto& why = click.error();
    // Nothing was clicked, and a page that was left or is blocked cannot be clicked. Of a page
    // that does not answer nothing is known.
    const bool is_told = why.code == Code::conflict || why.reason == "navigated" ||
                         eyes_->page().state().kind == cdp::PageState::Kind::dialog;
    if (!is_told) co_return unknown_outcome(why.message);
    co_return co_await not_clicked(
        prompt, text,
        why.code == Code::conflict
            ? why
            : base::Error{Code::conflict, "not clicked: " + why.message, "ui_changed"});
  }
  // Another document has no guard that is up.
  if (eyes_->document_since() != document) {
    co_return co_await not_clicked(
        prompt, text, {Code::conflict, "not clicked: the page was left", "ui_changed"});
  }
  co_await stop_if_cancelled();
  text.leave();
  const auto clicked = co_await eyes_->page().click(click->x, click->y);
  // Disarms for good: from here on the guard refuses a click that is still on its way.
  auto verdict = co_await eyes_->run("guard_verdict()", "read the guard", limits::page_call);
  if (!verdict) co_return unknown_outcome(verdict.error().message);
  const auto* object = verdict->if_object();
  const auto says = [object](std::string_view key) {
    return object && is_true(object->if_contains(key));
  };
  // Only the guard that was armed, and that was up all the time, knows what it let through.
  if (!object || text_at(*object, "nonce") != click->nonce || !says("was_up") ||
      eyes_->document_since() != document) {
    co_return unknown_outcome("the guard of the click is gone");
  }
  if (says("sent")) co_return base::Result<>();
  std::string why(text_at(*object, "reason"));
  if (says("may_have_acted")) {
    co_return unknown_outcome("the page acted on a part of the click: " + why);
  }
  if (why.empty() && !clicked) co_return unknown_outcome(clicked.error().message);
  if (why.empty()) why = "the click did not arrive";
  const auto refused = refused_by_page(*verdict, "the guard refused the click: " + why);
  co_return co_await not_clicked(prompt, text, refused.error());
}

Sent ChatPage::sent_by(const Post& post) const {
  // The stream may not have named the conversation yet; a bound one is known without it.
  const std::string& told = post.stream.conversation_id();
  return {.user_message_id = post.message_id,
          .conversation_id = told.empty() ? conversation_in(bound_.path) : told,
          .url = bound_.origin + bound_.path,
          .proof = "post"};
}

// The provider names a new chat in the first bytes of its answer.
boost::asio::awaitable<void> ChatPage::learn_address(const Prompt& prompt) {
  const base::Instant deadline = clock_.now() + limits::chat_named;
  while (is_new_chat(bound_.path) && clock_.now() < deadline && !eyes_->failure()) {
    const Post* post = eyes_->network().post(prompt.marker);
    if (post == nullptr) co_return;
    bind(post->stream.conversation_id());
    if (post->is_ended || !is_new_chat(bound_.path)) co_return;
    co_await eyes_->news().wait(deadline);
  }
}

// The page's own POST must carry our text and nothing else, and the server must have taken it.
base::Task<Sent> ChatPage::proof_of_send(const Prompt& prompt, base::Instant document,
                                         base::Instant deadline) {
  NetworkWatch& network = eyes_->network();
  base::Instant wait_until = std::min(deadline, clock_.now() + options_.post_limit);
  bool is_posted = false;
  for (;;) {
    if (const Post* post = network.post(prompt.marker)) {
      if (!is_posted) {
        is_posted = true;
        wait_until = deadline;
      }
      if (post->is_accepted()) {
        if (post->text != prompt.text) {
          co_return unknown_outcome("the page posted another text than was inserted");
        }
        if (post->has_files) co_return unknown_outcome("the page posted a file with the text");
        co_await learn_address(prompt);
        // The wait may have brought a new document, which knows no posts.
        const Post* accepted = network.post(prompt.marker);
        if (accepted == nullptr) co_return unknown_outcome("the page was left after the post");
        co_return sent_by(*accepted);
      }
      if (post->is_refused()) co_return std::unexpected(refusal(*post));
      const bool is_told = post->is_ended && (post->status != 0 || !post->failure.empty());
      // A failed connection proves nothing, not even one that was refused: the browser by itself
      // repeats a request whose kept connection closed, and tells how the repetition ended.
      if (is_told) {
        co_return unknown_outcome(post->status != 0
                                      ? fmt::format("the server answered {}", post->status)
                                      : post->failure);
      }
    }
    if (eyes_->failure()) co_return unknown_outcome(eyes_->failure()->message);
    if (eyes_->document_since() != document) {
      co_return unknown_outcome("the page was left before the server's answer was seen");
    }
    if (clock_.now() >= wait_until) {
      co_return unknown_outcome(is_posted ? "the server has not answered the page's request"
                                          : "no request of the page was seen after the click");
    }
    co_await eyes_->news().wait(wait_until);
  }
}

// Why the server certainly did not take the message.
base::Error ChatPage::refusal(const Post& post) const {
  const auto wait_s = post.clears_in_s ? post.clears_in_s : post.retry_after_s;
  const std::string when = wait_s ? fmt::format("; try again in {} s", *wait_s) : "";
  const std::string what =
      fmt::format("the server refused the message with {} {}{}", post.status,
                  post.error_code.empty() ? post.error_text : post.error_code, when);
  if (post.is_challenged) return as_error(State::challenge, what);
  switch (post.status) {
    case 401:
      return as_error(State::session_expired, what);
    case 404:
      return as_error(State::conversation_not_found, what);
    case 413:
      return as_error(State::too_long, what);
    case 429: {
      const bool is_cap =
          post.error_code == "model_cap_exceeded" || post.error_code == "usage_limit";
      base::Error error = as_error(is_cap ? State::usage_cap : State::rate_limited, what);
      if (wait_s) error.retry_after = std::chrono::seconds(*wait_s);
      return error;
    }
    default:
      return {Code::unavailable, what, "upstream_failed"};
  }
}

}  // namespace chat
