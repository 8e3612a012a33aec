#include "tests/sim/fake_conversations.h"

#include <utility>

#include <fmt/format.h>

namespace sim {

using base::Code;
using base::fail;

namespace {

// The bead a prompt asks about; a repair prompt names none.
std::string bead_in(const chat::Prompt& prompt, const std::string& otherwise) {
  const auto quote = prompt.text.find("\"bd-");
  if (quote == std::string::npos) return otherwise;
  const auto start = quote + 1;
  const auto end = prompt.text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-", start);
  return prompt.text.substr(start, end - start);
}

}  // namespace

// For the caller alone: whoever holds the page keeps others waiting, unless it was silenced. The
// account has one more page than it works on, as one may end an exchange that is done already.
base::Task<std::unique_ptr<chat::Conversation>> FakeConversations::open(std::string url) {
  Chat& chat = world_.chat_at(url);
  while (chat.page_holder != nullptr || world_.pages_in_use(account_) > world_.parallel) {
    co_await world_.pause(1s);
  }
  auto page = std::make_unique<FakeConversation>(world_, chat, url);
  co_await world_.wait(world_.some(500ms));
  co_return page;
}

base::Task<base::Instant> FakeConversations::alone_since() {
  co_await world_.step();
  co_return world_.life_began;
}

base::Task<base::Instant> FakeConversations::silence(std::string url) {
  Chat& chat = world_.chat_at(url);
  ++chat.generation_of_pages;
  chat.page_holder = nullptr;
  if (world_.trick != Trick::remembers_refusals) chat.posted.clear();
  const base::Instant quiet = world_.clock.now();
  co_await world_.wait(world_.some(100ms));
  co_return quiet;
}

int FakeConversation::number_in(const std::string& url) const {
  const std::string start = chat_.url + "/c/";
  return url.starts_with(start) ? std::stoi(url.substr(start.size())) : 0;
}

// A page that does not know where it is looks among all chats.
const Message* FakeConversation::find_here(const std::string& marker) const {
  const Message* own = chat_.find(marker);
  const bool is_elsewhere = own && is_named_ && own->begun != begun_;
  return is_elsewhere ? nullptr : own;
}

chat::Sent FakeConversation::sent(const Message& message, std::string proof) const {
  chat::Sent sent{.user_message_id = message.id, .proof = std::move(proof)};
  if (world_.naming) sent.url = url();
  if (is_named_) sent.conversation_id = std::to_string(begun_);
  return sent;
}

base::Task<chat::Judgement> FakeConversation::state() {
  co_return chat::Judgement{
      chat_.account.is_signed_in ? chat::State::ready : chat::State::login_required, "",
      chat_.account.is_signed_in};
}

// What stands in the way of reading or sending.
base::Task<> FakeConversation::way() {
  if (!is_alive()) co_return fail(Code::unavailable, "the tab is closed", "ui_changed");
  if (is_error_page_) {
    co_return fail(Code::unavailable, "the network is away", "offline");
  }
  if (!chat_.account.is_signed_in) {
    co_return fail(Code::login_required, "the page asks to sign in", "login_required");
  }
  if (chat_.asks) {
    co_return std::unexpected(chat::as_error(chat::State::unknown_dialog, "a dialog"));
  }
  co_return base::Result<>();
}

base::Task<> FakeConversation::way_to_read() {
  CO_TRY_OK(co_await way());
  if (world_.clock.now() < chat_.account.reads_refused_until) {
    co_return fail(Code::busy, "the page says: too many requests", "rate_limited");
  }
  co_return base::Result<>();
}

base::Task<chat::Search> FakeConversation::find(const chat::Prompt& prompt) {
  co_await world_.wait(100ms + world_.some(400ms));
  is_error_page_ = is_load_lost();
  CO_TRY_OK(co_await way_to_read());
  if (!world_.is_offline()) show();
  world_.settle_late(chat_);
  if (world_.happens(world_.chances.find_fails)) {
    world_.ground.coverage.happened("the conversation cannot be read");
    co_return fail(Code::unavailable, std::string(unreadable), "unknown_outcome");
  }
  const Message* own = find_here(prompt.marker);
  if (world_.naming && !is_named_ && !own) {
    co_return fail(Code::unavailable, fmt::format("{}: it has no known address", unreadable),
                   "unknown_outcome");
  }
  if (own && world_.trick != Trick::finds_nothing) {
    begun_ = own->begun;
    is_named_ = begun_ > 0;
    co_return chat::Search{.sent = sent(*own, "readback"), .is_altered = own->text != prompt.text};
  }
  if (own) {
    const auto before = own - chat_.transcript.data();
    co_return chat::Search{.last_turn = before == 0 ? "" : (own - 1)->id};
  }
  if (world_.trick == Trick::misreads_last_turn)
    co_return chat::Search{.last_turn = "turn-of-another"};
  co_return chat::Search{.last_turn = chat_.last_turn(begun_)};
}

base::Task<chat::Sent> FakeConversation::send(const chat::Prompt& prompt, chat::SendSteps& steps) {
  co_await world_.wait(world_.some(2s));
  const SendFate fate = world_.next_send_fate();
  if (fate == SendFate::signed_out) chat_.account.is_signed_in = false;
  if (fate == SendFate::asks) {
    chat_.asks = true;
    ++chat_.times_asked;
  }
  CO_TRY_OK(co_await way());
  if (world_.clock.now() < chat_.account.limited_until) {
    co_return fail(Code::busy, "the page says: too many requests", "rate_limited");
  }
  if (chat_.posted.contains(prompt.marker)) {
    co_return fail(Code::conflict, "it was posted before in this tab", "unknown_outcome");
  }
  // A page that does not know in which chat it is goes to where chats begin.
  if (!is_named_ || world_.trick == Trick::begins_chats_anew) begun_ = 0;
  const std::string path = begun_ > 0 ? fmt::format("{}/c/{}", chat_.path, begun_) : chat_.path;
  const chat::Baseline baseline{.path = path, .last_turn = chat_.last_turn(begun_), .shell = "C"};
  CO_TRY_OK(co_await steps.intent(baseline));
  std::optional<Counted> typing(world_.watch.types(chat_.lane));
  co_await world_.wait(world_.some(50ms));
  if (fate == SendFate::altered) {
    co_return fail(Code::conflict, "the composer holds another text", "payload_altered");
  }
  if (world_.happens(world_.chances.human_writes)) {
    world_.ground.coverage.happened("a person writes before the click");
    world_.deliver(chat_, {.id = "", .marker = "", .begun = begun_});
  }
  if (world_.trick == Trick::clicks_unarmed) co_return co_await click(prompt, fate, steps);
  CO_TRY_OK(co_await steps.armed());
  typing.reset();
  begin_turn();
  co_await world_.wait(world_.some(30ms));
  CO_TRY_OK(co_await way());
  // The guard looks once more, in the page, at the moment of the click.
  if (chat_.last_turn(begun_) != baseline.last_turn || fate == SendFate::swallowed) {
    world_.note_refused_click(prompt.marker);
    co_return fail(Code::conflict, "the guard refused the click", "ui_changed");
  }
  co_return co_await click(prompt, fate, steps);
}

void FakeConversation::begin_turn() {
  turn_.emplace(world_.watch.begins_turn(chat_.lane));
  if (world_.watch.turns_beside(chat_.lane) > 1) {
    world_.ground.coverage.happened("lanes of an account have their turns at once");
  }
}

// By mistake.
Chat& FakeConversation::other_chat() {
  const auto count = world_.chats.size();
  return world_.happens(200) ? world_.chats[world_.random.below(count)] : chat_;
}

// Why the provider certainly does not take what was posted.
std::optional<base::Error> FakeConversation::refusal(SendFate fate) {
  const base::Instant now = world_.clock.now();
  if (fate == SendFate::limited || now < chat_.account.limited_until) {
    chat_.account.limited_until = now + 5min + world_.some(20min);
    chat_.account.limited_by = chat_.lane;
    base::Error refused{Code::busy, "the server refused the message with 429", "rate_limited"};
    refused.retry_after =
        std::chrono::duration_cast<std::chrono::milliseconds>(chat_.account.limited_until - now);
    return refused;
  }
  if (fate == SendFate::unauthorized || fate == SendFate::repeated) {
    return base::Error{Code::login_required, "the server refused the message with 401",
                       "login_required"};
  }
  if (fate == SendFate::forbidden) {
    return base::Error{Code::unavailable, "the server refused the message with 403",
                       "upstream_failed"};
  }
  return std::nullopt;
}

base::Task<chat::Sent> FakeConversation::click(const chat::Prompt& prompt, SendFate fate,
                                               chat::SendSteps& steps) {
  const engine::Job& job = world_.check_click(chat_, prompt.marker);
  const base::Instant now = world_.clock.now();
  if (world_.is_offline()) fate = SendFate::never_arrived;
  Message message{.id = "",
                  .marker = prompt.marker,
                  .end_marker = prompt.end_marker,
                  .text = prompt.text,
                  .is_repair = job.kind == services::repair_kind,
                  .job = job.id.text,
                  .bead = bead_in(prompt, job.subject),
                  .about = job.subject};
  if (auto refused = refusal(fate)) {
    const bool is_repeated = fate == SendFate::repeated && refused->code == Code::login_required;
    if (is_repeated || world_.trick == Trick::remembers_refusals) {
      chat_.posted.insert(prompt.marker);
    }
    message.at = now;
    if (is_repeated) chat_.late.push_back(std::move(message));
    co_return std::unexpected(*std::move(refused));
  }
  chat_.posted.insert(prompt.marker);
  if (world_.naming && begun_ == 0) begun_ = ++chat_.begun;
  message.begun = begun_;
  if (world_.trick == Trick::clicks_twice && world_.happens(200)) world_.deliver(chat_, message);
  Chat& chat = world_.trick == Trick::types_elsewhere ? other_chat() : chat_;
  if (fate == SendFate::arrives_late) {
    // Later than a first look after the page's death, and before the last one.
    message.at = now + world_.some(25s);
    chat.late.push_back(std::move(message));
  } else if (fate != SendFate::never_arrived) {
    world_.deliver(chat, std::move(message));
  }
  const bool goes_on = steps.clicked().has_value();
  world_.may_lose_network();
  co_await world_.wait(world_.some(500ms));
  const bool is_seen = is_alive() && !world_.is_offline();
  const bool is_told = goes_on && fate == SendFate::accepted && is_seen;
  if (!is_told) {
    co_return fail(Code::timeout, "the message may have been sent", "unknown_outcome");
  }
  streams_ = prompt.marker;
  co_return sent(*chat_.find(prompt.marker), "post");
}

base::Task<chat::RawReply> FakeConversation::reply(const chat::Sent&, const chat::Prompt& prompt,
                                                   chat::FinishCheck& finish,
                                                   base::Instant::duration limit) {
  world_.watch.waits(chat_.lane, limit);
  if (world_.naming == Naming::lost && !is_named_) {
    co_return fail(Code::unavailable, "the new chat has no known address", "unknown_outcome");
  }
  if (!turn_) begin_turn();
  // Whatever comes, the turn is over then.
  const std::optional<Counted> turn = std::exchange(turn_, std::nullopt);
  const base::Instant deadline = world_.clock.now() + limit;
  world_.may_lose_network();
  if (world_.happens(world_.chances.misleads)) {
    world_.ground.coverage.happened("the page shows what says nothing of the answer");
    const bool is_missing = world_.happens(500);
    co_return std::unexpected(chat::as_error(
        is_missing ? chat::State::conversation_not_found : chat::State::conversation_full,
        "for a moment"));
  }
  for (;;) {
    co_await world_.wait(200ms + world_.some(300ms));
    CO_TRY_OK(co_await way_to_read());
    if (!world_.is_offline()) show();
    const Message* own = chat_.find(prompt.marker);
    if (own == nullptr || own->begun != begun_) {
      co_return fail(Code::unavailable, "not there", "upstream_failed");
    }
    if (own->fate == ReplyFate::broken_off && own->at <= shown_) {
      co_return fail(Code::unavailable, "the answer ended early", "upstream_failed");
    }
    if (own->reply_at <= shown_) {
      (void)finish.is_reached(std::string_view(own->reply));
      if (world_.naming == Naming::late) is_named_ = true;
      co_return chat::RawReply{.text = own->reply,
                               .route = "network",
                               .message_id = own->id + "-answer",
                               .is_final = true,
                               .is_cut_off = own->fate == ReplyFate::cut_off,
                               .received = world_.clock.now()};
    }
    const bool is_streamed = streams_ == prompt.marker;
    if (is_streamed && own->error_at <= shown_) {
      if (world_.trick == Trick::believes_failed_streams) {
        co_return fail(Code::unavailable, "the provider reports an error", "upstream_failed");
      }
      streams_.clear();
      is_error_page_ = is_load_lost();
      continue;
    }
    if (world_.clock.now() >= deadline) {
      co_return fail(Code::timeout, "no complete answer in time", "timeout");
    }
    const base::Instant comes =
        is_streamed ? std::min(own->error_at, own->reply_at) : own->reply_at;
    const base::Instant news = world_.is_offline() ? deadline : comes;
    const base::Instant next = std::min(news, deadline);
    co_await world_.wait(next - world_.clock.now());
  }
}

base::Task<chat::Settled> FakeConversation::settle(const chat::Sent&, const chat::Prompt&,
                                                   const chat::RawReply&) {
  co_await world_.wait(world_.some(3s));
  if (world_.happens(world_.chances.human_writes)) {
    world_.ground.coverage.happened("a person writes after a reply");
    world_.deliver(chat_, {.id = "", .marker = "", .begun = begun_});
  }
  co_return chat::Settled{};
}

}  // namespace sim
