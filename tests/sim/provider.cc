// The provider's side of the world, and what must be true of it.
#include "bridge/base/json.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/posts.h"
#include "tests/sim/world.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace sim {

namespace json = boost::json;

namespace {

std::string file(const std::string& name) {
  std::ifstream in(std::string(SOURCE_DIR) + "/fixtures/packets/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool is_unusable(ReplyFate fate) {
  return fate == ReplyFate::garbled || fate == ReplyFate::cut_off;
}

// The model writes a whole answer, whatever becomes of its stream.
bool is_whole(ReplyFate fate) {
  return fate == ReplyFate::valid || fate == ReplyFate::late || fate == ReplyFate::failed_stream;
}

}  // namespace

std::string_view name(SendFate fate) {
  static constexpr std::array<std::string_view, send_fates_count> names = {
      "accepted",  "answer_lost", "never_arrived", "arrives_late", "limited", "unauthorized",
      "forbidden", "swallowed",   "altered",       "signed_out",   "asks",    "repeated"};
  return names[static_cast<std::size_t>(fate)];
}

std::string_view name(ReplyFate fate) {
  static constexpr std::array<std::string_view, reply_fates_count> names = {
      "valid", "garbled", "cut_off", "silent", "broken_off", "late", "failed_stream"};
  return names[static_cast<std::size_t>(fate)];
}

SendFate World::next_send_fate() {
  SendFate fate = SendFate::accepted;
  if (!send_fates.empty()) {
    fate = send_fates.front();
    send_fates.pop_front();
  } else if (happens(chances.send_trouble)) {
    fate = static_cast<SendFate>(1 + random.below(send_fates_by_chance - 1));
  }
  ground.coverage.happened(fmt::format("send: {}", name(fate)));
  return fate;
}

ReplyFate World::next_reply_fate() {
  ReplyFate fate = ReplyFate::valid;
  if (!reply_fates.empty()) {
    fate = reply_fates.front();
    reply_fates.pop_front();
  } else if (happens(chances.reply_trouble)) {
    fate = static_cast<ReplyFate>(1 + random.below(reply_fates_count - 1));
  }
  ground.coverage.happened(fmt::format("reply: {}", name(fate)));
  return fate;
}

const Message* Chat::find(const std::string& marker) const {
  for (const auto& message : transcript) {
    if (!message.marker.empty() && message.marker == marker) return &message;
  }
  return nullptr;
}

std::string Chat::last_turn(int of) const {
  const auto last = std::ranges::find(transcript.rbegin(), transcript.rend(), of, &Message::begun);
  return last == transcript.rend() ? "" : last->id;
}

const Message* World::find(const std::string& marker) const {
  for (const auto& chat : chats) {
    if (const auto* message = chat.find(marker)) return message;
  }
  return nullptr;
}

Chat& World::chat_at(std::string_view url) {
  const auto found = std::ranges::find_if(chats, [&](const Chat& chat) {
    return url == chat.url || (naming && url.starts_with(chat.url + "/c/"));
  });
  BRIDGE_ASSERT(found != chats.end());
  return *found;
}

const Chat& World::chat_of(const engine::LaneId& lane) const {
  const auto found = std::ranges::find(chats, lane, &Chat::lane);
  BRIDGE_ASSERT(found != chats.end());
  return *found;
}

int World::pages_in_use(const Account& account) const {
  return static_cast<int>(std::ranges::count_if(chats, [&](const Chat& chat) {
    return &chat.account == &account && chat.page_holder != nullptr;
  }));
}

void World::check_delivery(const Chat& chat, const Message& message) {
  if (message.marker.empty()) return;
  const auto job = watch.jobs().find(message.job);
  if (job != watch.jobs().end() && job->second.lane != chat.lane) {
    watch.report(Promise::own_chat,
                 fmt::format("a message of job {} is in {}", message.job, chat.path));
  }
  if (find(message.marker)) {
    watch.report(Promise::posted_once, "a marker is in the transcript twice: " + message.marker);
  }
  if (message.is_repair) return check_repair(chat, message);
  // Once, and once more whenever a person asks for it anew, under whatever marker.
  std::ptrdiff_t there = 0;
  for (const auto& any : chats) {
    there += std::ranges::count_if(any.transcript, [&](const Message& other) {
      return !other.marker.empty() && !other.is_repair && other.about == message.about;
    });
  }
  const auto anew = asked_anew_.find(message.about);
  if (there > (anew == asked_anew_.end() ? 0 : anew->second)) {
    watch.report(Promise::posted_once, "a packet is in the transcript twice: " + message.about);
  }
}

// It says nothing of the question, so anywhere else it asks for nothing.
void World::check_repair(const Chat& chat, const Message& repair) {
  const auto asked = std::ranges::find_if(
      chat.transcript.rbegin(), chat.transcript.rend(), [&](const Message& other) {
        return !other.marker.empty() && !other.is_repair && other.about == repair.about;
      });
  if (asked == chat.transcript.rend() || asked->begun == repair.begun) return;
  watch.report(Promise::own_chat,
               fmt::format("the repair of {} is in another chat than the question", repair.about));
}

void World::deliver(Chat& chat, Message message) {
  check_delivery(chat, message);
  message.id = fmt::format("turn-{}-of{}", chat.transcript.size() + 1, chat.path);
  message.at = clock.now();
  if (!message.marker.empty()) {
    message.fate = next_reply_fate();
    message.reply_at = clock.now() + 500ms + some(20s);
    if (message.fate == ReplyFate::silent) message.reply_at = base::Instant::max();
    if (message.fate == ReplyFate::late) message.reply_at = clock.now() + 1min + some(3min);
    if (message.fate == ReplyFate::failed_stream) {
      message.error_at = clock.now() + (message.reply_at - clock.now()) / 2;
    }
    message.reply = reply_to(message.bead, message.end_marker);
    if (message.fate == ReplyFate::garbled) message.reply = "I would rather not say.";
    if (message.fate == ReplyFate::cut_off) message.reply.resize(message.reply.size() / 2);
  }
  chat.transcript.push_back(std::move(message));
}

void World::settle_late(Chat& chat) {
  auto& late = chat.late;
  std::ranges::sort(late, {}, &Message::at);
  while (!late.empty() && late.front().at <= clock.now()) {
    Message message = std::move(late.front());
    late.erase(late.begin());
    deliver(chat, std::move(message));
  }
}

// Of the packet, also where it was a repair of it.
void World::note_refused_click(const std::string& marker) {
  const auto post = ground.read([&](store::Tx& tx) {
    return tx.query_one("SELECT job_id FROM posts WHERE marker = $1", {marker});
  });
  BRIDGE_ASSERT(post);
  const auto job = *post ? watch.jobs().find((*post)->at(0).text()) : watch.jobs().end();
  if (job == watch.jobs().end()) return;
  refused_clicks_.insert(job->second.parent ? job->second.parent->text : job->first);
}

const engine::Job& World::check_click(const Chat& chat, const std::string& marker) {
  // Other lanes hear of it from the store.
  const bool is_told = chat.lane == chat.account.limited_by || has_sound_store_;
  if (is_told && clock.now() < chat.account.limited_until) {
    watch.report(Promise::caps, "a click while the provider refuses");
  }
  const auto post = ground.read([&](store::Tx& tx) {
    return tx.query_one("SELECT job_id FROM posts WHERE marker = $1", {marker});
  });
  BRIDGE_ASSERT(post);
  return watch.clicked(chat.lane, *post ? (*post)->at(0).text() : std::string());
}

// Held only where the conversation cannot tell: the message is not there, and something else came
// after what was last before the send; or again and again it could not be read, or
// it tells nothing under a new key.
base::Result<> World::check_held(store::Tx& tx, const engine::Job& job) {
  const bool is_about_it = job.stage == engine::Stage::armed || job.is_doubtful;
  if (!job.error || job.error->code != "unknown_outcome" || !is_about_it) return {};
  if (job.error->detail.contains(unreadable) || key != marker_key) return {};
  TRY(const auto post, services::posts::last(tx, job.id.text));
  const bool is_there = post && find(post->prompt.marker) != nullptr;
  const bool is_overtaken = post && post->baseline.last_turn != chat_of(job.lane).last_turn();
  if (is_there || !is_overtaken) {
    watch.report(Promise::held_in_doubt,
                 fmt::format("held although the message is {}: {}",
                             is_there ? "there" : "certainly not there", job.error->detail));
  }
  return {};
}

// Its answer is there, and the bridge ends without it.
void World::check_given_up(const engine::Change& change) {
  const engine::Job& job = change.job;
  const bool is_over = engine::is_final(job.state) || job.state == engine::State::held;
  if (!is_over || job.stage != engine::Stage::sent || change.from != engine::State::running) return;
  for (const auto& chat : chats) {
    for (const auto& message : chat.transcript) {
      const bool is_answered =
          message.reply_at <= clock.now() && message.fate != ReplyFate::broken_off;
      if (message.job == job.id.text && is_answered) watch.gives_up(job, message.reply_at);
    }
  }
}

void World::check_done(const engine::Job& job) {
  const auto* result = job.result ? job.result->if_object() : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  const auto* post = result ? result->if_contains("post") : nullptr;
  if (response == nullptr || post == nullptr ||
      response->at("bead_id") != json::value(job.subject)) {
    watch.report(Promise::right_answer, job.id.text + " is done with another answer");
    return;
  }
  const Message* sent = find(protocol::job_marker(std::string(post->as_string()), key));
  if (sent == nullptr) {
    watch.report(Promise::right_answer, job.id.text + " is done but was never sent");
  } else if (sent->bead != acknowledged[job.id.text]) {
    watch.report(Promise::right_answer, job.id.text + " posted the packet of another");
  }
}

// Only for what the provider or the page did to it.
void World::check_failed(const engine::Job& job) {
  static constexpr std::array<std::string_view, 6> causes = {"invalid_reply",   "timeout",
                                                             "upstream_failed", "payload_altered",
                                                             "ui_changed",      "unknown_outcome"};
  const std::string code = job.error ? job.error->code : "";
  const bool is_known = std::ranges::find(causes, code) != causes.end();
  const Message* own = find(protocol::job_marker(services::posts::id_for(key, job, 1), key));
  const bool is_wronged = code == "invalid_reply" && own && !is_unusable(own->fate);
  const bool is_given_up = code == "upstream_failed" && own && is_whole(own->fate);
  // What the provider refused for a while must not end so.
  const bool is_stuck = code == "ui_changed" && !refused_clicks_.contains(job.id.text);
  if (!is_known || is_wronged || is_given_up || is_stuck) {
    watch.report(Promise::failed_rightly, fmt::format("job {} failed: {}: {}", job.id.text, code,
                                                      job.error ? job.error->detail : ""));
  }
}

void World::check_end() {
  for (auto& chat : chats) settle_late(chat);
  look(clock.now());
  const auto seen = ground.read([&](store::Tx& tx) -> base::Result<> {
    for (const auto& [id, bead] : acknowledged) {
      TRY(const auto job, queue->get(tx, {id}));
      if (!engine::is_final(job.state)) watch.report(Promise::ends_once, id + " has not ended");
      if (job.state == engine::State::done) check_done(job);
      if (job.state == engine::State::failed) check_failed(job);
    }
    return {};
  });
  if (!seen) watch.report(Promise::kept, "the end cannot be checked: " + seen.error().message);
}

std::string bead_of(int number, const std::string& sender) {
  return fmt::format("bd-{}-{}", sender, number);
}

json::value packet_of(int number, const std::string& sender, base::WallTime now) {
  static const json::value example = *base::parse_json(file("spec-lock.json"));
  json::value packet = example;
  packet.as_object()["bead_id"] = bead_of(number, sender);
  packet.as_object()["sender"] = sender;
  packet.as_object()["ts"] = base::rfc3339(now);
  packet.as_object().erase("idempotency_key");
  return packet;
}

std::string reply_to(const std::string& bead, const std::string& end_marker) {
  static const json::value example = *base::parse_json(file("replies/spec-lock.json"));
  json::value reply = example;
  reply.as_object()["bead_id"] = bead;
  return fmt::format("```json\n{}\n```\n{}\n", json::serialize(reply), end_marker);
}

}  // namespace sim
