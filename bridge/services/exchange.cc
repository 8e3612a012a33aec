#include "bridge/services/exchange.h"

#include "bridge/chat/binding.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/packet_question.h"

#include <algorithm>
#include <utility>

#include <boost/json/value_from.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using engine::Stage;

namespace {

chat::Prompt as_posted(protocol::Prompt prompt) {
  return {.text = std::move(prompt.text),
          .marker = std::move(prompt.marker),
          .end_marker = std::move(prompt.end_marker)};
}

std::string path_in(const std::string& url) {
  const auto bound = chat::binding_of(url);
  return bound ? bound->path : std::string();
}

// The same message under another marker.
chat::Prompt marked_anew(chat::Prompt prompt, std::string_view id, std::string_view key) {
  const auto renew = [&text = prompt.text](std::string& mark, const std::string& fresh) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
      text.replace(at, mark.size(), fresh);
      at += fresh.size();
    }
    mark = fresh;
  };
  renew(prompt.marker, protocol::job_marker(id, key));
  renew(prompt.end_marker, protocol::end_marker(id));
  return prompt;
}

// A rest of time that is not worth another look.
constexpr auto read_again_min = std::chrono::seconds(5);

// A cause that passes by itself before anything was sent: the job goes again, however often.
base::Error patient(base::Error error) {
  const bool passes = error.code == Code::unavailable || error.code == Code::timeout;
  if (passes && error.reason != "ui_changed" && error.reason != "upstream_failed") {
    error.code = Code::busy;
  }
  return error;
}

}  // namespace

std::optional<engine::Trip> trip_of(const base::Error& error) {
  using engine::Trip;
  if (error.reason == "rate_limited") return Trip::rate_limited;
  if (error.reason == "usage_cap") return Trip::usage_cap;
  if (error.reason == "challenge") return Trip::challenge;
  if (error.reason == "login_required") return Trip::login_required;
  if (error.code == Code::login_required) return Trip::blocked;
  return std::nullopt;
}

// One run of the handler.
struct Exchange::Story {
  engine::LaneContext& lane;
  engine::Job root;  // the question's own job
  const QuestionKind& kind;
  std::shared_ptr<const Question> question = {};
  std::string url = {};
  int repairs = 0;  // children that were begun

  // The message under way: the question's, or the newest repair's.
  engine::JobId job = {};
  engine::Lease lease = {};
  Stage stage = Stage::none;
  bool is_doubtful = false;  // the store may know less than the world
  // The store was restored lately. The ids of messages are the same as before, so they are found.
  bool may_be_forgotten = false;
  Post post = {};
  bool has_row = false;  // `post` is in the store
  base::Instant sent_at = {};
  std::unique_ptr<chat::Conversation> conversation = {};
  std::unique_ptr<AnswerFinish> finish = {};
  std::optional<std::string> doubt = {};  // what only a person can decide
  std::string untold = {};                // why the last look told nothing

  bool is_repair() const { return job != root.id; }
  std::string name() const {
    return fmt::format("{} {}", is_repair() ? "repair" : kind.noun, job.text);
  }
};

Exchange::Exchange(chat::Conversations& conversations, const protocol::MessageTypes& types,
                   base::Clock& clock, std::string account, std::string marker_key,
                   ExchangeLimits limits,
                   std::function<boost::asio::awaitable<void>(Afterwards)> afterwards)
    : conversations_(conversations),
      clock_(clock),
      account_(std::move(account)),
      marker_key_(std::move(marker_key)),
      limits_(limits),
      afterwards_(std::move(afterwards)) {
  add_kind(std::string(packet_kind), packet_questions(types));
}

void Exchange::add_kind(std::string kind, QuestionKind asked) {
  kinds_[std::move(kind)] = std::move(asked);
}

base::Task<engine::Outcome> Exchange::handle(engine::Claim claim, engine::LaneContext& lane) {
  auto story = std::make_shared<Story>(
      Story{.lane = lane, .root = claim.job, .kind = kinds_.at(claim.job.kind)});
  CO_TRY_OK(co_await begin(*story, std::move(claim)));
  for (;;) {
    auto obtained = co_await obtain(*story);
    if (story->doubt) {
      co_return engine::Outcome{engine::Outcome::Held{{"unknown_outcome", *story->doubt}}};
    }
    if (!obtained) co_return std::unexpected(std::move(obtained).error());
    auto answer = judge(*story);
    if (answer) co_return answered(story, *std::move(answer));
    Unusable& why = answer.error();
    if (story->repairs >= limits_.repairs_max) {
      for (const auto& violation : why.violations) {
        why.problem += "\n  " + protocol::to_line(violation);
      }
      co_return engine::Outcome{engine::Outcome::Failed{
          {"invalid_reply", fmt::format("the reply is not usable after {} repair prompts: {}",
                                        story->repairs, why.problem)}}};
    }
    CO_TRY_OK(co_await begin_repair(*story, std::move(why)));
  }
}

