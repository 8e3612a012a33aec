#include "tests/kill/world.h"

#include "bridge/base/json.h"

#include <algorithm>
#include <csignal>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace kill_test {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto point_comes = 300s;  // a bound for busy machines
constexpr auto all_end = 600s;
constexpr auto process_ends = 60s;
constexpr std::size_t open_at_once = 2;
constexpr int handed_in_at_most = 4;  // in one life

Moment now() { return std::chrono::steady_clock::now(); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string text_at(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  const auto* member = object ? object->if_contains(key) : nullptr;
  return member && member->is_string() ? std::string(member->get_string()) : std::string();
}

bool is_repair(const std::string& message) { return message.find("REPAIR:") != message.npos; }

json::object packet_of(const std::string& bead) {
  return {
      {"proto", "flywheel.chatgpt.v1"},
      {"bead_id", bead},
      {"msg_type", "SPEC_LOCK"},
      {"sender", "agent-teal"},
      {"ts", "2026-11-20T11:30:00Z"},
      {"context",
       {{"repo", "acme/orders-api"},
        {"branch", "main"},
        {"goal", "Limit each API key to 100 requests a minute."},
        {"constraints", json::array{"No new infrastructure."}}}},
      {"inputs",
       {{"artifacts", json::array()}, {"questions", json::array{"What do clients see?"}}}},
      {"requested_output", {{"format", "json"}, {"fields", json::array{"spec", "next_actions"}}}}};
}

std::string tail_of(const std::string& text) {
  constexpr std::size_t most = 3000;
  return text.size() <= most ? text : "…" + text.substr(text.size() - most);
}

}  // namespace

std::string Death::name() const {
  if (!point.empty()) return fmt::format("{}:{}", point, count);
  return fmt::format("after {} ms", after.count());
}

