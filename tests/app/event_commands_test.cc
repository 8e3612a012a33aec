// Subscriptions and the switches of actions from the command line.
#include "tests/app/daemon_commands.h"
#include "tests/app/daemon_process.h"

#include <boost/json/parse.hpp>

namespace app {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;

struct EventCommands : DaemonCommands {
  EventCommands()
      : DaemonCommands(R"(, "webhooks": {"allow_private": ["127.0.0.0/8"]}, "actions": {"note": {
          "kind": "program", "description": "Notes.", "risk": 0, "min_tier": "visitor",
          "params": {"type": "object", "required": ["text"],
                     "properties": {"text": {"type": "string"}}},
          "argv": ["/bin/echo", "noted", "{text}"],
          "undo": {"argv": ["/bin/echo", "forgot", "{text}", "{result.out}"]}},
        "burn": {
          "kind": "program", "description": "Burns.", "risk": 50, "min_tier": "visitor",
          "params": {"type": "object"}, "argv": ["/bin/echo", "burnt"]}})") {}
  void SetUp() override {
    DaemonCommands::SetUp();
    ASSERT_EQ(run({"gpt", "register", "--name", "Ann", "--kind", "cli"}).status, 0);
  }
  // A member of what the command says as JSON.
  std::string told(std::vector<std::string> arguments, std::string_view member) {
    arguments.push_back("--json");
    const auto answer = run(std::move(arguments));
    EXPECT_EQ(answer.status, 0) << answer.err;
    const auto value = json::parse(answer.out.empty() ? "{}" : answer.out);
    const auto* found = value.as_object().if_contains(member);
    return found && found->is_string() ? std::string(found->get_string()) : std::string();
  }
};

TEST_F(EventCommands, AnAgentSubscribesIsToldAndLeaves) {
  const auto id = told({"subscription", "create", "ann", "--type", "message.*"}, "id");
  ASSERT_NE(id, "");
  EXPECT_THAT(run({"subscription", "list", "ann"}).out, HasSubstr("message.*"));
  EXPECT_THAT(run({"subscription", "show", "ann", id.substr(0, 20)}).out,
              HasSubstr("delivery         sse"));
  EXPECT_EQ(run({"subscription", "delete", "ann", id}).out, id + " removed\n");
  EXPECT_EQ(run({"subscription", "list", "ann"}).err, "no subscriptions\n");
  EXPECT_EQ(run({"subscription", "show", "ann", id}).status, 1);
}

TEST_F(EventCommands, AWebhookIsMadeReplayedAndGetsANewSecret) {
  // Nobody listens there: what is sent waits for its next attempt.
  const auto made = run(
      {"subscription", "create", "ann", "--type", "agent.*", "--url", "http://127.0.0.1:1024/in"});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("secret           whsec_"));
  const auto list = run({"--json", "subscription", "list", "ann"});
  const auto id = std::string(json::parse(list.out).at("items").at(0).at("id").as_string());
  EXPECT_THAT(list.out, Not(HasSubstr("whsec_")));
  EXPECT_THAT(run({"subscription", "rotate", "ann", id}).out, HasSubstr("whsec_"));
  EXPECT_THAT(run({"subscription", "enable", "ann", id}).out, HasSubstr("active"));
  const auto replayed =
      run({"subscription", "replay", "ann", id, "--from", "1", "--through", "1000"});
  EXPECT_EQ(replayed.status, 0) << replayed.err;
  EXPECT_THAT(replayed.out, HasSubstr("1 events"));
  const auto waiting = run({"--json", "subscription", "deliveries", "--subscription", id});
  const auto items = json::parse(waiting.out).at("items").as_array();
  ASSERT_EQ(items.size(), 1u) << waiting.out;
  const std::string delivery(items.at(0).at("id").as_string());
  EXPECT_THAT(run({"subscription", "redeliver", delivery}).out, HasSubstr(delivery));
  EXPECT_EQ(run({"subscription", "deliveries", "--is", "dead"}).err, "no deliveries\n");
}