// The answer in the reply, or what is wrong with it.
std::expected<Answer, Unusable> Exchange::judge(Story& story) {
  // What reached the finish line while it was read is not read again.
  if (story.finish) {
    if (auto answer = story.finish->take(*story.post.raw)) return *std::move(answer);
  }
  return story.question->judge(*story.post.raw, story.post.prompt.end_marker);
}

// Finds the message under way.
base::Task<> Exchange::begin(Story& story, engine::Claim claim) {
  CO_TRY(story.question, story.kind.question(claim.job));
  auto& engine = story.lane.engine();
  const auto& queue = engine.queue;
  struct Found {
    std::vector<engine::Job> children;
    std::optional<Post> post;
    std::string url;
    engine::Milliseconds time;
  };
  const engine::JobId root = claim.job.id;
  const base::Instant asked = clock_.now();
  auto look_up = [&kind = story.kind, job = claim.job, &queue,
                  now = engine.timeline.now()](store::Tx& tx) -> base::Result<Found> {
    TRY(auto children, queue.children(tx, job.id));
    const bool has_child = !children.empty() && children.back().state == engine::State::running;
    TRY(auto post, posts::last(tx, (has_child ? children.back() : job).id.text));
    TRY(auto url, kind.address(tx, job));
    TRY(const auto time, engine::engine_now(tx, now));
    return Found{std::move(children), std::move(post), std::move(url), time};
  };
  CO_TRY(auto found, co_await engine.store.read(std::move(look_up)));
  story.url = std::move(found.url);
  story.repairs = static_cast<int>(found.children.size());
  story.job = root;
  story.lease = claim.lease;
  story.stage = claim.job.stage;
  story.may_be_forgotten = claim.may_be_forgotten;
  bool is_doubtful = claim.job.is_doubtful;
  if (!found.children.empty() && found.children.back().state == engine::State::running) {
    const engine::Job& child = found.children.back();
    story.job = child.id;
    story.lease.job = child.id;
    story.lease.attempt = child.attempt;
    story.stage = child.stage;
    is_doubtful = child.is_doubtful;
  }
  // An answered packet is resumed too, while its repair is certainly unsent.
  story.is_doubtful = is_doubtful && story.stage <= Stage::intent;
  // A message that is not known to be unsent belongs to an earlier start; this one is another.
  story.has_row =
      found.post && (story.stage > Stage::intent || found.post->stage == PostStage::intent);
  if (found.post) story.post = *std::move(found.post);
  story.sent_at = asked;
  if (story.post.sent_at) story.sent_at -= found.time - *story.post.sent_at;
  if (!story.has_row) {
    if (story.stage > Stage::intent) {
      co_return base::fail(Code::internal, story.name() + " has no message in the store");
    }
    CO_TRY(story.post, start_anew(story));
  }
  co_return base::Result<>();
}

// The message's next start, under a new marker. Of a repair, what was to be said stands in its
// last.
base::Result<Post> Exchange::start_anew(const Story& story) const {
  const Post& last = story.post;
  const int number = last.id.empty() ? 1 : last.number + 1;
  const int repair = story.is_repair() ? story.repairs : 0;
  Post post{.id = posts::id_for(marker_key_, story.root, number, repair),
            .job_id = story.job.text,
            .number = number,
            .conversation_url = story.url};
  if (!story.is_repair()) {
    TRY(auto prompt, story.question->render(post.id, marker_key_));
    post.prompt = as_posted(std::move(prompt));
    return post;
  }
  if (last.id.empty()) {
    return base::fail(Code::internal, story.name() + " has no prompt in the store");
  }
  post.prompt = marked_anew(last.prompt, post.id, marker_key_);
  return post;
}

// Brings the message to `replied`, from wherever it is.
base::Task<> Exchange::obtain(Story& story) {
  if (story.stage == Stage::armed) {
    CO_TRY_OK(co_await reconcile(story));
  } else if (story.stage < Stage::armed && (story.is_doubtful || story.may_be_forgotten)) {
    CO_TRY_OK(co_await recall(story));
  }
  if (story.doubt) co_return base::Result<>();
  if (story.stage <= Stage::intent) CO_TRY_OK(co_await send(story));
  if (story.stage == Stage::sent) CO_TRY_OK(co_await read(story));
  if (!story.post.raw) {
    co_return base::fail(Code::internal, story.name() + " is replied without a reply");
  }
  co_return base::Result<>();
}

