#include "bridge/services/packets.h"

#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/engine/job_entry.h"
#include "bridge/protocol/marker.h"
#include "bridge/services/exchange_story.h"
#include "bridge/services/finish.h"
#include "bridge/services/posts.h"
#include "bridge/services/untrusted.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <ranges>

#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

constexpr std::array packet_steps = {
    store::Migration{"packets", 1, R"sql(
      CREATE TABLE packet_warnings (
        job_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        warning TEXT NOT NULL,
        PRIMARY KEY (job_id, number)
      ) STRICT
    )sql"},
};

// What becomes of an action is decided by its own rules alone.
constexpr std::string_view action_lanes = "action:";

protocol::Refusal refused(base::Error error) { return {std::move(error), {}}; }

json::value time_or_null(const std::optional<base::WallTime>& time) {
  return time ? json::value(base::rfc3339(*time)) : json::value(nullptr);
}

json::object timings(const engine::Timings& at) {
  return {{"queued", base::rfc3339(at.queued)}, {"claimed", time_or_null(at.claimed)},
          {"intent", time_or_null(at.intent)},  {"armed", time_or_null(at.armed)},
          {"sent", time_or_null(at.sent)},      {"replied", time_or_null(at.replied)},
          {"ended", time_or_null(at.ended)}};
}

bool is_retryable(const engine::JobError& error) {
  static constexpr std::array<std::string_view, 7> passing = {
      "login_required", "challenge", "rate_limited", "usage_cap", "offline", "timeout", "expired"};
  return std::ranges::find(passing, error.code) != passing.end();
}

// Of a view, with what others add to it.
constexpr std::size_t members_expected = 19;

// What every view of a job holds; lists hold no more.
json::object summary(const engine::Job& job) {
  json::object view;
  view.reserve(members_expected);
  view.insert({{"id", job.id.text},
               {"kind", job.kind},
               {"state", engine::name(job.state)},
               {"stage", engine::name(job.stage)},
               {"attempts", job.attempt},
               {"sender", job.sender},
               {"bead", job.subject},
               {"priority", fmt::format("P{}", job.band)},
               {"idempotency_key", job.key},
               {"timings", timings(job.timings)}});
  if (job.deadline) view["deadline"] = base::rfc3339(*job.deadline);
  if (job.error) {
    view["error"] = json::object{{"code", job.error->code},
                                 {"detail", job.error->detail},
                                 {"retryable", is_retryable(*job.error)}};
  }
  return view;
}

// `agent`: the id of the one whose key sends it; empty: of none that is registered.
engine::Payload payload_of(const protocol::Packet& packet, std::string_view url,
                           std::string_view agent) {
  std::string text = "{";
  if (!agent.empty()) {
    text += R"("agent":)";
    base::append_canonical(text, agent);
    text += ',';
  }
  text.append(R"("packet":)").append(json::serialize(packet.body())).append(R"(,"url":)");
  base::append_canonical(text, url);
  return engine::Payload::of(std::move(text += '}'));
}

// A caller is named by the name itself while its agent is not registered.
std::string_view registered_agent(const Caller& caller) {
  return caller.agent == caller.name ? std::string_view() : std::string_view(caller.agent);
}

bool is_of(const engine::Job& packet, const Packets::Sender& who) {
  const auto* agent = packet.payload.if_contains("agent");
  const bool is_by_id = agent && agent->is_string() && !who.agent_id.empty();
  return is_by_id ? agent->get_string() == who.agent_id : packet.sender == who.name;
}

// The packets that carry its id, and those in its name that carry none.
Result<engine::JobPage> list_of(store::Tx& tx, const engine::Queue& queue, engine::Filter filter,
                                std::optional<std::int64_t> before, int limit,
                                const Packets::Sender& who) {
  engine::JobPage page;
  if (!who.agent_id.empty()) {
    filter.agent = who.agent_id;
    TRY(page, queue.list(tx, filter, before, limit));
    filter.agent.clear();
  }
  if (!filter.sender.empty() && filter.sender != who.name) return page;
  filter.sender = who.name;
  TRY(const auto named, queue.list(tx, filter, before, limit));
  auto& jobs = page.jobs;
  for (const auto& job : named.jobs) {
    if (std::ranges::find(jobs, job.id, &engine::Job::id) != jobs.end()) continue;
    TRY(const auto whole, queue.get(tx, job.id));
    if (is_of(whole, who)) jobs.push_back(job);
  }
  std::ranges::sort(jobs, std::greater(), &engine::Job::sequence);
  // Below the end of either page the other lacks its neighbours.
  page.cursor = std::max(page.cursor, named.cursor);
  std::erase_if(jobs, [&](const auto& job) { return job.sequence < page.cursor.value_or(0); });
  if (const auto most = static_cast<std::size_t>(limit); jobs.size() > most) {
    jobs.erase(jobs.begin() + limit, jobs.end());
    page.cursor = jobs.back().sequence;
  }
  return page;
}

