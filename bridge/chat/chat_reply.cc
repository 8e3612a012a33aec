// Reading the answer to our own message: network first, the page second, the server's copy last.
#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/dom_watch.h"
#include "bridge/chat/message.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace chat {

using base::Code;
using base::fail;

namespace {

bool has_words(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") != std::string_view::npos;
}

RawReply reply_of(const Message& answer, std::string route, base::Instant now) {
  return {.text = answer.text,
          .blocks = {},
          .route = std::move(route),
          .message_id = answer.id,
          .is_final = (answer.is_finished() && has_words(answer.text)) || answer.is_cut_off(),
          .is_cut_off = answer.is_cut_off(),
          .received = now};
}

RawReply dom_reply(const Turn& answer, bool is_final, base::Instant now) {
  return {.text = answer.text,
          .blocks = answer.blocks,
          .route = "dom",
          .message_id = answer.message_ids.empty() ? "" : answer.message_ids.back(),
          .is_final = is_final,
          .received = now};
}

// The page holds only a part of a long block: what it shows must not be taken for the answer.
bool is_whole(const Turn& answer) {
  return std::ranges::none_of(answer.blocks, &CodeBlock::partial) &&
         (!answer.text.empty() || !answer.blocks.empty());
}

// The finished answer in the server's copy, if it is there.
std::optional<RawReply> readback_reply(const std::optional<Readback>& readback,
                                       const Prompt& prompt, base::Instant now) {
  const Message* own = readback ? readback->find(prompt.marker) : nullptr;
  const Message* answer = own ? readback->answer_to(own->id) : nullptr;
  if (answer == nullptr || !has_words(answer->text)) return std::nullopt;
  RawReply reply = reply_of(*answer, "readback", now);
  return reply.is_final ? std::optional(std::move(reply)) : std::nullopt;
}

bool is_running(State state) {
  return state == State::generating || state == State::reconnecting || state == State::hydrating;
}

// Between two looks whether an answer lives: silence is told within a part of its limit.
std::chrono::milliseconds life_pace(const ChatOptions& options) {
  constexpr std::chrono::milliseconds longest = limits::page_wait_slice;
  return std::min(longest, options.silence_limit / 4);
}

// The page's word that nothing more comes. It counts only for the document that says it: a card
// of a failed turn may be gone, and the answer there, when the page is loaded anew.
bool is_over(State state) { return state == State::error_turn || state == State::stopped; }

// Why reading again and again has an end, and what the stream had `reported` of it. Where the
// conversation is not found, that says nothing of the answer.
base::Error given_up(const std::optional<Readback>& readback, const Prompt& prompt, bool is_missing,
                     const std::string& reported) {
  if (is_missing) {
    return as_error(State::conversation_not_found,
                    "the conversation was not found, load after load");
  }
  const std::string_view why = !readback ? "the conversation could not be read back"
                               : readback->progress(prompt.marker) == Progress::lost
                                   ? "the conversation no longer holds our message"
                                   : "the provider holds no finished answer to it";
  const std::string told = reported.empty() ? "" : "; the provider reported: " + reported;
  return {Code::unavailable, fmt::format("the answer ended early: {}{}", why, told),
          "upstream_failed"};
}

}  // namespace

// One answer being read. While the stream lives, the page's signs may lie and only start a clock;
// a stream that ended without the answer, or that reports an error, leaves it to the server's copy:
// whoever gave up on the way says nothing of the model, which may go on writing.
class ChatPage::Reading {
 public:
  Reading(ChatPage& chat, const Prompt& prompt, FinishCheck& finish, DomWatch& page)
      : chat_(chat),
        prompt_(prompt),
        finish_(finish),
        page_(page),
        life_look_(now() + life_pace(chat.options_)),
        lived_(now()) {}

  // The answer if it is there now; nothing: wait for news, at most until `wake`.
  base::Task<std::optional<RawReply>> step() {
    if (auto read = from_network()) co_return read;
    CO_TRY_OK(trouble());
    if (auto news = page_.take()) {
      CO_TRY(auto read, co_await from_page(*news));
      if (read) co_return read;
    }
    if (page_.blocked()) co_return std::unexpected(*page_.blocked());
    const bool is_silent = has_fallen_silent();
    if (!is_silent && (!next_try_ || now() < *next_try_)) co_return std::nullopt;
    CO_TRY(const Judgement judged, co_await chat_.state());
    if (is_blocking_reads(judged)) {
      co_return std::unexpected(as_error(judged.state, judged.evidence));
    }
    // The sign of an answer that is being written may be all that is left of it.
    if (is_running(judged.state) && !is_silent) {
      next_try_ = now() + limits::turn_ends;
      co_return std::nullopt;
    }
    co_return co_await from_server(is_over(judged.state));
  }