base::Task<> Exchange::open(Story& story) {
  if (story.conversation) co_return base::Result<>();
  auto opened = co_await conversations_.open(story.url);
  if (!opened) co_return std::unexpected(patient(std::move(opened).error()));
  story.conversation = *std::move(opened);
  co_return base::Result<>();
}

// Makes the points of a send durable.
class Exchange::Steps final : public chat::SendSteps {
 public:
  Steps(Story& story, base::Clock& clock, SendTurns& turns, std::uint64_t seen_armed)
      : story_(story), clock_(clock), turns_(turns), seen_armed_(seen_armed) {}

  base::Task<> intent(const chat::Baseline& baseline) override {
    turn_.emplace(co_await turns_.take());
    // Another message of the account has gone while this page became ready.
    if (turns_.armed() != seen_armed_) {
      CO_TRY_OK(co_await story_.lane.wait_to_arm(story_.lease, limits::waits_to_arm));
    }
    Post& post = story_.post;
    post.baseline = baseline;
    CO_TRY_OK(story_.lane.engine().faults.at("exchange.before_intent"));
    const bool adds = !std::exchange(story_.has_row, true);
    // A job that goes again is at `intent` already.
    const base::WallTime now = clock_.wall();
    auto record = [post, adds, now](store::Tx& tx) {
      return adds ? posts::add(tx, post, now)
                  : posts::set_baseline(tx, post.id, post.baseline, now);
    };
    if (story_.stage == Stage::intent) {
      CO_TRY_OK(co_await story_.lane.engine().store.write(std::move(record)));
    } else {
      CO_TRY_OK(co_await story_.lane.set_stage(
          story_.lease, Stage::intent,
          [record](store::Tx& tx, const engine::Now&) mutable { return record(tx); }));
      story_.stage = Stage::intent;
    }
    co_return story_.lane.engine().faults.at("exchange.intent");
  }

  base::Task<> armed() override {
    auto turn = std::exchange(turn_, std::nullopt);
    CO_TRY_OK(story_.lane.engine().faults.at("exchange.before_armed"));
    const base::WallTime now = clock_.wall();
    const base::Instant asked = clock_.now();
    CO_TRY_OK(co_await story_.lane.set_stage(
        story_.lease, Stage::armed, [id = story_.post.id, now](store::Tx& tx, const engine::Now&) {
          return posts::set_armed(tx, id, now);
        }));
    if (turn) turn->note_armed();
    story_.stage = Stage::armed;
    story_.post.stage = PostStage::armed;
    if (clock_.now() - asked > limits::armed_is_fresh) {
      co_return base::fail(Code::busy, "the store took too long to note the send", "late");
    }
    co_return story_.lane.engine().faults.at("exchange.armed");
  }

  base::Result<> clicked() override { return story_.lane.engine().faults.at("exchange.clicked"); }

 private:
  Story& story_;
  base::Clock& clock_;
  SendTurns& turns_;
  std::uint64_t seen_armed_;                  // when the limits were asked
  std::optional<SendTurns::Turn> turn_ = {};  // from `intent` to `armed`
};

base::Task<> Exchange::send(Story& story) {
  CO_TRY_OK(co_await open(story));
  const std::uint64_t seen_armed = turns_.armed();
  // A repair has no slot reserved, and a job may have waited long for its conversation.
  CO_TRY_OK(co_await story.lane.wait_to_arm(story.lease, limits::waits_to_arm));
  Steps steps(story, clock_, turns_, seen_armed);
  auto sent = co_await story.conversation->send(story.post.prompt, steps);
  if (sent) co_return co_await record_sent(story, *std::move(sent));
  if (sent.error().reason == "unknown_outcome") {
    story.conversation.reset();
    if (story.stage == Stage::armed) CO_TRY_OK(co_await reconcile(story));
    // Unsent after all: it goes again, but from the queue and not for ever.
    if (story.stage <= Stage::intent) {
      co_return base::fail(Code::unavailable, "sent nothing: " + sent.error().message,
                           "ui_changed");
    }
    co_return base::Result<>();
  }
  if (story.stage == Stage::armed) CO_TRY_OK(co_await record_unsent(story));
  CO_TRY_OK(co_await trip(story, sent.error()));
  co_return std::unexpected(patient(std::move(sent).error()));
}

