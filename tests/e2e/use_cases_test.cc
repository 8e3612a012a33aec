// The use cases and example workflows of fixtures/workflows: real GPT conversations in a real
// Chromium, begun and followed over HTTP, judged by what the site saw.
#include "bridge/base/json.h"
#include "tests/e2e/fleet.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace e2e {
namespace {

using testing::HasSubstr;

class UseCases : public Fleet {
 protected:
  // The GPT was asked once, in a chat of its own, with these words and with what the others said;
  // what it answered is what the run says that the job gave.
  void expect_asked(const json::value& run, std::string_view job, std::string_view gpt,
                    const std::string& words, const std::vector<std::string>& earlier = {}) const {
    const auto chat = only_chat_of(gpt);
    EXPECT_THAT(chat.posts[0].text, HasSubstr(words)) << gpt;
    for (const auto& other : earlier) {
      const auto answer = only_chat_of(other).answers[0];
      ASSERT_NE(answer, "");
      EXPECT_THAT(chat.posts[0].text, HasSubstr(answer)) << gpt << " after " << other;
    }
    EXPECT_EQ(result_of(run, job), "success") << json::serialize(run);
    EXPECT_EQ(text_of(run, job), chat.answers[0]) << job;
    EXPECT_EQ(run.at("jobs").at(job).at("attempts"), 1) << job;
  }
  // Every message of the site once, each under a marker of its own.
  void expect_messages(std::size_t count) const {
    std::set<std::string> markers;
    const auto posts = site->ledger().accepted();
    for (const auto& post : posts) markers.insert(post.text.substr(0, post.text.find('\n')));
    EXPECT_EQ(posts.size(), count);
    EXPECT_EQ(markers.size(), posts.size());
  }
  std::string output(const json::value& run, std::string_view name) const {
    return std::string(run.at("outputs").at(name).as_string());
  }
};

TEST_F(UseCases, ContentIsCreatedByThreeGptsOneAfterTheOther) {
  start();
  const auto run = run_to_its_end("content-creation", {{"topic", "night trains"}});

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  expect_asked(run, "culture", "culture-code", "about \"night trains\" just now?");
  expect_asked(run, "design", "design-studio-pro", "of a article on \"night trains\"",
               {"culture-code"});
  expect_asked(run, "show", "showbuilder-gpt", "Write the article.",
               {"culture-code", "design-studio-pro"});
  EXPECT_EQ(output(run, "piece"), text_of(run, "show"));
  expect_messages(3);
}

TEST_F(UseCases, AnAuditIsHardenedOnceAPersonHasReadItsFindings) {
  start();
  create("security-audit");
  const auto id = execute("security-audit", {{"target", "shop.example"}, {"depth", "full"}});
  const auto waiting = ended(id, std::chrono::seconds(180), "harden");
  ASSERT_EQ(result_of(waiting, "harden"), "approval") << json::serialize(waiting);
  const auto findings = waiting.at("jobs").at("audit").at("outputs").at("value").at("findings");
  EXPECT_EQ(waiting.at("jobs").at("harden").at("approval_note").as_string(),
            "Findings of shop.example: " + base::canonical_json(findings));
  EXPECT_EQ(chats_of("shield-core").size(), 0u) << "nothing is sent before the approval";
  approve(id, "harden");
  const auto run = ended(id);

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  expect_asked(run, "scan", "aegis-sentinel", "the attack surface of shop.example (full).");
  expect_asked(run, "audit", "sentinel-audit-nexus", "Rate each finding", {"aegis-sentinel"});
  expect_asked(
      run, "harden", "shield-core",
      "hardening plan for:\n" + base::canonical_json(json::object{{"findings", findings}}));
  EXPECT_EQ(result_of(run, "report_failure"), "skipped");
  EXPECT_EQ(run.at("outputs").at("findings"), findings);
  EXPECT_EQ(output(run, "plan"), text_of(run, "harden"));
  expect_messages(3);
}

TEST_F(UseCases, ATripIsPlannedByThreeGpts) {
  start();
  const auto run =
      run_to_its_end("travel-planning", {{"destination", "Lisbon"}, {"days", 4}, {"budget", 900}});

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  expect_asked(run, "route", "wanderweave", "Plan 4 days in Lisbon for at most 900 euros.");
  expect_asked(run, "transport", "travel-fleet-gpt", "transport for this route", {"wanderweave"});
  expect_asked(run, "hotels", "hotel-optimizer-x", "Find the stays",
               {"wanderweave", "travel-fleet-gpt"});
  EXPECT_EQ(output(run, "stays"), text_of(run, "hotels"));
  expect_messages(3);
}

TEST_F(UseCases, APostAboutParisIsReadByAPersonBeforeItGoesOut) {
  start();
  create("paris-blog-post");
  const auto id = execute("paris-blog-post", {{"words", 500}});
  ended(id, std::chrono::seconds(180), "publish");
  approve(id, "publish");
  const auto run = ended(id);

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  expect_asked(run, "research", "wanderweave", "a weekend in Paris");
  expect_asked(run, "draft", "culture-code", "about 500 words", {"wanderweave"});
  expect_asked(run, "pictures", "design-studio-pro", "three pictures", {"wanderweave"});
  expect_asked(run, "publish", "showbuilder-gpt", "Lay out the post.",
               {"culture-code", "design-studio-pro"});
  expect_messages(4);
}

// What a deployment's webhook does: one call, with a key for this and nothing else; and again,
// because it has not heard the answer.
TEST_F(UseCases, ADeploymentIsAuditedOnceHoweverOftenItCalls) {
  start();
  create("deployment-audit");
  const auto key =
      post("/api/keys", {{"name", "deployer"}, {"scopes", json::array{"workflows", "messages"}}});
  app::DaemonCalls deployer(state(), std::string(key.at("key").as_string()));
  const auto deployed = [&] {
    auto reply =
        deployer.call({.method = "POST",
                       .target = "/api/gpt-workflows/deployment-audit/execute",
                       .body = json::value(json::object{
                           {"inputs",
                            {{"service", "orders"},
                             {"version", "2.4.1"},
                             {"environment", "production"},
                             {"changes", json::array{"new payment form", "TLS 1.1 off"}}}}}),
                       .headers = {{"Idempotency-Key", "orders 2.4.1"}}});
    return reply ? *std::move(reply) : http::ClientReply();
  };
  const auto first = deployed();
  const auto again = deployed();
  ASSERT_EQ(first.status, 202) << first.body;
  ASSERT_EQ(again.status, 202) << again.body;
  EXPECT_EQ(again.header("idempotency-replayed"), "true");
  EXPECT_EQ(again.json().at("id"), first.json().at("id"));
  const auto run = ended(std::string(first.json().at("id").as_string()));

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  EXPECT_TRUE(run.at("created_by").as_string().starts_with("key:"));
  expect_asked(run, "review", "aegis-sentinel", "Changes: new payment form; TLS 1.1 off");
  expect_asked(run, "verdict", "sentinel-audit-nexus", "Shall it be rolled back?",
               {"aegis-sentinel"});
  EXPECT_EQ(result_of(run, "alarm"), "success");
  const auto inbox = get("/api/gpt-agents/shield-core/messages?unread=true").at("items").as_array();
  ASSERT_EQ(inbox.size(), 1u);
  EXPECT_EQ(inbox[0].at("text").as_string(), "orders: " + text_of(run, "verdict"));
  EXPECT_EQ(inbox[0].at("from").at("name"), "deployer");
  EXPECT_EQ(inbox[0].at("trust"), "untrusted") << "the words are a model's";
  expect_messages(2);
}

// Whoever begins a run, what a model says in it is nobody's word, wherever the run puts it.
TEST_F(UseCases, WhatAnOperatorsRunStoresAndSendsIsShownAsUntrusted) {
  start();
  post("/api/gpt-workflows/create", {{"yaml", R"(
name: pass-on
jobs:
  ask: {uses: gpt/culture-code, with: {query: "What is new?"}}
  keep: {uses: action/memory.store, needs: ask, with: {content: "${{ jobs.ask.outputs.text }}"}}
  tell:
    uses: action/message.send
    needs: ask
    with: {to: shield-core, text: "${{ jobs.ask.outputs.text }}"}
)"}});
  const auto run = ended(execute("pass-on", {}));

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  const auto words = text_of(run, "ask");
  const auto notes = get("/api/gpt-agents/conversation/memory?type=note").at("items").as_array();
  ASSERT_EQ(notes.size(), 1u);
  const auto note = get(std::string(notes[0].at("links").at("self").as_string()));
  EXPECT_EQ(note.at("content").as_string(), words);
  EXPECT_EQ(notes[0].at("trust"), "untrusted");
  EXPECT_EQ(notes[0].at("origin"), "agent");
  const auto messages = get("/api/gpt-agents/shield-core/messages").at("items").as_array();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].at("text").as_string(), words);
  EXPECT_EQ(messages[0].at("trust"), "untrusted");
}

TEST_F(UseCases, ThreeAreAskedAndAFourthMakesOneAnswer) {
  start();
  const auto run =
      run_to_its_end("parallel-research", {{"question", "What makes a city worth living in?"}});

  ASSERT_EQ(result_of(run), "success") << json::serialize(run);
  const std::vector<std::string> asked{"culture-code", "aegis-sentinel", "wanderweave"};
  const std::vector<std::string> jobs{"culture", "security", "travel"};
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    expect_asked(run, jobs[i], asked[i], "What makes a city worth living in?");
  }
  expect_asked(run, "synthesis", "showbuilder-gpt", "say where they disagree", asked);
  expect_messages(4);
}

}  // namespace
}  // namespace e2e
