// The daemon as a person runs it: started, spoken to by the command line, stopped, restored, and
// with a disk that fails.
#include "tests/app/daemon_process.h"
#include "tests/e2e/project.h"
#include "tests/fixtures/client.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using app::DaemonCalls;
using app::DaemonProcess;
using app::Moment;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

Moment in(std::chrono::seconds time) { return std::chrono::steady_clock::now() + time; }

std::string text_of(const std::string& file) {
  std::ifstream in_file(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in_file), {}};
}

class Daemon : public Project {
 protected:
  void SetUp() override {
    bridge["listen"] = "127.0.0.1:0";
    bridge["limits"] = json::object{{"pause_seconds", 0}};
  }

  // At its end nobody reads its log, so a test that fails shows it.
  void TearDown() override {
    Project::TearDown();
    if (HasFailure() && daemon) std::cerr << daemon->log();
  }

  std::filesystem::path state() const { return folder.path() / ".flywheel" / "state"; }

  // Every packet begins a chat.
  void configure_new_chats(const fixture::Knobs& knobs) {
    configure(knobs);
    const std::string file = ".flywheel/chatgpt.json";
    auto settings = parsed(text_of((folder.path() / file).string())).as_object();
    settings["crt_url"] = site->origin() + "/";
    folder.write(file, json::serialize(settings));
  }

  void launch(std::vector<std::string> environment = {}) {
    daemon.reset();
    daemon = std::make_unique<DaemonProcess>(
        DaemonProcess::Options{.project = folder.path(),
                               .arguments = {"--headless"},
                               .environment = std::move(environment)});
  }
  void start(std::vector<std::string> environment = {}) {
    launch(std::move(environment));
    ASSERT_TRUE(daemon->wait_ready(in(60s))) << daemon->log();
  }
  void stop() {
    daemon->signal(SIGTERM);
    EXPECT_EQ(daemon->wait_end(in(30s)), 0) << daemon->log();
  }

  // The file of a packet about this bead.
  std::string packet(const std::string& bead, std::string_view time = {}) const {
    auto object = parsed(text_of(packets + "spec-lock.json")).as_object();
    object["bead_id"] = bead;
    if (!time.empty()) object["ts"] = time;
    return folder.write(bead + ".json", json::serialize(object));
  }
  // The id of a packet that was handed in.
  std::string hand_in(const std::string& bead) const {
    const auto accepted = run({"send", "--no-wait", "--json", packet(bead)});
    EXPECT_EQ(accepted.status, 0) << accepted.err;
    return std::string(parsed(accepted.out).at("id").as_string());
  }
  // Waits until the packet's member has this value, and gives what it was at last.
  std::string member_becomes(const std::string& id, std::string_view member,
                             std::string_view value) const {
    DaemonCalls calls(state());
    std::string last;
    for (const Moment until = in(90s); std::chrono::steady_clock::now() < until;) {
      const auto reply = calls.call({.target = fmt::format("/api/packets/{}?wait=1", id)});
      EXPECT_TRUE(reply) << reply.error().message;
      if (!reply) return last;
      const auto view = reply->json();
      last = view.at(member).is_string() ? std::string(view.at(member).as_string()) : "";
      if (last == value) return last;
      if (member == "stage" && view.at("state") == "done") return "done";
    }
    return last;
  }
  std::string becomes(const std::string& id, std::string_view wanted) const {
    return member_becomes(id, "state", wanted);
  }
  std::string state_of(const std::string& id) const {
    const auto shown = parsed(run({"packet", "show", id, "--json"}).out);
    return std::string(shown.at("state").as_string());
  }
  // Has the session looked at until the packet is done.
  void check_until_done(const std::string& id) const {
    const Moment until = in(90s);
    while (state_of(id) != "done" && std::chrono::steady_clock::now() < until) {
      (void)run({"session", "check"});
    }
  }
  std::size_t accepted() const { return site->ledger(url).accepted().size(); }

