#include "bridge/services/exchange.h"

#include "bridge/protocol/marker.h"
#include "bridge/services/exchange_story.h"
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

// Nobody could look: that tells nothing of what there is to see, however often it happens.
bool is_away(const base::Error& error) {
  const bool is_named = error.reason == "offline" || error.reason == "browser_unavailable";
  return is_named && base::is_retryable(error.code);
}

// The provider lets nobody read for a while: the next look must not come at once either.
bool is_kept_from_reading(Stage stage, const base::Error& error) {
  const bool is_limit = error.reason == "rate_limited" || error.reason == "usage_cap";
  return is_limit && stage >= Stage::armed && base::is_retryable(error.code);
}

}  // namespace

bool begins_chat_at(const std::string& url) {
  const auto bound = chat::binding_of(url);
  return !bound || chat::is_new_chat(bound->path);
}

base::Error patient(base::Error error) {
  const bool passes = error.code == Code::unavailable || error.code == Code::timeout;
  if (passes && error.reason != "ui_changed" && error.reason != "upstream_failed") {
    error.code = Code::busy;
  }
  return error;
}

std::optional<engine::Trip> trip_of(const base::Error& error) {
  using engine::Trip;
  if (error.reason == "rate_limited") return Trip::rate_limited;
  if (error.reason == "usage_cap") return Trip::usage_cap;
  if (error.reason == "challenge") return Trip::challenge;
  if (error.reason == "login_required") return Trip::login_required;
  if (error.code == Code::login_required) return Trip::blocked;
  return std::nullopt;
}

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
    const bool is_kept_away = !obtained && is_kept_from_reading(story->stage, obtained.error());
    const bool is_unseen = is_kept_away || (!obtained && is_away(obtained.error()));
    if (!is_unseen) away_ = 0;
    if (!obtained) {
      base::Error error = std::move(obtained).error();
      if (is_unseen) {
        co_await rest(*story);
        // Beyond its time an answer is no more waited for without counting.
        error.code = is_kept_away && is_overdue(*story) ? Code::unavailable : Code::busy;
      }
      if (!is_last_look(*story, error)) co_return std::unexpected(std::move(error));
      co_return engine::Outcome{engine::Outcome::Held{
          {"unknown_outcome", "sent, and its answer could not be looked for: " + error.message}}};
    }
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

