// Finding out what became of a message that may have been sent.
#include "bridge/chat/binding.h"
#include "bridge/services/exchange.h"
#include "bridge/services/exchange_story.h"

#include <algorithm>
#include <utility>

namespace services {

using base::Code;
using engine::Stage;

// The page that clicked. A repair of a question that began a chat was clicked in that chat.
base::Task<base::Instant> Exchange::silence(const Story& story) {
  CO_TRY(base::Instant quiet, co_await conversations_.silence(story.url));
  const auto bound = chat::binding_of(story.url);
  const std::string& path = story.post.baseline.path;
  if (bound && chat::is_new_chat(bound->path) && !chat::is_new_chat(path)) {
    const std::string clicked = bound->origin + path;
    CO_TRY(const base::Instant later, co_await conversations_.silence(clicked));
    quiet = std::max(quiet, later);
  }
  co_return quiet;
}

// The only road out of `armed`. Absent from two fresh loads, with nothing after the baseline, long
// enough after the old page died: certainly unsent. Anything that stays open is for a person.
base::Task<> Exchange::reconcile(Story& story) {
  story.conversation.reset();
  CO_TRY(const base::Instant quiet, co_await silence(story));
  CO_TRY_OK(co_await open(story));
  CO_TRY(const Looked found,
         co_await look_at(story, std::vector<base::Instant>{quiet + limits::reconcile_first,
                                                            quiet + limits::reconcile_second}));
  if (found == Looked::overtaken) {
    story.doubt =
        "the conversation does not show the message, and its last turn is not the one that was "
        "last before the send";
  }
  if (found == Looked::untold) story.doubt = story.untold;
  if (found == Looked::sent || story.doubt) co_return base::Result<>();
  co_return co_await record_unsent(story);
}

// What this store never armed can only have been sent by a process before this one, whose pages are
// dead: those of this one need not be closed, and who comes late need not wait.
base::Task<> Exchange::recall(Story& story) {
  CO_TRY(const base::Instant alone, co_await conversations_.alone_since());
  CO_TRY_OK(co_await open(story));
  auto looked = co_await look_at(story, {alone + limits::reconcile_second});
  if (!looked) {
    co_return std::unexpected(story.is_doubtful ? std::move(looked).error()
                                                : patient(std::move(looked).error()));
  }
  // What is in none of the newest chats may have begun an older one: of a doubtful message a person
  // has to tell. Of one that may be forgotten there is no sign that it was ever sent.
  if (*looked == Looked::untold && story.is_doubtful) story.doubt = story.untold;
  if (*looked == Looked::sent || story.doubt || !story.is_doubtful) co_return base::Result<>();
  co_return co_await reach(story, Stage::none);
}

// A look at each of the times, until the message is found or the answer is plain. What is absent
// before them may still arrive, so a look at once, if they are yet to come, can only find.
base::Task<Exchange::Looked> Exchange::look_at(Story& story, std::vector<base::Instant> times) {
  const base::Instant first = times.front();
  if (clock_.now() < first) times.insert(times.begin(), clock_.now());
  Looked found = Looked::nothing;
  for (const auto at : times) {
    if (clock_.now() < at) co_await clock_.sleep_until(at);
    CO_TRY(found, co_await look(story));
    CO_TRY_OK(story.lane.engine().faults.at("exchange.looked"));
    if (found == Looked::sent || story.doubt) co_return found;
    if (at >= first && found == Looked::overtaken) co_return found;
  }
  co_return found == Looked::untold ? Looked::untold : Looked::nothing;
}

// One fresh load of the conversation.
base::Task<Exchange::Looked> Exchange::look(Story& story) {
  auto search = co_await story.conversation->find(story.post.prompt);
  // Of what this store never armed it does not know the text: it was handed in at another time, or
  // rendered by another program. Its id vouches for the packet.
  if (search && search->is_altered && story.stage == Stage::armed) {
    story.doubt = "the conversation shows the message with another text, or with a file";
    co_return Looked::nothing;
  }
  if (search && search->sent) {
    CO_TRY_OK(co_await record_found(story, *std::move(search->sent)));
    co_return Looked::sent;
  }
  if (search) {
    const bool has_baseline = story.has_row && !story.is_doubtful;
    const bool is_last = search->last_turn == story.post.baseline.last_turn;
    co_return has_baseline && !is_last ? Looked::overtaken : Looked::nothing;
  }
  const base::Error& error = search.error();
  if (error.reason == "fork_detected") {
    CO_TRY_OK(co_await record_found(story, {.proof = "fork"}));
    co_return std::unexpected(error);
  }
  if (is_untold(story, error)) {
    story.untold = error.message;
    co_return Looked::untold;
  }
  CO_TRY_OK(co_await trip(story, error));
  co_return std::unexpected(error);
}

// The provider has it, whatever the store remembers. What it has forgotten is no new send: neither
// limits nor deadline stand in its way.
base::Task<> Exchange::record_found(Story& story, chat::Sent sent) {
  if (story.stage == Stage::armed) co_return co_await record_sent(story, std::move(sent));
  const base::Instant at = clock_.now();
  CO_TRY_OK(co_await reach(story, Stage::sent, keeping(story, sent)));
  note_sent(story, std::move(sent), at);
  co_return story.lane.engine().faults.at("exchange.found");
}

// True if only a person can tell: the chat is none of the newest.
bool Exchange::is_untold(const Story& story, const base::Error& error) {
  return error.reason == "unknown_outcome" && story.begins_chat();
}

// In the transaction that notes a message as sent which was found, however much of it is known.
std::function<base::Result<>(store::Tx&, const engine::Now&)> Exchange::keeping(Story& story,
                                                                                chat::Sent sent) {
  const bool adds = !std::exchange(story.has_row, true);
  return [post = story.post, job = story.root, kind = &story.kind, adds, sent = std::move(sent)](
             store::Tx& tx, const engine::Now& now) -> base::Result<> {
    if (adds) TRY_OK(posts::add(tx, post, now.wall));
    if (post.stage == PostStage::intent) TRY_OK(posts::set_armed(tx, post.id, now.wall));
    TRY_OK(posts::set_sent(tx, post.id, sent, now));
    return kind->sent ? kind->sent(tx, job, sent) : base::Result<>();
  };
}

}  // namespace services