  std::unique_ptr<DaemonProcess> daemon;
};

TEST_F(Daemon, TheCommandLineReachesEverythingOfIt) {
  configure();
  start();
  const auto sent = run({"send", "--json", packet("bd-first")});
  ASSERT_EQ(sent.status, 0) << sent.err;
  const std::string id(parsed(sent.out).at("id").as_string());
  EXPECT_EQ(parsed(sent.out).at("response").at("msg_type"), "SPEC_LOCK_RESPONSE");
  EXPECT_FALSE(parsed(sent.out).as_object().contains("replayed"));
  // The same but for its date: an answer from the past says that it is one.
  const auto again = run({"send", "--json", packet("bd-first", "2026-11-27T00:00:00Z")});
  EXPECT_EQ(parsed(again.out).at("id").as_string(), id) << again.err;
  EXPECT_EQ(parsed(again.out).at("replayed"), true);
  EXPECT_THAT(again.err, HasSubstr("this packet was handed in before, at 20"));

  const auto list = run({"packet", "list", "--json"});
  EXPECT_EQ(parsed(list.out).at("items").as_array().size(), 1u) << list.err;
  const auto show = run({"packet", "show", id.substr(0, 13), "--json"});
  EXPECT_EQ(parsed(show.out).at("state"), "done") << show.err;
  EXPECT_THAT(run({"packet", "response", id}).out, HasSubstr("SPEC_LOCK_RESPONSE"));
  EXPECT_EQ(run({"queue", "show", "--json"}).status, 0);
  EXPECT_EQ(run({"audit", "verify"}).status, 0);
  const auto events = app::run_program(
      {"sh", "-c", FLYWHEEL_PROGRAM " events tail --after 0 | head -n 3"}, {}, folder.path());
  EXPECT_EQ(std::ranges::count(events.out, '\n'), 3) << events.err;
  EXPECT_THAT(events.out, HasSubstr("flywheel.packet.accepted.v1"));

  const auto key = run({"key", "create", "--name", "agent-7", "--scopes", "packets", "--json"});
  ASSERT_EQ(key.status, 0) << key.err;
  const auto with_key = [&](std::vector<std::string> words) {
    std::string secret(parsed(key.out).at("key").as_string());
    words.insert(words.begin(), {"env", "FLYWHEEL_KEY=" + secret, FLYWHEEL_PROGRAM});
    return app::run_program(words, {}, folder.path()).status;
  };
  EXPECT_EQ(with_key({"packet", "list"}), 0);
  EXPECT_EQ(with_key({"audit", "verify"}), 77);
  stop();
  EXPECT_EQ(run({"packet", "list"}).status, 69);
}

TEST_F(Daemon, ALinkedGptAnswersInAChatOfItsOwnThatItsThreadGoesOnIn) {
  configure();
  start();
  DaemonCalls calls(state());
  const auto post = [&](std::string path, json::object body) -> json::value {
    const auto reply = calls.call(
        {.method = "POST", .target = "/api/gpt-agents/" + path, .body = json::value(body)});
    EXPECT_TRUE(reply) << reply.error().message;
    EXPECT_LT(reply->status, 300) << reply->body;
    return reply->json();
  };
  post("register", {{"name", "Culture Code"},
                    {"link", site->origin() + "/g/g-0a1b2c3d4-culture-code"},
                    {"category", "Core"}});
  const auto ask = [&](std::string_view question) {
    auto view = post("culture-code/query", {{"query", question}, {"thread", "tone"}, {"wait", 40}});
    const auto self = std::string(view.at("links").at("self").as_string()) + "?wait=40";
    for (int i = 0; i < 3 && view.at("state") == "open"; ++i) {
      const auto again = calls.call({.target = self});
      if (!again) break;
      view = again->json();
    }
    EXPECT_EQ(view.at("state"), "answered") << json::serialize(view);
    return view;
  };
  const auto first = ask("Which tone fits a blog about Paris?");
  EXPECT_THAT(std::string(first.at("answer").at("text").as_string()), HasSubstr("look-alike"));
  EXPECT_EQ(first.at("answer").at("trust"), "untrusted");
  const auto second = ask("And for a newsletter?");
  EXPECT_NE(second.at("id"), first.at("id"));
  // The second follows the first one's answer; neither went where packets go.
  const auto ledger = site->ledger();
  const auto posts = ledger.accepted();
  ASSERT_EQ(posts.size(), 2u);
  EXPECT_EQ(posts[1].parent_id, ledger.replies.at(0).message_id);
  EXPECT_EQ(accepted(), 0u);
}

