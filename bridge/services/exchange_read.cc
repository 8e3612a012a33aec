// Reading the answer to a message that the provider has.
#include "bridge/services/exchange.h"
#include "bridge/services/exchange_story.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace services {

using base::Code;
using engine::Stage;

namespace {

// A rest of time that is not worth another look.
constexpr auto read_again_min = std::chrono::seconds(5);

// In the transaction that notes where the message with this id is.
base::Result<> keep_address(store::Tx& tx, const QuestionKind& kind, const engine::Job& root,
                            const std::string& id, const chat::Sent& sent) {
  TRY_OK(posts::set_address(tx, id, sent));
  return kind.sent ? kind.sent(tx, root, sent) : base::Result<>();
}

// The message is there, so the page's troubles say nothing of its answer: another look may find it,
// and if none does, nobody knows. Only what is known of the answer itself ends the job.
base::Error looked_in_vain(base::Error error) {
  constexpr std::array<std::string_view, 4> known = {"fork_detected", "refused", "timeout",
                                                     "upstream_failed"};
  const bool is_of_answer = std::ranges::find(known, error.reason) != known.end();
  const bool is_for_a_person = error.code == Code::login_required;
  if (!is_of_answer && !is_for_a_person && !base::is_retryable(error.code)) {
    error.code = Code::unavailable;
  }
  return error;
}

}  // namespace

base::Task<> Exchange::read(Story& story) {
  const bool is_other_page = !story.conversation;
  CO_TRY_OK(co_await open(story));
  // A person may have said that it was sent; the answer is bound to what the conversation shows.
  if (!story.post.sent) CO_TRY_OK(co_await find_sent(story));
  if (story.doubt) co_return base::Result<>();
  const bool has_address = !story.begins_chat() || !story.post.sent->conversation_id.empty();
  if (is_other_page && !has_address) CO_TRY_OK(co_await find_address(story));
  auto raw = co_await listen(story);
  const auto learnt = learnt_address(story);
  if (!raw) {
    if (learnt) CO_TRY_OK(co_await record_address(story, story.post.id, *learnt));
    CO_TRY_OK(co_await trip(story, raw.error()));
    co_return std::unexpected(looked_in_vain(std::move(raw).error()));
  }
  auto& engine = story.lane.engine();
  CO_TRY_OK(engine.faults.at("exchange.reply_unrecorded"));
  const base::WallTime now = clock_.wall();
  auto keep = [id = story.post.id, raw = *raw, learnt, job = story.root, kind = &story.kind, now](
                  store::Tx& tx, const engine::Now&) -> base::Result<> {
    if (learnt) TRY_OK(keep_address(tx, *kind, job, id, *learnt));
    return posts::set_replied(tx, id, raw, now);
  };
  CO_TRY_OK(co_await reach(story, Stage::replied, std::move(keep)));
  story.post.stage = PostStage::replied;
  story.post.raw = *std::move(raw);
  if (learnt) note_address(story, *learnt);
  co_return engine.faults.at("exchange.replied");
}

// What has been waited for long enough is given up only once a load has worked after its time, and
// the answer was not in it: while nobody could look, it may have come.
base::Task<chat::RawReply> Exchange::listen(Story& story) {
  auto raw = co_await listen_for(story, time_left(story));
  if (!raw && raw.error().code == Code::timeout && is_overdue(story)) {
    auto seen = co_await story.conversation->find(story.post.prompt);
    if (!seen) co_return std::unexpected(std::move(seen).error());
    raw = co_await listen_for(story, read_again_min);
    if (!raw && raw.error().code == Code::timeout) raw.error().code = Code::conflict;
  }
  // The conversation has read it back again and again before it says so, whatever the stream said.
  if (!raw && raw.error().reason == "upstream_failed") raw.error().code = Code::conflict;
  co_return raw;
}

base::Task<chat::RawReply> Exchange::listen_for(Story& story, base::Instant::duration limit) {
  story.finish = story.question->finish(story.post.prompt.end_marker);
  co_return co_await story.conversation->reply(*story.post.sent, story.post.prompt, *story.finish,
                                               limit);
}

// True if the queue would call a message failed whose answer nobody could look for: counted errors
// alone say nothing of the answer, so a person decides.
bool Exchange::is_last_look(const Story& story, const base::Error& error) {
  if (story.stage != Stage::sent) return false;
  if (error.code != Code::unavailable && error.code != Code::timeout) return false;
  const auto& policies = story.lane.engine().queue.options().retries;
  const auto known = policies.find(story.root.kind);
  const engine::RetryPolicy policy =
      known == policies.end() ? engine::RetryPolicy() : known->second;
  return story.root.failures + 1 >= policy.failures_max;
}