base::Task<> Exchange::record_sent(Story& story, chat::Sent sent) {
  auto& engine = story.lane.engine();
  CO_TRY_OK(engine.faults.at("exchange.sent_unrecorded"));
  const base::Instant at = clock_.now();
  CO_TRY_OK(co_await story.lane.set_stage(
      story.lease, Stage::sent,
      [id = story.post.id, job = story.root, &kind = story.kind, sent](
          store::Tx& tx, const engine::Now& now) -> base::Result<> {
        TRY_OK(posts::set_sent(tx, id, sent, now));
        return kind.sent ? kind.sent(tx, job, sent) : base::Result<>();
      }));
  note_sent(story, std::move(sent), at);
  co_return engine.faults.at("exchange.sent");
}

void Exchange::note_sent(Story& story, chat::Sent sent, base::Instant at) {
  story.stage = Stage::sent;
  story.sent_at = at;
  story.post.stage = PostStage::sent;
  story.post.sent = std::move(sent);
}

base::Task<> Exchange::record_unsent(Story& story) {
  const base::WallTime now = clock_.wall();
  CO_TRY_OK(co_await story.lane.set_stage(
      story.lease, Stage::none, [id = story.post.id, now](store::Tx& tx, const engine::Now&) {
        return posts::set_unsent(tx, id, now);
      }));
  story.stage = Stage::none;
  story.post.stage = PostStage::intent;
  co_return base::Result<>();
}

base::Task<> Exchange::read(Story& story) {
  CO_TRY_OK(co_await open(story));
  // A person may have said that it was sent; the answer is bound to what the conversation shows.
  if (!story.post.sent) CO_TRY_OK(co_await find_sent(story));
  story.finish = story.question->finish(story.post.prompt.end_marker);
  auto raw = co_await story.conversation->reply(*story.post.sent, story.post.prompt, *story.finish,
                                                time_left(story));
  if (!raw) {
    CO_TRY_OK(co_await trip(story, raw.error()));
    const bool is_over = raw.error().reason == "timeout" && time_left(story) <= read_again_min;
    // The conversation has read it back again and again before it says so.
    if (is_over || raw.error().reason == "upstream_failed") raw.error().code = Code::conflict;
    co_return std::unexpected(std::move(raw).error());
  }
  auto& engine = story.lane.engine();
  CO_TRY_OK(engine.faults.at("exchange.reply_unrecorded"));
  const base::WallTime now = clock_.wall();
  CO_TRY_OK(co_await story.lane.set_stage(
      story.lease, Stage::replied,
      [id = story.post.id, raw = *raw, now](store::Tx& tx, const engine::Now&) {
        return posts::set_replied(tx, id, raw, now);
      }));
  story.stage = Stage::replied;
  story.post.stage = PostStage::replied;
  story.post.raw = *std::move(raw);
  co_return engine.faults.at("exchange.replied");
}

// From the moment of the send, over every restart and whatever the calendar does.
base::Instant::duration Exchange::time_left(const Story& story) const {
  return std::max<base::Instant::duration>(limits_.reply - (clock_.now() - story.sent_at),
                                           read_again_min);
}

base::Task<> Exchange::find_sent(Story& story) {
  CO_TRY(auto search, co_await story.conversation->find(story.post.prompt));
  if (!search.sent) {
    co_return base::fail(Code::not_found,
                         "read the answer: the conversation does not show the message",
                         "upstream_failed");
  }
  const base::Instant at = clock_.now();
  CO_TRY_OK(co_await story.lane.engine().store.write(
      [id = story.post.id, job = story.root, &kind = story.kind, sent = *search.sent,
       now = story.lane.engine().timeline.now()](store::Tx& tx) -> base::Result<> {
        TRY_OK(posts::set_sent(tx, id, sent, now));
        return kind.sent ? kind.sent(tx, job, sent) : base::Result<>();
      }));
  note_sent(story, *std::move(search.sent), at);
  co_return base::Result<>();
}

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
  CO_TRY_OK(co_await story.lane.set_stage(story.lease, Stage::none));
  story.stage = Stage::none;
  story.is_doubtful = false;
  co_return base::Result<>();
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
    story.doubt = "the conversation shows the message with another text";
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
  if (error.reason == "unknown_outcome" && chat::is_new_chat(path_in(story.url))) {
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
  const bool adds = !std::exchange(story.has_row, true);
  auto record = [post = story.post, job = story.root, kind = &story.kind, adds, sent](
                    store::Tx& tx, const engine::Now& now) -> base::Result<> {
    if (adds) TRY_OK(posts::add(tx, post, now.wall));
    TRY_OK(posts::set_armed(tx, post.id, now.wall));
    TRY_OK(posts::set_sent(tx, post.id, sent, now));
    return kind->sent ? kind->sent(tx, job, sent) : base::Result<>();
  };
  CO_TRY_OK(co_await story.lane.set_stage(story.lease, Stage::sent, std::move(record)));
  story.is_doubtful = false;
  note_sent(story, std::move(sent), at);
  co_return story.lane.engine().faults.at("exchange.found");
}