bool has_settled(engine::State state) {
  return engine::is_final(state) || state == engine::State::held;
}

const json::object* object_in(const json::value& value) { return value.if_object(); }

// When it starts, if anybody can tell.
void add_place(json::object& view, const engine::Place& place) {
  view["position"] = place.position;
  if (place.eta) view["eta_seconds"] = static_cast<double>(place.eta->count()) / 1000;
}

// The answer and the text beside it, from the job's result.
void add_result(json::object& view, const engine::Job& job) {
  const auto* result = job.result ? object_in(*job.result) : nullptr;
  if (result == nullptr) return;
  for (const std::string_view key : {"response", "route", "repairs", "warnings"}) {
    if (const auto* value = result->if_contains(key)) view[key] = *value;
  }
  mark_untrusted(view, "response");
}

// The newest message that `is_wanted`: the last repair's, or one before it.
template <class Predicate>
Result<std::optional<Post>> last_post(store::Tx& tx, const engine::Job& job,
                                      const std::vector<engine::Job>& children,
                                      Predicate is_wanted) {
  std::vector<std::string> ids{job.id.text};
  for (const auto& child : children) ids.push_back(child.id.text);
  for (const auto& id : std::views::reverse(ids)) {
    TRY(auto post, posts::last(tx, id));
    if (post && is_wanted(*post)) return post;
  }
  return std::optional<Post>();
}

std::string url_in(const json::object& payload) {
  for (const std::string_view member : {"url", "link"}) {
    const auto* url = payload.if_contains(member);
    if (url && url->is_string()) return std::string(url->get_string());
  }
  return {};
}

// Where a message is: one that began a chat is in that, as far as its address was learnt.
std::string place_of(const Post& post) {
  const bool is_known =
      begins_chat_at(post.conversation_url) && post.sent && !begins_chat_at(post.sent->url);
  return is_known ? post.sent->url : post.conversation_url;
}

// What a person looks for in the conversation of a held job, and where that is.
struct Sought {
  std::string marker;
  std::string url;
};

// `home`: where the job's own message is, or goes.
Result<std::optional<Sought>> sought(store::Tx& tx, const engine::Job& job,
                                     const std::vector<engine::Job>& children, std::string_view key,
                                     std::string_view home) {
  const auto held = std::ranges::find(children, engine::State::held, &engine::Job::state);
  const engine::Job& about = held == children.end() ? job : *held;
  TRY(auto post, posts::last(tx, about.id.text));
  const bool is_recorded = posts::is_of_this_start(about, post);
  if (!is_recorded && about.is_doubtful) {
    // Before the restore it was sent with the marker that it would be sent with now.
    TRY(const bool is_older, marker_keys::may_be_older(tx, job));
    if (is_older) return std::optional<Sought>();
    const int repair = held == children.end() ? 0 : int(held - children.begin()) + 1;
    const auto id = posts::id_for(key, job, posts::next_number(post), repair);
    return Sought{protocol::job_marker(id, key), std::string(home)};
  }
  if (!is_recorded) {
    TRY(post, last_post(tx, job, children, [](const Post&) { return true; }));
  }
  if (!post) return std::optional<Sought>();
  return Sought{post->prompt.marker, place_of(*post)};
}

// The newest answer as it came.
Result<std::optional<std::string>> last_raw(store::Tx& tx, const engine::Job& job,
                                            const std::vector<engine::Job>& children) {
  TRY(const auto post,
      last_post(tx, job, children, [](const Post& one) { return one.raw.has_value(); }));
  return post ? std::optional(readable(*post->raw)) : std::nullopt;
}

}  // namespace