TEST_F(Daemon, APacketIsCancelledAndQueuedAgain) {
  configure();
  start();
  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  const std::string id = hand_in("bd-again");
  EXPECT_EQ(run({"packet", "cancel", id, "--note", "not yet"}).status, 0);
  EXPECT_EQ(becomes(id, "cancelled"), "cancelled");
  EXPECT_EQ(run({"packet", "retry", id}).status, 0);
  EXPECT_EQ(becomes(id, "queued"), "queued");
  EXPECT_EQ(accepted(), 0u);
  ASSERT_EQ(run({"queue", "resume"}).status, 0);
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(accepted(), 1u);
  EXPECT_NE(run({"packet", "cancel", id}).status, 0);
}

TEST_F(Daemon, ADrainEndsWhenTheQueueIsEmptyAndTheDaemonServesOn) {
  configure();
  start();
  hand_in("bd-one");
  hand_in("bd-two");
  const auto drained = run({"drain", "--json"});
  EXPECT_EQ(drained.status, 0) << drained.err;
  EXPECT_EQ(parsed(drained.out).at("left"), 0);
  EXPECT_EQ(accepted(), 2u);
  const auto done = run({"packet", "list", "--is", "done", "--json"});
  EXPECT_EQ(parsed(done.out).at("items").as_array().size(), 2u) << done.err;

  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  hand_in("bd-three");
  EXPECT_THAT(run({"queue", "show"}).out,
              AllOf(HasSubstr("1 queued, 0 running, 0 held; nothing goes on by itself\n"),
                    HasSubstr("  paused: paused by admin (flywheel queue resume)"),
                    HasSubstr("limits of chatgpt:test: 80 messages in 10800 s, 0 s between two, 1 "
                              "conversation(s) at a time\n")));
  const auto left = run({"drain"});
  EXPECT_EQ(left.status, 1);
  EXPECT_THAT(left.err, HasSubstr("1 job is left"));
  EXPECT_FALSE(daemon->has_ended());
  stop();
}

TEST_F(Daemon, ADrainThatStopsItReturnsWhenItHasEnded) {
  configure();
  start();
  hand_in("bd-one");
  hand_in("bd-two");
  const auto drained = run({"drain", "--stop", "--json"});
  EXPECT_EQ(drained.status, 0) << drained.err;
  EXPECT_EQ(parsed(drained.out).at("left"), 0);
  EXPECT_EQ(accepted(), 2u);
  // The store is free for the next one.
  EXPECT_EQ(run({"drain", "--headless"}).out, "drained: nothing is left\n");
  EXPECT_EQ(daemon->wait_end(in(60s)), 0) << daemon->log();
}

TEST_F(Daemon, APacketIsTheSameWithAndWithoutIt) {
  configure();
  start();
  const std::string by_daemon = packet("bd-first");
  ASSERT_EQ(run({"send", by_daemon}).status, 0);
  stop();
  const auto again = run({"send", "--headless", by_daemon});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err,
              AllOf(HasSubstr("handed in before"), HasSubstr("no daemon is running here")));
  const std::string alone = packet("bd-second");
  ASSERT_EQ(run({"send", "--headless", alone}).status, 0);
  start();
  const auto by_next = run({"send", alone});
  EXPECT_EQ(by_next.status, 0) << by_next.err;
  EXPECT_THAT(by_next.err, HasSubstr("handed in before"));
  stop();
  EXPECT_EQ(accepted(), 2u);
}

