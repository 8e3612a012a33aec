// Reading the answer to our own message: network first, the page second, the server's copy last.
#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/dom_watch.h"
#include "bridge/chat/message.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace chat {

using base::Code;
using base::fail;

namespace {

RawReply network_reply(const Message& answer, base::Instant now) {
  return {.text = answer.text,
          .route = "network",
          .message_id = answer.id,
          .is_final = answer.is_finished() || answer.is_cut_off(),
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
  return std::ranges::none_of(answer.blocks, &CodeBlock::partial);
}

// Says when a growing network answer is worth looking at, without asking twice about one version.
class NetworkRoute {
 public:
  std::optional<RawReply> look(const Post* post, FinishCheck& finish, base::Instant now) {
    if (post == nullptr || post->stream.version() == version_) return std::nullopt;
    version_ = post->stream.version();
    const Message* answer = post->stream.is_damaged() ? nullptr : post->stream.answer();
    if (answer == nullptr) return std::nullopt;
    const RawReply reply = network_reply(*answer, now);
    if (reply.is_final || finish.is_reached(answer->text)) return reply;
    return std::nullopt;
  }

 private:
  std::uint64_t version_ = 0;
};

// The stream can still bring the answer.
bool is_alive(const Post* post) {
  if (post == nullptr || !post->is_streaming || post->is_unreadable) return false;
  if (post->stream.is_damaged()) return false;
  return !post->is_ended || post->stream.is_handed_off();
}

// The finished answer in the server's copy, if it is there.
std::optional<RawReply> readback_reply(const std::optional<Readback>& readback,
                                       const Prompt& prompt, base::Instant now) {
  const Message* own = readback ? readback->find(prompt.marker) : nullptr;
  const Message* answer = own ? readback->answer_to(own->id) : nullptr;
  if (answer == nullptr || answer->text.empty()) return std::nullopt;
  if (!answer->is_finished() && !answer->is_cut_off()) return std::nullopt;
  return RawReply{.text = answer->text,
                  .route = "readback",
                  .message_id = answer->id,
                  .is_final = true,
                  .received = now};
}

std::optional<base::Error> trouble_in(const Post* post) {
  if (post == nullptr) return std::nullopt;
  if (post->stream.is_moderated()) {
    return base::Error{Code::denied, "the provider's moderation stopped the answer", "refused"};
  }
  if (!post->stream.error().empty()) {
    return base::Error{Code::unavailable, "the provider reports: " + post->stream.error(),
                       "upstream_failed"};
  }
  return std::nullopt;
}

}  // namespace

base::Task<RawReply> ChatPage::reply(const Sent& sent, const Prompt& prompt, FinishCheck& finish,
                                     base::Instant::duration limit) {
  const base::Instant deadline = clock_.now() + limit;
  const bool use_network = options_.routes == Routes::both;
  const auto own_post = [&]() -> const Post* {
    return use_network ? eyes_->network().post(prompt.marker) : nullptr;
  };
  if (use_network && own_post() == nullptr) {
    auto read = readback_reply(eyes_->network().readback(), prompt, clock_.now());
    if (read) co_return *std::move(read);
  }
  CO_TRY(const Sighting seen, co_await look(0));
  DomWatch page(eyes_, {.shell = seen.shell(),
                        .message_ids = {sent.user_message_id},
                        .marker = prompt.marker,
                        .end_marker = prompt.end_marker,
                        .quiet = std::chrono::milliseconds(is_alive(own_post()) ? 200 : 0)});
  NetworkRoute network;
  std::optional<base::Instant> quiet_since;  // the stream is over and the answer is not there
  std::optional<base::Error> sign;
  for (;;) {
    if (auto read = network.look(own_post(), finish, clock_.now())) co_return *read;
    if (auto trouble = trouble_in(own_post())) co_return std::unexpected(*trouble);
    if (auto news = page.take()) {
      const auto& answer = news->answer;
      const bool may_read = answer && is_whole(*answer) && !answer->text.empty();
      const bool has_any =
          answer && is_whole(*answer) && (!answer->text.empty() || !answer->blocks.empty());
      switch (news->kind) {
        case DomNews::Kind::end:
          if (may_read && finish.is_reached(answer->text, answer->blocks)) {
            co_return dom_reply(*answer, answer->complete, clock_.now());
          }
          break;
        case DomNews::Kind::sign: {
          CO_TRY(const Judgement judged, co_await judge_now(news->seen));
          if (judged.state < State::error_turn) sign = as_error(judged.state, judged.evidence);
          break;
        }
        // While the stream lives the page's signs may lie; they are believed when it is over.
        case DomNews::Kind::finished:
          if (is_alive(own_post())) break;
          if (has_any) co_return dom_reply(*answer, true, clock_.now());
          co_return co_await reply_from_readback(prompt);
        case DomNews::Kind::failed:
        case DomNews::Kind::stopped:
          if (is_alive(own_post())) break;
          co_return co_await reply_from_readback(prompt);
      }
    }
    if (eyes_->failure()) co_return std::unexpected(*eyes_->failure());
    base::Instant wake = deadline;
    if (use_network && !is_alive(own_post())) {
      if (!quiet_since) {
        quiet_since = clock_.now();
        page.again(DomNews::Kind::finished);
        page.again(DomNews::Kind::failed);
        page.again(DomNews::Kind::stopped);
      }
      const bool was_streamed = own_post() && own_post()->is_streaming && own_post()->is_ended;
      const bool is_due = clock_.now() >= *quiet_since + limits::turn_ends;
      if (is_due && sign) co_return std::unexpected(*sign);
      if (is_due && (was_streamed || own_post() == nullptr)) {
        co_return co_await reply_from_readback(prompt);
      }
      if (!is_due) wake = std::min(wake, *quiet_since + limits::turn_ends);
    }
    if (clock_.now() >= deadline) {
      if (sign) co_return std::unexpected(*sign);
      co_return fail(Code::timeout, "no complete answer in time", "timeout");
    }
    co_await eyes_->news().wait(wake);
  }
}

// The server's copy, after a stream that ended without an answer. Reading is repeatable; the page
// has nothing of ours in its composer that a reload could lose.
base::Task<RawReply> ChatPage::reply_from_readback(const Prompt& prompt) {
  std::string last = "the conversation could not be read back";
  for (int round = 0; round < limits::readbacks_max; ++round) {
    if (round > 0) co_await clock_.sleep_until(clock_.now() + limits::readback_pause);
    CO_TRY(const auto readback, co_await fresh_readback());
    if (!readback) continue;
    auto read = readback_reply(readback, prompt, clock_.now());
    if (read) co_return *std::move(read);
    last = readback->find(prompt.marker) == nullptr
               ? "the conversation no longer holds our message"
               : "the provider holds no finished answer to our message";
  }
  co_return fail(Code::unavailable, "the answer ended early: " + last, "upstream_failed");
}

base::Task<std::optional<Readback>> ChatPage::fresh_readback() {
  CO_TRY_OK(co_await load());
  const base::Instant deadline = clock_.now() + limits::readback_appears;
  while (!eyes_->network().readback() && clock_.now() < deadline) {
    if (eyes_->failure()) co_return std::unexpected(*eyes_->failure());
    co_await eyes_->news().wait(deadline);
  }
  co_return eyes_->network().readback();
}

base::Task<std::optional<Sent>> ChatPage::find(const Prompt& prompt) {
  CO_TRY(const auto readback, co_await fresh_readback());
  if (!readback) co_return co_await find_on_page(prompt);
  const Message* own = readback->find(prompt.marker);
  if (own == nullptr) co_return std::optional<Sent>();
  co_return Sent{.user_message_id = own->id,
                 .conversation_id = readback->conversation_id(),
                 .url = bound_.origin + bound_.path,
                 .proof = "readback"};
}

// A page may draw only a part of a long conversation, so what it does not show proves nothing.
base::Task<std::optional<Sent>> ChatPage::find_on_page(const Prompt& prompt) {
  CO_TRY(const Sighting seen, co_await look(limits::turns_searched_max));
  for (const Turn& turn : seen.turns) {
    if (turn.role != "user" || first_line(turn.text) != prompt.marker) continue;
    co_return Sent{.user_message_id = turn.message_ids.empty() ? "" : turn.message_ids.front(),
                   .conversation_id = {},
                   .url = bound_.origin + bound_.path,
                   .proof = "turn"};
  }
  co_return fail(Code::unavailable,
                 "look for the message: the conversation could not be read back, and the page does "
                 "not show it",
                 "unknown_outcome");
}

base::Task<Settled> ChatPage::settle(const Sent& sent, const Prompt& prompt,
                                     const RawReply& accepted) {
  Settled settled;
  const base::Instant deadline = clock_.now() + limits::exchange_settles;
  const Post* post = eyes_->network().post(prompt.marker);
  while (is_alive(post) && !(post->stream.answer() && post->stream.answer()->is_finished()) &&
         clock_.now() < deadline) {
    co_await eyes_->news().wait(deadline);
    post = eyes_->network().post(prompt.marker);
  }
  const Message* final_answer =
      post && !post->stream.is_damaged() ? post->stream.answer() : nullptr;
  if (final_answer && accepted.route == "network") {
    const auto trimmed = [](std::string_view text) {
      return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    };
    if (trimmed(final_answer->text) != trimmed(accepted.text)) {
      settled.differences.push_back("the answer grew or changed after it was accepted");
    }
  }
  CO_TRY(const Sighting seen, co_await wait_until_ready());
  namespace json = boost::json;
  const json::object wanted{{"shell", seen.shell()},
                            {"ids", json::array{sent.user_message_id}},
                            {"marker", prompt.marker}};
  CO_TRY(auto exchange, co_await eyes_->run("read_exchange(" + json::serialize(wanted) + ")",
                                            "compare the routes", limits::page_call));
  const auto* object = exchange.if_object();
  const auto* answers = object ? object->if_contains("answers") : nullptr;
  if (answers == nullptr || !answers->is_array() || answers->get_array().empty()) {
    settled.differences.push_back("the page does not show the answer");
    co_return settled;
  }
  if (accepted.route == "dom") co_return settled;
  const Turn shown = parse_turn(answers->get_array().back().as_object());
  for (const CodeBlock& block : shown.blocks) {
    const std::string_view text = block.text;
    const auto end = text.find_last_not_of(" \t\r\n");
    if (block.partial || end == std::string_view::npos) continue;
    if (accepted.text.find(text.substr(0, end + 1)) == std::string::npos) {
      settled.differences.push_back("the page shows another code block than the network brought");
    }
  }
  co_return settled;
}

}  // namespace chat