TEST_F(EventCommands, ASwitchedOffActionIsRefusedUntilItIsOnAgain) {
  const std::vector<std::string> note{"action", "execute",  "ann",
                                      "note",   "--params", R"({"text": "x"})"};
  EXPECT_EQ(run({"action", "switches"}).err, "nothing is switched off\n");
  EXPECT_THAT(run({"action", "off", "--action", "note", "--reason", "not now"}).out,
              HasSubstr("action:note"));
  EXPECT_THAT(run({"action", "switches"}).out, HasSubstr("not now"));
  EXPECT_EQ(run(note).status, 77);
  EXPECT_EQ(run({"action", "off", "--all", "--agent", "ann", "--reason", "x"}).status, 64);
  EXPECT_EQ(run({"action", "off", "--reason", "x"}).status, 65);
  EXPECT_EQ(run({"action", "on", "--action", "note", "--reason", "over"}).err,
            "nothing is switched off\n");
  EXPECT_THAT(run(note).out, HasSubstr("done"));
}

TEST_F(EventCommands, WhatWasDoneIsUndone) {
  const auto id = told({"action", "execute", "ann", "note", "--params", R"({"text": "x"})"}, "id");
  // It is called by the beginning of its id as well.
  EXPECT_THAT(run({"action", "show", id.substr(0, 13)}).out, HasSubstr(id));
  const auto shown = run({"action", "show", id}).out;
  EXPECT_THAT(shown, HasSubstr("\nparams      [untrusted] {\"text\":\"x\"}\n"));
  EXPECT_THAT(shown, HasSubstr("\nresult      [untrusted] {"));
  const auto undone = run({"action", "undo", id.substr(0, 13)}).out;
  EXPECT_THAT(undone, HasSubstr(R"(forgot x noted x)"));
  EXPECT_THAT(undone, HasSubstr("  undo of note  "));
  EXPECT_THAT(shown, Not(HasSubstr("undo of")));
  EXPECT_EQ(run({"action", "undo", id}).status, 1);
  EXPECT_THAT(run({"action", "resolve", id, "--verdict", "sent"}).err, HasSubstr("not held"));
}

TEST_F(EventCommands, WhatIsRiskyIsListedAndDecidedOnByAnother) {
  const auto judge = told({"key", "create", "--name", "judge", "--scopes", "approve"}, "key");
  const auto decided = [&](const std::string& word, const std::string& id,
                           const std::string& note) {
    return run_program(
        {"env", "FLYWHEEL_KEY=" + judge, FLYWHEEL_PROGRAM, "action", word, id, "--note", note}, {},
        folder.path());
  };
  EXPECT_THAT(run({"action", "list"}).out, HasSubstr("Burns."));
  const auto check = run({"action", "check", "ann", "burn"});
  EXPECT_EQ(check.status, 0) << check.err;
  EXPECT_THAT(check.out, HasSubstr("allowed after approval, risk 60\n"));
  EXPECT_EQ(run({"action", "check", "ann", "nothing"}).status, 1);
  const std::vector<std::string> wish{"action", "execute", "ann", "burn"};
  EXPECT_THAT(run({"action", "execute", "ann", "burn", "--dry-run"}).out,
              HasSubstr(R"("needs_approval": true)"));
  EXPECT_EQ(run({"action", "approvals"}).err, "none\n") << "that only decided";

  const auto id = told(wish, "id");
  EXPECT_THAT(run({"action", "approvals", "--is", "waiting"}).out, HasSubstr(id));
  const auto own = run({"action", "approve", id});
  EXPECT_EQ(own.status, 1);
  EXPECT_THAT(own.err, HasSubstr("who asked for it cannot decide on it"));
  const auto yes = decided("approve", id.substr(0, 13), "go on");
  EXPECT_EQ(yes.status, 0) << yes.err;
  EXPECT_THAT(yes.out, HasSubstr("go on"));
  DaemonCalls calls(folder.path() / ".flywheel" / "state");
  const auto ended = calls.call({.target = "/api/approvals/" + id + "?wait=40"});
  ASSERT_TRUE(ended) << ended.error().message;
  EXPECT_EQ(ended->json().at("state"), "done") << ended->body;

  const auto other = told(wish, "id");
  const auto no = decided("reject", other, "not today");
  EXPECT_EQ(no.status, 0) << no.err;
  EXPECT_THAT(no.out, HasSubstr("rejected"));
  EXPECT_THAT(run({"action", "show", other}).out, HasSubstr("not today"));
  EXPECT_EQ(run({"action", "approvals", "--is", "waiting"}).err, "none\n");
}

}  // namespace
}  // namespace app