TEST_F(Daemon, WhatACrashLeftIsDrainedWithoutADaemon) {
  configure();
  start({"FLYWHEEL_FAULT=runner.claimed"});
  hand_in("bd-left");
  ASSERT_EQ(daemon->wait_end(in(30s)), 128 + SIGKILL) << daemon->log();
  EXPECT_THAT(daemon->log(), HasSubstr("this process kills itself at runner.claimed"));
  const auto drained = run({"drain", "--headless", "--json"});
  EXPECT_EQ(drained.status, 0) << drained.err;
  EXPECT_EQ(parsed(drained.out).at("left"), 0);
  EXPECT_EQ(accepted(), 1u);
}

TEST_F(Daemon, AQueryInThePacketsConversationIsAnsweredWithoutADaemonToo) {
  configure();
  // A chat of the GPT itself is what packets go to.
  url.insert(url.find("/c/"), "/g/g-0a1b2c3d4-neighbour");
  write_configuration();
  start();
  ASSERT_EQ(run({"gpt", "register", "--name", "Neighbour", "--link", url}).status, 0);
  stop();
  start({"FLYWHEEL_FAULT=runner.claimed"});
  const auto asked = run({"gpt", "ask", "Neighbour", "What is new?", "--no-wait", "--json"});
  ASSERT_EQ(asked.status, 0) << asked.err;
  ASSERT_EQ(daemon->wait_end(in(30s)), 128 + SIGKILL) << daemon->log();
  const auto drained = run({"drain", "--headless", "--json"});
  EXPECT_EQ(drained.status, 0) << drained.err;
  EXPECT_EQ(parsed(drained.out), parsed(R"({"left": 0, "in_process": true})"));
  EXPECT_THAT(drained.err, HasSubstr("no daemon is running here"));
  EXPECT_EQ(accepted(), 1u);
  start();
  DaemonCalls calls(state());
  const std::string self(parsed(asked.out).at("links").at("self").as_string());
  const auto answer = calls.call({.target = self});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->json().at("state"), "answered") << json::serialize(answer->json());
  stop();
}

TEST_F(Daemon, SigtermGivesTheWorkBackAndTheNextLifeEndsIt) {
  fixture::Knobs knobs;
  knobs.generate_ms_min = knobs.generate_ms_max = 6000;
  configure(knobs);
  start();
  const std::string id = hand_in("bd-stopped");
  ASSERT_EQ(member_becomes(id, "stage", "sent"), "sent");
  daemon->signal(SIGTERM);
  EXPECT_EQ(daemon->wait_end(in(10s)), 0) << daemon->log();
  EXPECT_FALSE(std::filesystem::exists(state() / "daemon.json"));
  start();
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(accepted(), 1u);
  const auto released = run({"audit", "tail", "--type", "packet.released", "--json"});
  EXPECT_THAT(released.out, HasSubstr(id));
}

TEST_F(Daemon, ARevokedKeyOfTheCommandLineIsReplacedAtTheNextStart) {
  configure();
  start();
  const auto keys = run({"key", "list", "--json"});
  ASSERT_EQ(keys.status, 0) << keys.err;
  const std::string id(parsed(keys.out).at("items").at(0).at("id").as_string());
  ASSERT_EQ(run({"key", "revoke", id}).status, 0);
  const auto refused = run({"queue", "show"});
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("the key has been revoked"),
                                 HasSubstr("the daemon puts a good one when it is started again")));
  const auto doctor = run({"doctor", "--offline", "--headless"});
  EXPECT_EQ(doctor.status, 1);
  EXPECT_THAT(doctor.out, HasSubstr("the key in admin.key has been revoked"));
  stop();
  EXPECT_THAT(daemon->log(), Not(HasSubstr("admin_key")));
  start();
  EXPECT_EQ(run({"queue", "show"}).status, 0);
  stop();
  EXPECT_THAT(daemon->log(), AllOf(HasSubstr("admin_key"), HasSubstr(id)));
}