// What stays away is looked for more and more rarely: each look costs a load, lines of the log and
// entries of the journal. The lane keeps its place of the account, where others would get no
// further.
boost::asio::awaitable<void> Exchange::rest(Story& story) {
  story.conversation.reset();
  const int beyond = ++away_ - limits::away_looks;
  if (beyond <= 0) co_return;
  base::Instant::duration time = limits::away_rest_min;
  for (int i = 1; i < beyond && time < limits::away_rest_max; ++i) time *= 2;
  time = std::min<base::Instant::duration>(time, limits::away_rest_max);
  co_await clock_.sleep_until(clock_.now() + time);
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
    bool may_have_older_key;
  };
  const engine::JobId root = claim.job.id;
  const base::Instant asked = clock_.now();
  auto look_up = [&kind = story.kind, job = claim.job, &queue,
                  now = engine.timeline.now()](store::Tx& tx) -> base::Result<Found> {
    TRY(auto children, queue.children(tx, job.id));
    const bool has_child = !children.empty() && children.back().state == engine::State::running;
    TRY(auto post, posts::last(tx, (has_child ? children.back() : job).id.text));
    TRY(auto url, kind.address(tx, job));
    // The answer is in the chat that the question began, and what repairs it goes there.
    if (job.stage >= Stage::sent && begins_chat_at(url)) {
      TRY(const auto asked, posts::last(tx, job.id.text));
      const bool is_there = posts::is_of_this_start(job, asked) && asked->sent;
      if (is_there && !begins_chat_at(asked->sent->url)) url = asked->sent->url;
    }
    TRY(const auto time, engine::engine_now(tx, now));
    TRY(const bool is_older, marker_keys::may_be_older(tx, job));
    return Found{std::move(children), std::move(post), std::move(url), time, is_older};
  };
  CO_TRY(auto found, co_await engine.store.read(std::move(look_up)));
  story.url = std::move(found.url);
  story.repairs_ever = static_cast<int>(found.children.size());
  story.repairs = static_cast<int>(
      std::ranges::count(found.children, claim.job.attempt, &engine::Job::attempt));
  story.job = root;
  story.lease = claim.lease;
  story.stage = claim.job.stage;
  story.may_be_forgotten = claim.may_be_forgotten;
  engine::Job about = std::move(claim.job);
  if (!found.children.empty() && found.children.back().state == engine::State::running) {
    about = found.children.back();
    story.job = about.id;
    story.lease.job = about.id;
    story.lease.attempt = about.attempt;
    story.stage = about.stage;
  }
  // An answered packet is resumed too, while its repair is certainly unsent.
  story.is_doubtful = about.is_doubtful && story.stage <= Stage::intent;
  story.is_told = story.stage == Stage::sent && (about.is_doubtful || !about.timings.sent);
  story.has_row = posts::is_of_this_start(about, found.post);
  story.sent_at = asked;
  if (!story.has_row) {
    if (story.stage > Stage::intent && !story.is_told) {
      co_return base::fail(Code::internal, story.name() + " has no message in the store");
    }
    story.has_lost_marker = found.may_have_older_key;
    CO_TRY(story.post, start_anew(story, std::move(found.post)));
    co_return base::Result<>();
  }
  story.post = *std::move(found.post);
  if (story.post.sent_at) story.sent_at -= found.time - *story.post.sent_at;
  co_return base::Result<>();
}

// The message's next start, under a new marker. Of a repair, what was to be said stands in its
// last.
base::Result<Post> Exchange::start_anew(const Story& story, std::optional<Post> last) const {
  const int number = posts::next_number(last);
  const int repair = story.is_repair() ? story.repairs_ever : 0;
  Post post{.id = posts::id_for(marker_key_, story.root, number, repair),
            .job_id = story.job.text,
            .number = number,
            .conversation_url = story.url};
  if (!story.is_repair()) {
    TRY(auto prompt, story.question->render(post.id, marker_key_));
    post.prompt = as_posted(std::move(prompt));
    return post;
  }
  if (!last) return base::fail(Code::internal, story.name() + " has no prompt in the store");
  post.prompt = marked_anew(std::move(last->prompt), post.id, marker_key_);
  return post;
}