engine::LaneId lane_of(std::string_view conversation_url) {
  return {"chat:" + base::sha256_hex(conversation_url).substr(0, 16)};
}

std::span<const store::Migration> packet_migrations() { return packet_steps; }

std::string bell_of_job(const engine::JobId& job) { return "job:" + job.text; }

engine::NewEntry packet_entry(const engine::Change& change) {
  static const std::map<std::string_view, std::string_view> words = {
      {"submitted", "accepted"}, {"replied", "answered"}, {"completed", "replied"}};
  const engine::Job& job = change.job;
  const std::string_view noun = job.kind == repair_kind ? "repair" : "packet";
  auto entry = engine::job_entry(change, noun);
  if (const auto word = words.find(change.verb); word != words.end()) {
    entry.type = fmt::format("{}.{}", noun, word->second);
  }
  entry.data["bead"] = job.subject;
  if (job.parent) entry.data["packet"] = job.parent->text;
  return entry;
}

Packets::Packets(store::Store& store, const engine::Queue& queue, const engine::Journal& journal,
                 const engine::Timeline& timeline, engine::Bells& bells, base::Clock& clock,
                 const protocol::MessageTypes& types, Settings settings)
    : store_(store),
      queue_(queue),
      journal_(journal),
      timeline_(timeline),
      bells_(bells),
      clock_(clock),
      types_(types),
      settings_(std::move(settings)),
      lane_(lane_of(settings_.url)) {}

protocol::Checked<engine::NewJob> Packets::job_of(const Caller& caller, json::value body,
                                                  SubmitOptions options) const {
  auto packet = protocol::Packet::from_json(std::move(body), types_);
  if (!packet) return std::unexpected(std::move(packet).error());
  const std::string sender(packet->sender());
  if (sender != caller.name && !caller.may_send_for_others) {
    return std::unexpected(refused(
        {Code::denied,
         fmt::format("the packet's sender is \"{}\", but you are \"{}\"", sender, caller.name),
         "sender_mismatch"}));
  }
  const auto& welcome = settings_.senders;
  if (!welcome.empty() && std::ranges::find(welcome, sender) == welcome.end()) {
    return std::unexpected(
        refused({Code::denied, fmt::format("sender \"{}\" is not among bridge.senders", sender),
                 "sender_unwelcome"}));
  }
  engine::NewJob job{
      .kind = std::string(packet_kind),
      .lane = lane_,
      .sender = sender,
      .principal = caller.principal,
      .key = options.key.empty() ? packet->idempotency_key() : std::move(options.key),
      // The time of writing is no part of what is asked.
      .body_hash =
          base::sha256_hex(base::canonical_json_without(packet->body(), {"ts", "idempotency_key"})),
      .band = options.band,
      .payload = payload_of(*packet, settings_.url, registered_agent(caller)),
      .subject = std::string(packet->bead_id())};
  if (options.deadline) job.deadline = clock_.wall() + *options.deadline;
  return job;
}

boost::asio::awaitable<protocol::Checked<Submitted>> Packets::submit(Caller caller,
                                                                     json::value body,
                                                                     SubmitOptions options) {
  auto job = job_of(caller, std::move(body), std::move(options));
  if (!job) co_return std::unexpected(std::move(job).error());
  const auto now = timeline_.now();
  struct Taken {
    engine::Accepted accepted;
    std::string conversation;
  };
  auto taken =
      co_await store_.write([this, job = *std::move(job), now](store::Tx& tx) -> Result<Taken> {
        if (auto room = room_for_new(store_); !room) {
          TRY(const auto known, queue_.find(tx, job.principal, job.key));
          if (!known) return std::unexpected(std::move(room).error());
        }
        TRY(auto accepted, queue_.submit(tx, job, now));
        if (!accepted.is_replay) return Taken{std::move(accepted), settings_.url};
        TRY(auto conversation, conversation_of(tx, accepted.job));
        return Taken{std::move(accepted), std::move(conversation)};
      });
  if (!taken) co_return std::unexpected(refused(std::move(taken).error()));
  const auto& [accepted, conversation] = *taken;
  Submitted submitted{
      .view = summary(accepted.job), .id = accepted.job.id, .is_replay = accepted.is_replay};
  if (!has_settled(accepted.job.state)) {
    add_place(submitted.view, accepted.place);
  }
  if (!conversation.empty()) submitted.view["conversation"] = conversation;
  add_result(submitted.view, accepted.job);
  co_return submitted;
}