TEST_F(Daemon, AnAgentsRequestsAreLimitedAndAnOperatorsAreNot) {
  bridge["agents"] = json::object{{"requests_per_minute", 1}};
  configure();
  start();
  ASSERT_EQ(run({"gpt", "register", "--name", "Probe", "--kind", "cli"}).status, 0);
  const auto made = run({"key", "create", "--name", "probe", "--agent", "Probe", "--scopes",
                         "agents:read", "--json"});
  ASSERT_EQ(made.status, 0) << made.err;
  DaemonCalls calls(state(), std::string(parsed(made.out).at("key").as_string()));
  const auto first = calls.call({.target = "/api/gpt-agents"});
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(first->status, 200) << first->body;
  EXPECT_EQ(first->header("ratelimit-policy"), "\"default\";q=1;w=60");
  EXPECT_EQ(first->header("ratelimit"), "\"default\";r=0;t=60");
  const auto second = calls.call({.target = "/api/gpt-agents"});
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->status, 429) << second->body;
  EXPECT_TRUE(second->header("retry-after"));
  DaemonCalls operators(state());
  for (int i = 0; i < 3; ++i) {
    const auto answer = operators.call({.target = "/api/gpt-agents"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 200);
    EXPECT_FALSE(answer->header("ratelimit"));
  }
  stop();
}

TEST_F(Daemon, ASecondOneIsToldWhoWorksTheStore) {
  configure();
  start();
  DaemonProcess second({.project = folder.path(), .arguments = {"--headless"}});
  EXPECT_EQ(second.wait_end(in(30s)), 75);
  EXPECT_THAT(second.log(), HasSubstr(fmt::format("held by flywheel serve, writer tester (pid {}",
                                                  daemon->id())));
  EXPECT_EQ(run({"send", packet("bd-first-lives")}).status, 0);
}

TEST_F(Daemon, ABadFaultPointIsRefused) {
  configure();
  for (const char* text : {":", "x:0", "x:-1", "x:1y", "x:"}) {
    launch({std::string("FLYWHEEL_FAULT=") + text});
    EXPECT_EQ(daemon->wait_end(in(30s)), 78) << text;
    EXPECT_THAT(daemon->log(), HasSubstr("must be POINT or POINT:COUNT"));
  }
}

// The store of the backup knows one packet as waiting, and the other not at all; the conversation
// knows better.
TEST_F(Daemon, WhatWasSentSinceTheBackupIsFoundAndNotSentAgain) {
  // A restored store assumes that as much was sent meanwhile as the limits allow.
  bridge["limits"] = json::object{{"pause_seconds", 1}, {"sends_per_window", 10000}};
  configure();
  start();
  ASSERT_EQ(run({"queue", "pause"}).status, 0);
  const std::string id = hand_in("bd-before");
  const std::string copy = (folder.path() / "copy.db").string();
  const auto backup = run({"backup", copy});
  ASSERT_EQ(backup.status, 0) << backup.err;
  ASSERT_EQ(run({"queue", "resume"}).status, 0);
  ASSERT_EQ(becomes(id, "done"), "done");
  const std::string later = hand_in("bd-after");
  ASSERT_EQ(becomes(later, "done"), "done");
  EXPECT_EQ(run({"restore", copy}).status, 75);
  stop();

  const auto restored = run({"restore", copy, "--json"});
  ASSERT_EQ(restored.status, 0) << restored.err;
  EXPECT_EQ(parsed(restored.out).at("generation"), 2);
  start();
  ASSERT_EQ(run({"queue", "resume"}).status, 0);
  EXPECT_EQ(becomes(id, "done"), "done");
  // Written anew, as a sender does.
  const auto again = run({"send", "--json", packet("bd-after", "2027-01-01T00:00:00Z")});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_NE(parsed(again.out).at("id").as_string(), later);
  EXPECT_EQ(parsed(again.out).at("response").at("bead_id"), "bd-after");
  EXPECT_EQ(accepted(), 2u);
  EXPECT_EQ(run({"send", packet("bd-new")}).status, 0);
  EXPECT_EQ(accepted(), 3u);
  EXPECT_EQ(run({"audit", "verify"}).status, 0);
}