// Brings the message to `replied`, from wherever it is.
base::Task<> Exchange::obtain(Story& story) {
  if (story.is_doubtful && story.has_lost_marker) {
    story.doubt =
        "marker.key is not the one of that time: if the message was sent, it is there under a "
        "marker that nobody knows any more, so look for its text";
  } else if (story.stage == Stage::armed) {
    CO_TRY_OK(co_await reconcile(story));
  } else if (story.stage < Stage::armed && (story.is_doubtful || story.may_be_forgotten)) {
    CO_TRY_OK(co_await recall(story));
  }
  if (story.doubt) co_return base::Result<>();
  if (story.stage <= Stage::intent) CO_TRY_OK(co_await send(story));
  if (story.stage == Stage::sent) CO_TRY_OK(co_await read(story));
  if (story.doubt) co_return base::Result<>();
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
  if (story.is_repair() && story.begins_chat()) CO_TRY_OK(co_await find_chat(story));
  if (story.doubt) co_return base::Result<>();
  const std::uint64_t seen_armed = turns_.armed();
  // A repair has no slot reserved, and a job may have waited long for its conversation.
  CO_TRY_OK(co_await story.lane.wait_to_arm(story.lease, limits::waits_to_arm));
  Steps steps(story, clock_, turns_, seen_armed);
  auto sent = co_await story.conversation->send(story.post.prompt, steps);
  if (sent) co_return co_await record_sent(story, *std::move(sent));
  if (sent.error().reason == "unknown_outcome") {
    story.conversation.reset();
    if (story.stage <= Stage::intent) CO_TRY_OK(co_await take_for_armed(story));
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

// The page has posted it, though not at a click of this attempt: by itself, or at a person's word.
// What is not known of it is the same as of a message that was armed, and so is the way to find
// out.
base::Task<> Exchange::take_for_armed(Story& story) {
  const bool was_tried = story.has_row && !story.post.baseline.path.empty();
  if (!was_tried) co_return base::Result<>();
  if (story.stage < Stage::intent) CO_TRY_OK(co_await reach(story, Stage::intent));
  const base::WallTime now = clock_.wall();
  CO_TRY_OK(co_await reach(story, Stage::armed,
                           [id = story.post.id, now](store::Tx& tx, const engine::Now&) {
                             return posts::set_armed(tx, id, now);
                           }));
  story.post.stage = PostStage::armed;
  co_return base::Result<>();
}

base::Task<> Exchange::record_sent(Story& story, chat::Sent sent) {
  auto& engine = story.lane.engine();
  CO_TRY_OK(engine.faults.at("exchange.sent_unrecorded"));
  const base::Instant at = clock_.now();
  CO_TRY_OK(co_await reach(story, Stage::sent,
                           [id = story.post.id, job = story.root, &kind = story.kind, sent](
                               store::Tx& tx, const engine::Now& now) -> base::Result<> {
                             TRY_OK(posts::set_sent(tx, id, sent, now));
                             return kind.sent ? kind.sent(tx, job, sent) : base::Result<>();
                           }));
  note_sent(story, std::move(sent), at);
  co_return engine.faults.at("exchange.sent");
}

void Exchange::note_sent(Story& story, chat::Sent sent, base::Instant at) {
  story.sent_at = at;
  story.post.stage = PostStage::sent;
  note_address(story, std::move(sent));
}

// Whatever follows goes into the chat that it began.
void Exchange::note_address(Story& story, chat::Sent sent) {
  if (story.begins_chat() && !begins_chat_at(sent.url)) story.url = sent.url;
  story.post.sent = std::move(sent);
}

// Makes durable what has happened; the story follows, as the queue has it then.
base::Task<> Exchange::reach(Story& story, Stage stage,
                             std::function<base::Result<>(store::Tx&, const engine::Now&)> record) {
  CO_TRY_OK(
      co_await story.lane.set_stage(story.lease, stage, std::move(record), engine::Arming::done));
  story.stage = stage;
  story.is_doubtful = story.is_told = false;
  if (stage >= Stage::sent && !story.is_repair()) story.root.failures = 0;
  co_return base::Result<>();
}

base::Task<> Exchange::record_unsent(Story& story) {
  const base::WallTime now = clock_.wall();
  CO_TRY_OK(co_await reach(story, Stage::none,
                           [id = story.post.id, now](store::Tx& tx, const engine::Now&) {
                             return posts::set_unsent(tx, id, now);
                           }));
  story.post.stage = PostStage::intent;
  co_return base::Result<>();
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
               id = posts::id_for(marker_key_, story.root, 1, story.repairs_ever + 1),
               url = story.url, subject = story.root.subject, thread = story.root.thread,
               why = std::move(why), now](store::Tx& tx) -> base::Result<Begun> {
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
  story.repairs_ever += 1;
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
  // The answer is delivered; whatever follows it should find its chat.
  if (story->begins_chat()) (void)co_await find_chat(*story);
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
  co_return co_await engine.store.write([&queue = engine.queue, account = account_,
                                         lane = story.lease.lane, url = story.url, why = *why,
                                         detail = error.message, until, now](store::Tx& tx) {
    // What one page asks is no other's business.
    if (why == engine::Trip::blocked) return queue.block(tx, lane, detail, url, now);
    return queue.trip(tx, account, why, detail, until, now, url);
  });
}

}  // namespace services
