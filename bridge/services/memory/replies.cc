#include "bridge/services/memory/replies.h"

#include "bridge/base/utf8.h"
#include "bridge/protocol/text.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/exchange.h"
#include "bridge/services/finish.h"
#include "bridge/services/memory/memory_limits.h"
#include "bridge/services/memory/rows.h"
#include "bridge/services/posts.h"
#include "cdp/json_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace services::memory {

namespace json = boost::json;
using base::Result;

namespace {

std::string text_in(const json::value* object, std::string_view key) {
  const auto* members = object ? object->if_object() : nullptr;
  const auto* value = members ? members->if_contains(key) : nullptr;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::value* member(const json::object& object, std::string_view key) {
  return object.if_contains(key);
}

// An agent that was removed meanwhile still owns what it was asked for.
Result<Owner> owner_with_id(store::Tx& tx, std::string id) {
  TRY(auto agent, agents::with_id(tx, id));
  return Owner{std::move(id), agent ? std::move(agent->category_key) : std::string()};
}

std::string title_of(std::string_view words) {
  return std::string(base::beginning_of(words, limits::memory_title_bytes_max));
}

// A tag that is too long is left out: it would name something else when it is cut.
std::vector<std::string> tags_of(std::initializer_list<std::string> words) {
  std::vector<std::string> tags;
  for (const auto& word : words) {
    if (!word.empty() && word.size() <= limits::memory_tag_bytes_max) tags.push_back(word);
  }
  return tags;
}

// A question that has come to an end, with what is told of each of its replies.
class Family {
 public:
  explicit Family(const engine::Job& job) : job_(job) {
    const auto* packet = member(job.payload, "packet");
    type_ = packet ? text_in(packet, "msg_type") : job.kind;
    subject_ = packet ? text_in(packet, "bead_id") : job.subject;
  }

  NewEntry accepted(const json::value& response) const {
    const std::string verdict = text_in(&response, "verdict");
    NewEntry entry = reply(written(response), {});
    if (!verdict.empty()) entry.metadata["verdict"] = verdict;
    entry.metadata["valid"] = true;
    return entry;
  }
  NewEntry rejected(std::string text) const {
    NewEntry entry = reply(std::move(text), "rejected");
    entry.metadata["valid"] = false;
    return entry;
  }

  // `post` may be null: nothing is known of the message.
  json::object provenance(const Post* post, base::WallTime received) const {
    json::object from{{"source", job_.kind},
                      {"job", job_.id.text},
                      {"sender", job_.sender},
                      {"received", base::rfc3339(received)}};
    if (post == nullptr) return from;
    from["post"] = post->id;
    // A new chat gets its address when the message was sent.
    const bool is_named = post->sent && !post->sent->url.empty();
    from["conversation"] = is_named ? post->sent->url : post->conversation_url;
    from["route"] = post->raw->route;
    from["message"] = post->raw->message_id;
    return from;
  }

  Result<Owner> owner(store::Tx& tx, const Post* post) const {
    auto named = cdp::text_in(job_.payload, "agent");
    if (!named.empty()) return owner_with_id(tx, std::move(named));
    return owner_of_link(tx, post ? post->conversation_url : std::string());
  }

 private:
  // A text for people stays one; everything else is JSON that can be read.
  static std::string written(const json::value& response) {
    if (response.is_string()) return std::string(response.get_string());
    const auto* members = response.if_object();
    const std::string text = text_in(&response, "text");
    if (members && members->size() == 1 && !text.empty()) return text;
    return protocol::pretty_json(response);
  }

  NewEntry reply(std::string content, const std::string& tag) const {
    return {.title = title_of(fmt::format("{} {}", type_, subject_)),
            .content = std::move(content),
            .type = "reply",
            .tags = tags_of({type_, subject_, tag}),
            .metadata = {{"kind", type_}, {"subject", subject_}}};
  }

  const engine::Job& job_;
  std::string type_;
  std::string subject_;
};

// All that was answered to the job and to its repairs.
Result<std::vector<posts::Answered>> answers_to(store::Tx& tx, const engine::Queue& queue,
                                                const engine::Job& job) {
  TRY(const auto children, queue.children(tx, job.id));
  TRY(auto all, posts::answered(tx, job.id.text));
  for (const auto& child : children) {
    TRY(auto some, posts::answered(tx, child.id.text));
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

Result<> keep(const Act& act, const Family& family, const Post* post, const std::string& reply,
              NewEntry entry, base::WallTime received) {
  TRY(const bool is_new, rows::claim_reply(act.tx, reply, act.now));
  if (!is_new || entry.content.empty()) return {};
  TRY(const auto owner, family.owner(act.tx, post));
  TRY_OK(remember(act, owner, Origin::reply, std::move(entry), family.provenance(post, received)));
  return {};
}

}  // namespace

Result<> keep_answer(const Act& act, const messages::Message& answer) {
  BRIDGE_ASSERT(answer.kind == messages::Kind::answer && !answer.sender.id.empty());
  TRY(const auto owner, owner_with_id(act.tx, answer.sender.id));
  const std::string& asker = answer.recipient.id;
  json::object provenance{{"source", "query"},
                          {"sender", asker.empty() ? answer.recipient.name : asker},
                          {"query", answer.reply_to},
                          {"message", answer.id},
                          {"thread", answer.thread},
                          {"route", "inbox"},
                          {"principal", answer.principal},
                          {"received", base::rfc3339(answer.sent)}};
  TRY_OK(remember(act, owner, Origin::reply,
                  {.title = title_of(fmt::format("query {}", owner.agent)),
                   .content = answer.text,
                   .type = "reply",
                   .tags = tags_of({"query", owner.agent}),
                   .metadata = {{"kind", "query"}, {"subject", owner.agent}, {"valid", true}}},
                  std::move(provenance)));
  return {};
}

Result<> Replies::on_change(store::Tx& tx, const engine::Change& change,
                            const engine::Now& now) const {
  const bool has_ended =
      engine::is_final(change.job.state) || change.job.state == engine::State::held;
  const bool was_asked =
      change.job.kind == packet_kind || change.job.stage == engine::Stage::replied;
  if (!has_ended || !was_asked || change.job.parent) return {};
  TRY(const auto job, queue_.get(tx, change.job.id));
  TRY(const auto answers, answers_to(tx, queue_, job));
  const Act act{tx, journal_, now.wall, "bridge"};
  const Family family(job);
  const auto* result = job.result ? job.result->if_object() : nullptr;
  const auto* response =
      result && job.state == engine::State::done ? member(*result, "response") : nullptr;
  const std::string good = response ? text_in(&*job.result, "post") : std::string();
  bool is_kept = false;
  for (const auto& [post, received] : answers) {
    const bool is_good = response && post.id == good;
    is_kept = is_kept || is_good;
    auto entry = is_good ? family.accepted(*response) : family.rejected(readable(*post.raw));
    TRY_OK(keep(act, family, &post, post.id, std::move(entry), received));
  }
  if (!response || is_kept) return {};
  // Whoever completed it kept no message of it.
  return keep(act, family, nullptr, fmt::format("{}/{}", job.id.text, job.attempt),
              family.accepted(*response), job.timings.replied.value_or(now.wall));
}

}  // namespace services::memory