// The address of its chat went with the store.
TEST_F(Daemon, WhatBeganAChatSinceTheBackupIsFoundAmongTheNewestChats) {
  bridge["limits"] = json::object{{"pause_seconds", 1}, {"sends_per_window", 10000}};
  configure_new_chats({});
  start();
  const std::string copy = (folder.path() / "copy.db").string();
  ASSERT_EQ(run({"backup", copy}).status, 0);
  ASSERT_EQ(run({"send", packet("bd-after")}).status, 0);
  stop();
  ASSERT_EQ(run({"restore", copy}).status, 0);
  start();

  const auto again = run({"send", "--json", packet("bd-after", "2027-01-01T00:00:00Z")});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(parsed(again.out).at("response").at("bead_id"), "bd-after");
  EXPECT_EQ(site->ledger().accepted().size(), 1u);
  const auto other = run({"send", packet("bd-new")});
  EXPECT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(site->ledger().accepted().size(), 2u);
}

TEST_F(Daemon, AStoreWithoutTheKeyOfItsMessagesIsNotStarted) {
  configure();
  start();
  stop();
  std::filesystem::rename(state() / "marker.key", state() / "elsewhere.key");
  launch();
  EXPECT_EQ(daemon->wait_end(in(30s)), 78);
  EXPECT_THAT(daemon->log(), HasSubstr("marker.key is missing"));
  std::filesystem::rename(state() / "elsewhere.key", state() / "marker.key");
  start();
}

// A packet begins a chat, and its answer needs a repair, at a point of which the bridge dies.
class DaemonRepairs : public Daemon, public testing::WithParamInterface<std::string> {};

TEST_P(DaemonRepairs, ARepairGoesIntoTheChatThatItsPacketBeganAfterACrashToo) {
  configure_new_chats({.reply = "schema", .reply_times = 1});
  start({"FLYWHEEL_FAULT=" + GetParam()});
  const std::string id = hand_in("bd-repaired");
  ASSERT_EQ(daemon->wait_end(in(60s)), 128 + SIGKILL) << daemon->log();
  start();
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(site->ledger().accepted().size(), 2u);
  const auto has_messages = [&](const std::string& chat) {
    return !site->ledger(chat).accepted().empty();
  };
  EXPECT_EQ(std::ranges::count_if(site->conversations(), has_messages), 1);
}