  base::Instant wake() const { return std::min(next_try_.value_or(life_look_), life_look_); }

 private:
  bool uses_network() const { return chat_.options_.routes == Routes::both; }
  base::Instant now() const { return chat_.clock_.now(); }
  const Post* post() const {
    return uses_network() ? chat_.eyes_->network().post(prompt_.marker) : nullptr;
  }
  bool is_alive() const { return post() && post()->is_alive() && post()->stream.error().empty(); }

  // True once the answer has shown no sign of life for too long; then the time begins anew. Growth
  // alone wakes nobody, so it is looked for from time to time.
  bool has_fallen_silent() {
    if (now() < life_look_) return false;
    life_look_ = now() + life_pace(chat_.options_);
    const Life life{post() ? post()->pieces : 0, page_.changes()};
    if (std::exchange(life_, life) != life) {
      lived_ = now();
      return false;
    }
    // Nor sooner than the next look that is due in any case.
    const base::Instant::duration limit = chat_.options_.silence_limit;
    if (now() - lived_ < (tries_ > 0 ? std::max(limit, pause_) : limit)) return false;
    lived_ = now();
    return true;
  }

  std::optional<RawReply> from_network() {
    const Post* own = post();
    // A new chat may be named later than its proof could wait.
    if (own) chat_.bind(own->stream.conversation_id());
    if (own && own->stream.version() != version_) {
      version_ = own->stream.version();
      // The stream is void with its document.
      if (!own->stream.error().empty()) reported_ = own->stream.error();
      if (is_alive()) next_try_.reset();
      const Message* answer = own->stream.is_damaged() ? nullptr : own->stream.answer();
      if (answer) {
        RawReply reply = reply_of(*answer, "network", now());
        if (finish_.is_reached(answer->text) || reply.is_final) return reply;
      }
    }
    if (!uses_network() || is_alive()) return std::nullopt;
    if (!was_dead_) {
      was_dead_ = true;
      page_.ends_again();
    }
    // A browser that cannot stream bodies leaves the page as the route until the connection ends.
    const bool is_over = !is_unreadable() || own->is_ended;
    if (!next_try_ && is_over) next_try_ = now() + limits::turn_ends;
    return readback_reply(chat_.eyes_->network().readback(), prompt_, now());
  }

  bool is_unreadable() const {
    return post() && post()->is_accepted() && !post()->is_streaming && post()->is_unreadable;
  }

  base::Result<> trouble() const {
    const Post* own = post();
    if (own && own->stream.is_moderated()) {
      return fail(Code::denied, "the provider's moderation stopped the answer", "refused");
    }
    return {};
  }

  base::Task<std::optional<RawReply>> from_page(const DomNews& news) {
    if (news.kind == DomNews::Kind::sign) {
      CO_TRY(const Judgement judged, co_await chat_.judge_now(news.seen));
      if (is_blocking_reads(judged)) sign_ = as_error(judged.state, judged.evidence);
      co_return std::nullopt;
    }
    if (is_alive()) {
      // The stream should bring the same; one that brings nothing more has stalled.
      if (!next_try_) next_try_ = now() + limits::turn_ends;
      co_return std::nullopt;
    }
    // What the stream lacks the page lacks, too, until it is loaded anew.
    const bool has_hole = post() && post()->stream.has_hole();
    const bool may_read = news.answer && is_whole(*news.answer) && !has_hole;
    if (news.kind == DomNews::Kind::end) {
      const bool is_reached = may_read && !news.answer->text.empty() &&
                              finish_.is_reached(news.answer->text, news.answer->blocks);
      if (!is_reached) co_return std::nullopt;
      co_return dom_reply(*news.answer, news.answer->complete, now());
    }
    const bool is_page_the_route = !uses_network() || is_unreadable();
    if (news.kind == DomNews::Kind::finished && may_read && is_page_the_route) {
      co_return dom_reply(*news.answer, true, now());
    }
    const bool is_pausing = tries_ > 0 && next_try_ && now() < *next_try_;
    if (is_pausing) co_return std::nullopt;
    co_return co_await from_server(news.kind == DomNews::Kind::failed ||
                                   news.kind == DomNews::Kind::stopped);
  }

