// The conversation read afresh: looking for an earlier message, and what became of an accepted
// answer.
#include "bridge/base/limits.h"
#include "bridge/chat/chat_page.h"
#include "bridge/chat/comparison.h"
#include "bridge/chat/message.h"

#include <algorithm>
#include <iterator>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace chat {

using base::Code;
using base::fail;

namespace {

std::string_view trimmed(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

// An error if the page shows a state in which the conversation cannot be read.
base::Task<> ChatPage::check_way() {
  auto judged = co_await page_state();
  if (!judged && judged.error().reason == "navigated") co_return base::Result<>();
  if (!judged) co_return std::unexpected(judged.error());
  if (is_blocking_reads(*judged)) {
    co_return std::unexpected(as_error(judged->state, judged->evidence));
  }
  co_return base::Result<>();
}

// Nothing: the server does not show the conversation (now).
base::Task<std::optional<Readback>> ChatPage::fresh_readback() {
  if (is_new_chat(bound_.path)) {
    co_return fail(Code::unavailable,
                   "read the conversation: the new chat has no known address yet",
                   "unknown_outcome");
  }
  const NetworkWatch& network = eyes_->network();
  CO_TRY(const bool is_fresh, co_await load_until([&network] {
           return network.readback() || network.evidence().conversation_missing;
         }));
  if (!is_fresh) co_return std::optional<Readback>();
  co_return network.readback();
}

// Loads the page and waits, within bounds, until it is told something. False: no new document was
// seen, and what is known is of the old one.
base::Task<bool> ChatPage::load_until(std::function<bool()> is_told) {
  // The watching may lag behind the browser: what the old document was told may still come.
  const base::Instant old_document = eyes_->document_since();
  const auto is_fresh = [&] { return eyes_->document_since() != old_document; };
  CO_TRY_OK(co_await load());
  const base::Instant deadline = clock_.now() + limits::readback_appears;
  base::Instant look_at = clock_.now() + limits::readback_look;
  while (!(is_fresh() && is_told()) && clock_.now() < deadline) {
    if (eyes_->failure()) co_return std::unexpected(*eyes_->failure());
    co_await eyes_->news().wait(std::min(deadline, look_at));
    if (clock_.now() < look_at) continue;
    CO_TRY_OK(co_await check_way());
    look_at = clock_.now() + limits::readback_look;
  }
  co_return is_fresh();
}

base::Task<Search> ChatPage::find(const Prompt& prompt) {
  auto found = co_await look_for(prompt);
  if (found) is_unresolved_ = false;
  co_return found;
}

// Nothing: the message is not there.
base::Result<std::optional<Search>> ChatPage::found_in(const Readback& readback,
                                                       const Prompt& prompt) const {
  const Message* own = readback.find(prompt.marker);
  if (own == nullptr && readback.has_elsewhere(prompt.marker)) {
    return fail(Code::conflict,
                "look for the message: it was sent, and then edited away in the conversation",
                "fork_detected");
  }
  if (own == nullptr) return std::nullopt;
  return Search{.sent = Sent{.user_message_id = own->id,
                             .conversation_id = readback.conversation_id(),
                             .url = bound_.origin + bound_.path,
                             .proof = "readback"},
                .is_altered = own->has_files || trimmed(own->text) != trimmed(prompt.text),
                .last_turn = {}};
}

// The chats that began where this one would, as the page is told when it is loaded.
base::Task<std::vector<std::string>> ChatPage::recent_chats() {
  const NetworkWatch& network = eyes_->network();
  CO_TRY(const bool is_fresh,
         co_await load_until([&network] { return network.knows_recent_chats(); }));
  if (is_fresh && network.recent_chats()) co_return network.recent_chats()->begun_at(bound_.path);
  co_return fail(Code::unavailable,
                 "look for the message: the new chat has no known address, and the page was told "
                 "no list of chats",
                 "unknown_outcome");
}

// A chat that began without telling its address is one of the newest in the provider's list. The
// list may lag behind and names only some, so what is not found there is not known to be unsent.
base::Task<Search> ChatPage::look_in_recent_chats(const Prompt& prompt) {
  // However a look into a chat ends: unless it is ours, the page belongs to the new chat.
  struct Visit {
    ChatPage& page;
    const Binding home;
    const std::string url;  // with its query, which a binding has not
    bool is_ours = false;
    ~Visit() {
      if (!is_ours) page.unbind(home, url);
    }
  };
  CO_TRY(const auto ids, co_await recent_chats());
  for (const std::string& id : ids) {
    Visit visit{*this, bound_, options_.url};
    bind(id);
    const auto readback = co_await fresh_readback();
    if (!readback) {
      const Code code = readback.error().code;
      const bool is_lost = eyes_->failure() || state_of(eyes_->page().state());
      if (is_lost || code == Code::login_required || code == Code::busy) {
        co_return std::unexpected(readback.error());
      }
      continue;  // This chat cannot be read; another one may be ours.
    }
    if (!*readback || (*readback)->conversation_id() != id) continue;
    CO_TRY(auto found, found_in(**readback, prompt));
    if (!found) continue;
    visit.is_ours = true;
    co_return *std::move(found);
  }
  CO_TRY_OK(co_await load());
  co_return fail(Code::unavailable,
                 "look for the message: the new chat has no known address, and none of the newest "
                 "chats shows the message",
                 "unknown_outcome");
}

base::Task<Search> ChatPage::look_for(const Prompt& prompt) {
  if (is_new_chat(bound_.path)) co_return co_await look_in_recent_chats(prompt);
  CO_TRY(const auto readback, co_await fresh_readback());
  if (!readback) {
    CO_TRY(auto shown, co_await find_on_page(prompt));
    co_return Search{.sent = std::move(shown)};
  }
  CO_TRY(auto found, found_in(*readback, prompt));
  if (found) co_return *std::move(found);
  // The page's own word for the last turn, as a baseline has it, and not before it is drawn.
  CO_TRY(const Sighting seen, co_await wait_until_ready(&prompt));
  co_return Search{.sent = {}, .last_turn = seen.turns.empty() ? "" : seen.turns.back().turn};
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

// The last answer to our message on the page.
base::Task<std::optional<Turn>> ChatPage::shown_answer(const Sent& sent, const Prompt& prompt,
                                                       const std::string& shell) {
  namespace json = boost::json;
  const json::object wanted{
      {"shell", shell}, {"ids", json::array{sent.user_message_id}}, {"marker", prompt.marker}};
  CO_TRY(auto exchange, co_await eyes_->run("read_exchange(" + json::serialize(wanted) + ")",
                                            "compare the routes", limits::page_call));
  const auto* object = exchange.if_object();
  const auto* answers = object ? object->if_contains("answers") : nullptr;
  const auto* list = answers ? answers->if_array() : nullptr;
  const auto* last = list && !list->empty() ? list->back().if_object() : nullptr;
  co_return last ? std::optional(parse_turn(*last)) : std::nullopt;
}

base::Task<Settled> ChatPage::settle(const Sent& sent, const Prompt& prompt,
                                     const RawReply& accepted) {
  Settled settled;
  const auto add = [&settled](std::vector<std::string> found) {
    std::ranges::move(found, std::back_inserter(settled.differences));
  };
  const base::Instant deadline = clock_.now() + limits::exchange_settles;
  const Post* post = eyes_->network().post(prompt.marker);
  while (post && post->is_alive() &&
         !(post->stream.answer() && post->stream.answer()->is_finished()) &&
         clock_.now() < deadline && !eyes_->failure()) {
    co_await eyes_->news().wait(deadline);
    post = eyes_->network().post(prompt.marker);
  }
  const bool is_network_read = options_.routes == Routes::both;
  const Message* final_answer =
      is_network_read && post && !post->stream.is_damaged() ? post->stream.answer() : nullptr;
  if (final_answer && accepted.route == "network") {
    if (trimmed(final_answer->text) != trimmed(accepted.text)) {
      add({"the answer grew or changed after it was accepted"});
    }
  }
  if (final_answer && accepted.route == "dom") {
    Turn read;
    read.text = accepted.text;
    read.blocks = accepted.blocks;
    add(differences(read, final_answer->text));
  }
  if (post && post->stream.is_moderated()) {
    add({"the provider's moderation took the answer away afterwards"});
  }
  CO_TRY(const Sighting seen, co_await wait_until_ready());
  CO_TRY(const auto shown, co_await shown_answer(sent, prompt, seen.shell()));
  if (!shown) {
    add({"the page does not show the answer"});
  } else {
    add(accepted.route == "dom" ? changes(accepted, *shown) : differences(*shown, accepted.text));
  }
  co_return settled;
}

}  // namespace chat