void Packets::add_address(std::string kind, Address address) {
  addresses_[std::move(kind)] = std::move(address);
}

// The configuration may name another conversation by now, and a chat may have been begun.
Result<std::string> Packets::conversation_of(store::Tx& tx, const engine::Job& job) const {
  TRY(const auto post, posts::last(tx, job.id.text));
  if (posts::is_of_this_start(job, post)) return place_of(*post);
  const auto known = addresses_.find(job.kind);
  return known == addresses_.end() ? url_in(job.payload) : known->second(tx, job);
}

base::Task<engine::JobId> Packets::find(std::string prefix) {
  return find(std::move(prefix), [](const std::string& kind, engine::State, const engine::LaneId&) {
    return kind == packet_kind;
  });
}

base::Task<engine::JobId> Packets::find_to_decide(std::string prefix) {
  return find(std::move(prefix), [](const std::string& kind, engine::State state,
                                    const engine::LaneId& lane) {
    const bool waits = state == engine::State::held && !lane.text.starts_with(action_lanes);
    return kind == packet_kind || waits;
  });
}

base::Task<engine::JobId> Packets::find(std::string prefix, engine::Queue::IsMeant is_meant) {
  co_return co_await store_.read(
      [this, prefix = std::move(prefix), is_meant = std::move(is_meant)](store::Tx& tx) {
        return queue_.expand(tx, prefix, is_meant);
      });
}

base::Task<bool> Packets::is_of(engine::JobId id, Sender who) {
  co_return co_await store_.read(
      [this, id = std::move(id), who = std::move(who)](store::Tx& tx) -> Result<bool> {
        TRY(const auto job, queue_.get(tx, id));
        return services::is_of(job, who);
      });
}

// A job as people see it, with what was found out later.
base::Task<json::object> Packets::view(engine::JobId id) {
  co_return co_await store_.read([this, id](store::Tx& tx) -> Result<json::object> {
    TRY(const auto job, queue_.get(tx, id));
    TRY(const auto children, queue_.children(tx, id));
    TRY(const auto later, tx.query("SELECT warning FROM packet_warnings WHERE job_id = $1 "
                                   "ORDER BY number",
                                   {id.text}));
    TRY(auto conversation, conversation_of(tx, job));
    json::object view = summary(job);
    add_result(view, job);
    if (!children.empty()) view["repairs"] = children.size();
    if (job.error && job.error->code == "invalid_reply") {
      TRY(const auto raw, last_raw(tx, job, children));
      if (raw) {
        auto& error = view["error"].get_object();
        error["raw"] = *raw;
        mark_untrusted(error, "raw");
      }
    }
    if (job.state == engine::State::held) {
      TRY(const auto wanted, sought(tx, job, children, settings_.marker_key, conversation));
      if (wanted) view["marker"] = wanted->marker;
      if (wanted) conversation = wanted->url;
    }
    if (!conversation.empty()) view["conversation"] = conversation;
    if (!later.empty()) {
      auto& warnings = view["warnings"];
      if (!warnings.is_array()) warnings = json::array();
      for (const auto& row : later) warnings.get_array().push_back(json::value(row[0].text()));
    }
    if (job.state == engine::State::queued) {
      TRY(const auto place, queue_.place(tx, id, timeline_.now()));
      add_place(view, place);
    }
    return view;
  });
}

base::Task<json::object> Packets::wait(engine::JobId id, base::Instant deadline) {
  const engine::Bells::Ear ear(bells_, bell_of_job(id));
  for (;;) {
    // Before the look, so that an end between look and wait is not missed.
    const auto rung = ear.count();
    CO_TRY(auto shown, co_await view(id));
    const auto state = engine::state_named(std::string(shown.at("state").as_string()));
    if (!state || has_settled(*state) || clock_.now() >= deadline) co_return std::move(shown);
    co_await ear.wait(rung, clock_, deadline);
  }
}