World::World(Arena& arena, Plan plan) : arena_(arena), plan_(std::move(plan)) {
  fixture::Knobs knobs;
  knobs.generate_ms_min = 0;
  knobs.generate_ms_max = 60;
  url_ = arena_.site->new_conversation(knobs);
  const json::object limits{{"pause_seconds", 0}, {"sends_per_window", 10'000}};
  const json::object config{{"crt_url", url_},
                            {"mcp_server", "test"},
                            {"writer_agent", "tester"},
                            {"bridge", {{"listen", "127.0.0.1:0"}, {"limits", limits}}}};
  folder_.write(".flywheel/chatgpt.json", json::serialize(config));
}

void World::report(const std::string& what) {
  problems_.push_back(fmt::format("{}, {}: {}", plan_.name, now_, what));
}

app::DaemonProcess::Options World::daemon_options(std::vector<std::string> environment) const {
  std::vector<std::string> arguments{"--headless"};
  if (!plan_.has_own_browser) {
    arguments.insert(arguments.end(), {"--attach", arena_.browser.url()});
  }
  return {.project = folder_.path(),
          .arguments = std::move(arguments),
          .environment = std::move(environment)};
}

World::Packet* World::unacknowledged() {
  const auto found = std::ranges::find(packets_, std::string(), &Packet::id);
  return found == packets_.end() ? nullptr : &*found;
}

World::Packet* World::oldest_open() {
  const auto found = std::ranges::find(packets_, std::string(), &Packet::state);
  return found == packets_.end() ? nullptr : &*found;
}

std::size_t World::open_packets() const {
  return static_cast<std::size_t>(std::ranges::count(packets_, std::string(), &Packet::state));
}

World::Packet& World::new_packet() {
  const int number = static_cast<int>(packets_.size()) + 1;
  packets_.push_back({.number = number, .bead = fmt::format("bd-{}-{}", plan_.name, number)});
  return packets_.back();
}

bool World::is_accepted(const Packet& packet) const {
  return std::ranges::any_of(arena_.site->ledger(url_).accepted(), [&](const fixture::Post& post) {
    return post.text.find('"' + packet.bead + '"') != post.text.npos;
  });
}

// A question whose repairs are all spoiled fails, as it should: chance must not do that.
bool World::may_spoil(const Death& death) const {
  const auto replies = static_cast<std::int64_t>(arena_.site->ledger(url_).replies.size());
  return death.point.contains("repair") || spoiled_ == 0 || replies > spoiled_;
}

void World::spoil_next_reply() {
  fixture::Knobs knobs = arena_.site->knobs(url_);
  knobs.reply = "schema";
  spoiled_ = static_cast<std::int64_t>(arena_.site->ledger(url_).replies.size()) + 1;
  knobs.reply_times = spoiled_;
  arena_.site->set_knobs(url_, knobs);
}

void World::run() {
  for (const Death& death : plan_.deaths) {
    live(death);
    if (!problems_.empty()) return;
  }
  finish();
  if (problems_.empty()) judge_site();
}

void World::live(const Death& death) {
  now_ = fmt::format("life {} ({})", ++lives_, death.name());
  if (death.spoils_reply && may_spoil(death)) spoil_next_reply();
  std::vector<std::string> environment;
  if (!death.point.empty()) environment.push_back("FLYWHEEL_FAULT=" + death.name());
  app::DaemonProcess daemon(daemon_options(std::move(environment)));
  Moment until = now() + (death.point.empty() ? death.after : point_comes);
  if (daemon.wait_ready(until)) work(daemon, until, death);
  if (!death.point.empty() && !daemon.wait_end(until)) {
    report("the point was never passed\n" + tail_of(daemon.log()));
  }
  daemon.signal(SIGKILL);
  const auto status = daemon.wait_end(now() + process_ends);
  if (status != 128 + SIGKILL) {
    report(fmt::format("the daemon ended with {}\n{}", status.value_or(-1), tail_of(daemon.log())));
  }
  // Every other time the next life begins while the old browser may still be dying.
  if (plan_.has_own_browser && lives_ % 2 == 0) expect_no_browser("after the kill");
}

void World::work(app::DaemonProcess& daemon, Moment& until, const Death& death) {
  app::DaemonCalls calls(state());
  int handed_in = 0;
  bool has_stretched = !death.point.empty();
  const Packet* seen = nullptr;
  while (now() < until && !daemon.has_ended()) {
    Packet* next = unacknowledged();
    if (next == nullptr && open_packets() < open_at_once && handed_in < handed_in_at_most) {
      next = &new_packet();
      ++handed_in;
      seen = nullptr;  // packets move
    }
    if (next != nullptr) {
      if (!hand_in(calls, *next, until)) return;
      continue;
    }
    Packet* open = oldest_open();
    if (open == nullptr) {
      static_cast<void>(daemon.wait_end(until));
      return;
    }
    if (!look(calls, *open, seen == open ? 10 : 0, until)) return;
    // A message that is nowhere is looked for during half a minute; that too shall be survived.
    if (!has_stretched && stage_ == "armed" && !is_accepted(*open)) {
      has_stretched = true;
      until += 40s;
    }
    if (!open->state.empty() && has_stretched && death.point.empty()) {
      until = std::min(until, now() + death.after / 4);
    }
    seen = open;
  }
}

bool World::hand_in(app::DaemonCalls& calls, Packet& packet, Moment until) {
  http::ClientRequest request{
      .method = "POST",
      .target = "/api/packets",
      .body = json::value(packet_of(packet.bead)),
      .headers = {{"Idempotency-Key", fmt::format("{}-{}", plan_.name, packet.number)}},
      .limit = std::max(until - now(), std::chrono::steady_clock::duration(1ms))};
  const auto reply = calls.call(std::move(request));
  if (!reply) return false;
  if (reply->status == 200 || reply->status == 202) {
    packet.id = text_at(reply->json(), "id");
    return true;
  }
  report(fmt::format("handing in {} gave {} {}", packet.bead, reply->status, reply->body));
  return false;
}

bool World::look(app::DaemonCalls& calls, Packet& packet, int wait_s, Moment until) {
  http::ClientRequest request{
      .target = fmt::format("/api/packets/{}?wait={}", packet.id, wait_s),
      .limit = std::max(until - now(), std::chrono::steady_clock::duration(1ms))};
  const auto reply = calls.call(std::move(request));
  if (!reply) return false;
  if (reply->status != 200) {
    report(fmt::format("{} was acknowledged and is lost: {} {}", packet.id, reply->status,
                       reply->body));
    return false;
  }
  const json::value view = reply->json();
  const std::string state = text_at(view, "state");
  stage_ = text_at(view, "stage");
  if (state == "done") packet.state = state;
  if (state == "queued" || state == "running" || state == "done") return true;
  // Nothing but kills happens here, and the site shows every message: all can be found out.
  report(fmt::format("{} is {}: {}", packet.bead, state, reply->body));
  return false;
}

void World::finish() {
  now_ = "the last life";
  app::DaemonProcess daemon(daemon_options({}));
  const Moment until = now() + all_end;
  if (!daemon.wait_ready(until)) return report("it does not start\n" + tail_of(daemon.log()));
  app::DaemonCalls calls(state());
  while (Packet* packet = unacknowledged()) {
    if (!hand_in(calls, *packet, until)) return report("it takes nothing");
  }
  while (Packet* packet = oldest_open()) {
    if (now() >= until || !look(calls, *packet, 10, until)) {
      return report(fmt::format("{} does not end\n{}", packet->bead, tail_of(daemon.log())));
    }
  }
  judge(calls);
  daemon.signal(SIGTERM);
  const auto status = daemon.wait_end(now() + process_ends);
  if (status != 0) {
    report(fmt::format("SIGTERM gave {}\n{}", status.value_or(-1), tail_of(daemon.log())));
  }
  if (plan_.has_own_browser) expect_no_browser("after SIGTERM");
}

void World::judge(app::DaemonCalls& calls) {
  for (const Packet& packet : packets_) judge_packet(calls, packet);
  const auto verified = calls.call({.target = "/api/audit/verify"});
  const json::value audit = verified ? verified->json() : json::value();
  const auto* object = audit.if_object();
  if (object == nullptr || object->at("valid") != true || object->at("finished") != true) {
    report("the audit trail does not verify: " + json::serialize(audit));
  }
}

void World::judge_packet(app::DaemonCalls& calls, const Packet& packet) {
  const auto reply = calls.call({.target = "/api/packets/" + packet.id});
  const json::value view = reply ? reply->json() : json::value();
  const json::value* response =
      view.is_object() ? view.get_object().if_contains("response") : nullptr;
  if (text_at(view, "state") != "done" || response == nullptr ||
      text_at(*response, "bead_id") != packet.bead ||
      text_at(*response, "msg_type") != "SPEC_LOCK_RESPONSE") {
    report(fmt::format("{} has no valid reply in the end: {}", packet.bead, json::serialize(view)));
  }
  const auto ended = calls.call({.target = "/api/audit?type=packet.replied&subject=" + packet.id});
  const json::value found = ended ? ended->json() : json::value();
  if (!found.is_object() || found.at("items").as_array().size() != 1) {
    report(fmt::format("{} has not ended once: {}", packet.bead, json::serialize(found)));
  }
}

void World::judge_site() {
  const fixture::Ledger ledger = arena_.site->ledger(url_);
  std::map<std::string, int> by_marker;
  std::map<std::string, int> originals;
  for (const fixture::Message& message : arena_.site->transcript(url_)) {
    if (message.role == "user") ++by_marker[first_line(message.text)];
  }
  for (const auto& [marker, times] : by_marker) {
    if (times > 1) report(fmt::format("\"{}\" was posted {} times", marker, times));
  }
  for (const fixture::Post& post : ledger.accepted()) {
    ++messages_;
    if (is_repair(post.text)) continue;
    for (const Packet& packet : packets_) {
      if (post.text.find('"' + packet.bead + '"') != post.text.npos) ++originals[packet.bead];
    }
  }
  for (const Packet& packet : packets_) {
    if (originals[packet.bead] == 1) continue;
    report(fmt::format("{} was posted {} times", packet.bead, originals[packet.bead]));
  }
  if (by_marker.size() != messages_ || ledger.duplicates() != 0) {
    report(fmt::format("{} messages, {} markers, {} duplicates", messages_, by_marker.size(),
                       ledger.duplicates()));
  }
  for (const auto& wire : ledger.forbidden) report("forbidden: " + wire.wire);
}

void World::expect_no_browser(const std::string& when) {
  const auto profile = state() / "profiles" / "test";
  const std::string mark = "BREAKPAD_DUMP_LOCATION=" + (profile / "Crash Reports").string();
  const auto left = wait_for_processes_with(mark, now() + process_ends);
  if (!left.empty())
    report(fmt::format("{} processes of its browser are left {}", left.size(), when));
  reap_orphans();
}

std::string World::summary() const {
  return fmt::format("{}: {} lives, {} packets, {} messages", plan_.name, lives_, packets_.size(),
                     messages_);
}

}  // namespace kill_test