// From the moment of the send, over every restart and whatever the calendar does.
base::Instant::duration Exchange::time_left(const Story& story) const {
  return std::max<base::Instant::duration>(limits_.reply - (clock_.now() - story.sent_at),
                                           read_again_min);
}

bool Exchange::is_overdue(const Story& story) const {
  return story.stage == Stage::sent && time_left(story) <= read_again_min;
}

// A person's word says that it was sent: the conversation has to show it.
base::Task<> Exchange::find_sent(Story& story) {
  auto search = co_await story.conversation->find(story.post.prompt);
  if (!search) {
    if (is_untold(story, search.error())) {
      story.doubt = search.error().message;
      co_return base::Result<>();
    }
    if (story.is_told && search.error().reason == "fork_detected") {
      CO_TRY_OK(co_await record_found(story, {.proof = "fork"}));
    }
    CO_TRY_OK(co_await trip(story, search.error()));
    co_return std::unexpected(looked_in_vain(std::move(search).error()));
  }
  if (!search->sent) {
    co_return base::fail(Code::not_found,
                         "read the answer: the conversation does not show the message",
                         "upstream_failed");
  }
  const base::Instant at = clock_.now();
  auto keep = keeping(story, *search->sent);
  // Seen, it is no person's word any more.
  if (story.is_told) {
    CO_TRY_OK(co_await reach(story, Stage::sent, std::move(keep)));
  } else {
    CO_TRY_OK(co_await story.lane.engine().store.write(
        [keep = std::move(keep), now = story.lane.engine().timeline.now()](store::Tx& tx) {
          return keep(tx, now);
        }));
  }
  note_sent(story, *std::move(search->sent), at);
  co_return base::Result<>();
}

// The page that sent had not learnt yet which chat it began: it is one of the newest.
base::Task<> Exchange::find_address(Story& story) {
  auto search = co_await story.conversation->find(story.post.prompt);
  if (!search) {
    CO_TRY_OK(co_await trip(story, search.error()));
    co_return std::unexpected(looked_in_vain(std::move(search).error()));
  }
  if (!search->sent) co_return base::Result<>();
  co_return co_await record_address(story, story.post.id, *std::move(search->sent));
}

// What the page has learnt since it sent, of a chat whose address was not known then.
std::optional<chat::Sent> Exchange::learnt_address(const Story& story) {
  const std::string url = story.conversation->url();
  if (!story.begins_chat() || begins_chat_at(url)) return std::nullopt;
  const auto bound = chat::binding_of(url);
  chat::Sent sent = *story.post.sent;
  sent.conversation_id = chat::conversation_in(bound->path);
  sent.url = url;
  return sent;
}

// Of the message with this id: that under way, or the question whose answer is to be repaired.
base::Task<> Exchange::record_address(Story& story, std::string id, chat::Sent sent) {
  auto keep = [id, job = story.root, kind = &story.kind, sent](store::Tx& tx) {
    return keep_address(tx, *kind, job, id, sent);
  };
  CO_TRY_OK(co_await story.lane.engine().store.write(std::move(keep)));
  if (id == story.post.id) {
    note_address(story, std::move(sent));
  } else if (!begins_chat_at(sent.url)) {
    story.url = sent.url;
  }
  co_return base::Result<>();
}

// No page may have told which chat the question began. What asks again there says nothing of the
// question, so it must not begin another chat.
base::Task<> Exchange::find_chat(Story& story) {
  CO_TRY(const auto asked,
         co_await story.lane.engine().store.read(
             [id = story.root.id.text](store::Tx& tx) { return posts::last(tx, id); }));
  if (!asked) {
    co_return base::fail(Code::internal, story.name() + " repairs what is not in the store");
  }
  auto search = co_await story.conversation->find(asked->prompt);
  if (!search && !is_untold(story, search.error())) {
    CO_TRY_OK(co_await trip(story, search.error()));
    co_return std::unexpected(patient(std::move(search).error()));
  }
  if (search && search->sent) {
    CO_TRY_OK(co_await record_address(story, asked->id, *std::move(search->sent)));
  }
  if (story.begins_chat()) {
    story.doubt = fmt::format(
        "answered, but not usably, and the chat that the message began was not found, so it cannot "
        "be asked again there{}; \"sent\" looks for it once more",
        search ? "" : ": " + search.error().message);
  }
  co_return base::Result<>();
}

}  // namespace services