  boost::asio::awaitable<bool> is_not_found() {
    const auto judged = co_await chat_.state();
    if (!judged || !is_blocking(*judged)) co_return false;
    co_return judged->state == State::conversation_not_found;
  }

  // One fresh reading. Reading is repeatable; the page has nothing of ours in its composer that a
  // reload could lose. A stream that broke off says nothing of the answer, which may be written for
  // half an hour yet: only what has ended is given up, and after some tries.
  base::Task<std::optional<RawReply>> from_server(bool page_says_over) {
    if (sign_) co_return std::unexpected(*sign_);
    CO_TRY(const auto readback, co_await chat_.fresh_readback());
    if (auto read = readback_reply(readback, prompt_, now())) co_return read;
    if (readback && readback->has_elsewhere(prompt_.marker)) {
      co_return fail(Code::conflict, "our message was edited away in the conversation",
                     "fork_detected");
    }
    constexpr base::Instant::duration max_pause = limits::readback_pause_max;
    const auto progress = readback ? readback->progress(prompt_.marker) : Progress::unfinished;
    const bool is_missing = !readback && co_await is_not_found();
    const bool may_grow = !page_says_over && !is_missing && progress == Progress::unfinished;
    if (!may_grow) ++ended_tries_;
    if (ended_tries_ >= limits::readbacks_max) {
      co_return std::unexpected(given_up(readback, prompt_, is_missing, reported_));
    }
    ++tries_;
    page_.ends_again();
    next_try_ = now() + pause_;
    if (may_grow) pause_ = std::min(pause_ * 2, max_pause);
    co_return std::nullopt;
  }

  ChatPage& chat_;
  const Prompt& prompt_;
  FinishCheck& finish_;
  DomWatch& page_;
  std::optional<std::uint64_t> version_;
  std::optional<base::Instant> next_try_;  // of the server's copy
  std::optional<base::Error> sign_;        // what the page shows over the conversation
  std::string reported_;                   // the stream's own word that it failed
  // Pieces of the stream that have come, and changes of what the page shows.
  using Life = std::pair<std::uint64_t, std::uint64_t>;
  Life life_;
  base::Instant life_look_;  // the next one
  base::Instant lived_;      // since then there was no sign of life
  base::Instant::duration pause_ = limits::readback_pause;
  int tries_ = 0;
  int ended_tries_ = 0;  // of them, those that found nothing which might still grow
  bool was_dead_ = false;
};

base::Task<RawReply> ChatPage::reply(const Sent& sent, const Prompt& prompt, FinishCheck& finish,
                                     base::Instant::duration limit) {
  const base::Instant deadline = clock_.now() + limit;
  bind(sent.conversation_id);
  CO_TRY(const Sighting seen, co_await look(0));
  // Not before the look: a new document voids the posts of the old one.
  const Post* post =
      options_.routes == Routes::both ? eyes_->network().post(prompt.marker) : nullptr;
  DomWatch page(eyes_, {.shell = seen.shell(),
                        .message_ids = {sent.user_message_id},
                        .marker = prompt.marker,
                        .end_marker = prompt.end_marker,
                        .quiet = post && post->is_alive() ? limits::page_glance
                                                          : std::chrono::milliseconds(0),
                        .slice = life_pace(options_)});
  Reading reading(*this, prompt, finish, page);
  struct Awaiting {
    explicit Awaiting(NetworkWatch& watch, const std::string& end) : network(watch) {
      network.await_end(end);
    }
    ~Awaiting() { network.await_end({}); }
    NetworkWatch& network;
  } awaiting(eyes_->network(), prompt.end_marker);
  for (;;) {
    CO_TRY(auto read, co_await reading.step());
    if (read) co_return *std::move(read);
    if (eyes_->failure()) co_return std::unexpected(*eyes_->failure());
    if (clock_.now() >= deadline) {
      co_return fail(Code::timeout, "no complete answer in time", "timeout");
    }
    co_await eyes_->news().wait(std::min(deadline, reading.wake()));
  }
}

}  // namespace chat