INSTANTIATE_TEST_SUITE_P(Daemon, DaemonRepairs,
                         testing::Values("exchange.sent", "exchange.replied",
                                         "exchange.before_repair", "exchange.repair"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST_F(Daemon, APersonDecidesWhatTheConversationDoesNotTell) {
  configure();
  start({"FLYWHEEL_FAULT=exchange.armed"});
  const std::string id = hand_in("bd-doubt");
  ASSERT_EQ(daemon->wait_end(in(60s)), 128 + SIGKILL) << daemon->log();
  // Another message stands there now, so nobody can tell whether ours never came.
  fixture_test::Client(*site, url).send("a person's own question", "person-1");
  start();
  ASSERT_EQ(becomes(id, "held"), "held");
  const auto held = parsed(run({"packet", "list", "--is", "held", "--json"}).out);
  ASSERT_EQ(held.at("items").as_array().size(), 1u);
  EXPECT_EQ(held.at("items").at(0).at("error").at("code"), "unknown_outcome");
  EXPECT_THAT(run({"packet", "show", id}).out, HasSubstr("\"marker\": \"FLYWHEEL-JOB-"));
  // A word that the conversation does not bear out is no end of it.
  ASSERT_EQ(run({"packet", "resolve", id, "--verdict", "sent"}).status, 0);
  ASSERT_EQ(becomes(id, "held"), "held");
  EXPECT_THAT(run({"packet", "show", id}).out,
              HasSubstr("read the answer: the conversation does not show the message"));
  EXPECT_EQ(run({"packet", "resolve", id, "--verdict", "not-sent", "--note", "looked"}).status, 0);
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(accepted(), 2u);  // the person's and ours
}

TEST_F(Daemon, AMessageThatBeganAChatIsFoundAlthoughTheConnectionWasLost) {
  configure_new_chats({.send = "lost", .send_times = 1});
  start();
  const auto sent = run({"send", "--json", packet("bd-lost")});

  ASSERT_EQ(sent.status, 0) << sent.err;
  EXPECT_EQ(parsed(sent.out).at("response").at("bead_id"), "bd-lost");
  EXPECT_EQ(site->ledger().posts.size(), 1u);
  EXPECT_EQ(site->ledger().accepted().size(), 1u);
}

TEST_F(Daemon, AMessageThatNoChatShowsIsHeldAndNotSentAgain) {
  configure_new_chats({.send = "unreachable"});
  start();
  const std::string id = hand_in("bd-nowhere");

  ASSERT_EQ(becomes(id, "held"), "held");
  const auto held = parsed(run({"packet", "show", id, "--json"}).out);
  EXPECT_EQ(held.at("error").at("code"), "unknown_outcome");
  EXPECT_EQ(site->ledger().posts.size(), 1u);
  EXPECT_TRUE(site->ledger().accepted().empty());
}

// The session ends under an open page: the queue waits until somebody has signed in.
TEST_F(Daemon, APacketThatWasRefusedGoesOutOnceTheSessionWorksAgain) {
  configure();
  start();
  ASSERT_EQ(run({"send", packet("bd-before")}).status, 0);
  site->set_knobs(url, {.send = "unauthorized"});
  const std::string id = hand_in("bd-refused");
  const Moment until = in(60s);
  while (site->ledger(url).posts.size() < 2 && std::chrono::steady_clock::now() < until) {
    EXPECT_NE(state_of(id), "failed");
  }
  site->set_knobs(url, {});
  check_until_done(id);
  EXPECT_EQ(state_of(id), "done");
  EXPECT_EQ(site->ledger(url).posts.size(), 3u);
  EXPECT_EQ(accepted(), 2u);
}

TEST_F(Daemon, APacketThatWasToBeginAChatAndWasRefusedBeginsOneOnly) {
  configure_new_chats({.send = "unauthorized", .send_times = 1});
  start();
  const std::string id = hand_in("bd-refused");
  check_until_done(id);
  EXPECT_EQ(state_of(id), "done");
  EXPECT_EQ(site->ledger().posts.size(), 2u);
  EXPECT_EQ(site->ledger().accepted().size(), 1u);
}

// With a disk that does what the test says.
class FaultyDisk : public Daemon {
 protected:
  std::vector<std::string> faulty() const {
    return {"LD_PRELOAD=" FAULTY_DISK_LIBRARY, "FAULTY_DISK=" + (folder.path() / "disk").string()};
  }
  void disk(std::string_view word) const { folder.write("disk", word); }
  // Hands a packet in again and again, as a sender does who is told that the disk is full.
  int send_in_the_end(const std::string& file) const {
    int status = 69;
    for (const Moment until = in(60s); status == 69 && std::chrono::steady_clock::now() < until;) {
      status = run({"send", file}).status;
    }
    return status;
  }
};

TEST_F(FaultyDisk, FullItAcknowledgesNothingAndGoesOnWhenThereIsRoom) {
  configure();
  start(faulty());
  disk("full");
  const auto refused = run({"send", "--no-wait", packet("bd-full")});
  EXPECT_EQ(refused.status, 69) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("full"));
  EXPECT_FALSE(daemon->has_ended()) << daemon->log();
  disk("");
  EXPECT_EQ(send_in_the_end(packet("bd-full")), 0);
  EXPECT_EQ(accepted(), 1u);
}

TEST_F(FaultyDisk, ShortItKeepsTheReserveForWhatIsUnderWay) {
  fixture::Knobs knobs;
  knobs.generate_ms_min = knobs.generate_ms_max = 3000;
  configure(knobs);
  start(faulty());
  const std::string file = packet("bd-nightly");
  ASSERT_EQ(
      run({"schedule", "create", "--name", "nightly", "--cron", "0 3 * * *", "--packet", file})
          .status,
      0);
  const std::string id = hand_in("bd-inflight");
  ASSERT_EQ(member_becomes(id, "stage", "sent"), "sent");
  disk("short");
  const auto refused = run({"send", "--no-wait", packet("bd-new")});
  EXPECT_EQ(refused.status, 69) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("make room"));
  EXPECT_EQ(run({"schedule", "run", "nightly"}).status, 69);
  // What was accepted before is still answered for, and its answer is written.
  EXPECT_EQ(run({"send", "--no-wait", packet("bd-inflight")}).status, 0);
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(run({"send", packet("bd-new")}).status, 69);
  disk("");
  EXPECT_EQ(send_in_the_end(packet("bd-new")), 0);
  EXPECT_EQ(accepted(), 2u);
}