base::Task<json::value> Packets::response(engine::JobId id) {
  CO_TRY(const auto job,
         co_await store_.read([this, id](store::Tx& tx) { return queue_.get(tx, id); }));
  const auto* result = job.result ? object_in(*job.result) : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  if (response == nullptr) {
    co_return base::fail(
        Code::conflict,
        fmt::format("packet {} is {}: it has no response", id.text, engine::name(job.state)),
        "no_response");
  }
  co_return *response;
}

base::Task<std::string> Packets::raw(engine::JobId id) {
  co_return co_await store_.read([this, id](store::Tx& tx) -> Result<std::string> {
    TRY(const auto job, queue_.get(tx, id));
    TRY(const auto children, queue_.children(tx, id));
    TRY(const auto raw, last_raw(tx, job, children));
    if (raw) return *raw;
    return base::fail(
        Code::conflict,
        fmt::format("packet {} is {}: no reply has come", id.text, engine::name(job.state)),
        "no_reply");
  });
}

base::Task<Packets::ListPage> Packets::list(engine::Filter filter,
                                            std::optional<std::int64_t> before, int limit,
                                            std::optional<Sender> who) {
  // What else waits for a person, such as a query, is decided like a packet.
  if (filter.state == engine::State::held && !who) {
    filter.other_lanes = action_lanes;
  } else {
    filter.kind = packet_kind;
  }
  co_return co_await store_.read([this, filter = std::move(filter), before, limit,
                                  who = std::move(who)](store::Tx& tx) -> Result<ListPage> {
    TRY(const auto page, who ? list_of(tx, queue_, filter, before, limit, *who)
                             : queue_.list(tx, filter, before, limit));
    ListPage shown{.items = {}, .cursor = page.cursor};
    for (const auto& job : page.jobs) shown.items.push_back(summary(job));
    return shown;
  });
}

base::Task<json::object> Packets::cancel(engine::JobId id, std::string note, std::string actor) {
  const auto now = timeline_.now();
  CO_TRY(const auto job, co_await store_.write([this, id, note, actor, now](store::Tx& tx) {
    return queue_.cancel(tx, id, note, now, actor);
  }));
  co_return co_await view(job.id);
}

base::Task<json::object> Packets::retry(engine::JobId id, std::string actor) {
  const auto now = timeline_.now();
  CO_TRY(const auto job, co_await store_.write([this, id, actor, now](store::Tx& tx) {
    return queue_.retry(tx, id, now, actor);
  }));
  co_return co_await view(job.id);
}

base::Task<json::object> Packets::resolve(engine::JobId id, engine::Verdict verdict,
                                          std::string note, std::string actor) {
  const auto now = timeline_.now();
  CO_TRY_OK(co_await store_.write([this, id, verdict, note, actor, now](store::Tx& tx) -> Result<> {
    TRY(const auto job, queue_.resolve(tx, id, verdict, note, now, actor));
    engine::NewEntry entry{.type = "packet.resolution",
                           .subject = job.id.text,
                           .actor = actor,
                           .thread = job.thread,
                           .data = {{"verdict", verdict == engine::Verdict::sent       ? "sent"
                                                : verdict == engine::Verdict::not_sent ? "not-sent"
                                                                                       : "abandon"},
                                    {"note", note}}};
    TRY_OK(journal_.append(tx, std::move(entry), now.wall));
    return {};
  }));
  co_return co_await view(id);
}

base::Task<> Packets::settled(engine::JobId id, std::vector<std::string> warnings) {
  const auto now = timeline_.now();
  co_return co_await store_.write([this, id, warnings, now](store::Tx& tx) -> Result<> {
    for (const auto& warning : warnings) {
      TRY_OK(tx.execute(R"sql(
        INSERT INTO packet_warnings (job_id, number, warning)
        SELECT $1, COALESCE(MAX(number), 0) + 1, $2 FROM packet_warnings WHERE job_id = $1
      )sql",
                        {id.text, warning}));
    }
    json::object data{{"warnings", json::value_from(warnings)}};
    TRY_OK(journal_.append(tx,
                           {.type = "packet.settled",
                            .subject = id.text,
                            .actor = "bridge",
                            .thread = id.text,
                            .data = std::move(data)},
                           now.wall));
    return {};
  });
}

}  // namespace services