base::Task<> Exchange::begin_repair(Story& story, Unusable why) {
  struct Begun {
    engine::Claim claim;
    Post post;
  };
  auto& engine = story.lane.engine();
  CO_TRY_OK(engine.faults.at("exchange.before_repair"));
  const auto now = engine.timeline.now();
  auto work = [&queue = engine.queue, root = story.lane.lease(), old = story.lease,
               is_repair = story.is_repair(), question = story.question, key = marker_key_,
               id = posts::id_for(marker_key_, story.root, 1, story.repairs + 1), url = story.url,
               subject = story.root.subject, thread = story.root.thread, why = std::move(why),
               now](store::Tx& tx) -> base::Result<Begun> {
    if (is_repair) TRY_OK(queue.fail_for_good(tx, old, {"invalid_reply", why.problem}, now));
    TRY(auto claim, queue.begin_child(tx, root,
                                      {.kind = std::string(repair_kind),
                                       .payload = {{"problem", why.problem}},
                                       .subject = subject,
                                       .thread = thread},
                                      now));
    Post post{.id = id, .job_id = claim.job.id.text, .conversation_url = url};
    TRY(auto prompt, question->render_repair(post.id, key, why));
    post.prompt = as_posted(std::move(prompt));
    TRY_OK(posts::add(tx, post, now.wall));
    return Begun{std::move(claim), std::move(post)};
  };
  CO_TRY(auto begun, co_await engine.store.write(std::move(work)));
  story.repairs += 1;
  story.job = begun.claim.job.id;
  story.lease = begun.claim.lease;
  story.stage = begun.claim.job.stage;
  story.post = std::move(begun.post);
  story.has_row = true;
  co_return engine.faults.at("exchange.repair");
}

engine::Outcome Exchange::answered(const std::shared_ptr<Story>& story, Answer answer) {
  json::object result{{"response", std::move(answer.response)},
                      {"route", story->post.raw->route},
                      {"repairs", story->repairs},
                      {"warnings", json::value_from(answer.warnings)},
                      {"post", story->post.id}};
  engine::Outcome outcome{engine::Outcome::Done{result}};
  if (story->is_repair()) {
    auto& engine = story->lane.engine();
    outcome.record = [&queue = engine.queue, lease = story->lease, id = story->post.id,
                      now = engine.timeline.now()](store::Tx& tx) {
      return queue.complete(tx, lease, json::object{{"post", id}}, now);
    };
  }
  // The answer is delivered; the lane goes on when the page has ended the exchange.
  if (story->conversation && story->post.sent) {
    outcome.after = [this, story] { return settle(story); };
  }
  return outcome;
}

boost::asio::awaitable<void> Exchange::settle(std::shared_ptr<Story> story) {
  auto settled =
      co_await story->conversation->settle(*story->post.sent, story->post.prompt, *story->post.raw);
  story->conversation.reset();
  if (!afterwards_) co_return;
  Afterwards told{.job_id = story->root.id, .warnings = {}};
  if (settled) {
    told.warnings = std::move(settled->differences);
  } else {
    told.warnings.push_back("not compared with the page afterwards: " + settled.error().message);
  }
  co_await afterwards_(std::move(told));
}

base::Task<> Exchange::trip(Story& story, const base::Error& error) {
  const auto why = trip_of(error);
  if (!why) co_return base::Result<>();
  auto& engine = story.lane.engine();
  const auto now = engine.timeline.now();
  std::optional<base::WallTime> until;
  if (*why == engine::Trip::rate_limited || *why == engine::Trip::usage_cap) {
    until = now.wall + std::max(limits_.cooldown, error.retry_after.value_or(limits_.cooldown));
  }
  co_return co_await engine.store.write(
      [&queue = engine.queue, account = account_, why = *why, detail = error.message, until,
       now](store::Tx& tx) { return queue.trip(tx, account, why, detail, until, now); });
}

}  // namespace services