TEST_F(FaultyDisk, AnAnswerThatComesWhileItIsFullIsKept) {
  fixture::Knobs knobs;
  knobs.generate_ms_min = knobs.generate_ms_max = 3000;
  configure(knobs);
  start(faulty());
  const std::string id = hand_in("bd-inflight");
  ASSERT_EQ(member_becomes(id, "stage", "sent"), "sent");
  disk("full");
  const auto has_answered = [&] {
    const auto replies = site->ledger(url).replies;
    return !replies.empty() && replies.front().stream_end_ns > 0;
  };
  DaemonCalls calls(state());
  for (const Moment until = in(30s); !has_answered() && std::chrono::steady_clock::now() < until;) {
    ASSERT_TRUE(calls.call({.target = fmt::format("/api/packets/{}?wait=1", id)}));
  }
  ASSERT_TRUE(has_answered());
  disk("");
  EXPECT_EQ(becomes(id, "done"), "done");
  EXPECT_EQ(accepted(), 1u);
}

TEST_F(FaultyDisk, AFailedSyncEndsTheDaemonAndTheNextOneGoesOn) {
  configure();
  start(faulty());
  disk("fsync");
  const auto refused = run({"send", "--no-wait", packet("bd-sync")});
  EXPECT_NE(refused.status, 0);
  EXPECT_EQ(daemon->wait_end(in(30s)), 74) << daemon->log();
  disk("");
  start(faulty());
  EXPECT_EQ(run({"send", packet("bd-sync")}).status, 0);
  EXPECT_EQ(accepted(), 1u);
}

TEST_F(FaultyDisk, AStoreThatCannotBeWrittenIsNamed) {
  configure();
  start(faulty());
  stop();
  disk("readonly");
  launch(faulty());
  EXPECT_EQ(daemon->wait_end(in(30s)), 69) << daemon->log();
  EXPECT_THAT(daemon->log(), HasSubstr("flywheel.db"));
  EXPECT_THAT(daemon->log(), HasSubstr("ead-only file system"));
  disk("");
  start(faulty());
  EXPECT_EQ(run({"send", packet("bd-again")}).status, 0);
}

}  // namespace
}  // namespace e2e
