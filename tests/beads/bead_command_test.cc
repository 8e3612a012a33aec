// flywheel bead plan | evidence | accept | gate as a person or a hook runs them.
#include "bridge/base/json.h"
#include "bridge/services/beads/workspace.h"
#include "fixtures/chatgpt/site.h"
#include "tests/beads/samples.h"

#include <algorithm>

#include <gmock/gmock.h>

namespace beads {
namespace {

using app::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

json::value parsed(const std::string& text) {
  auto value = base::parse_json(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value(json::object());
}

class BeadCommand : public testing::Test {
 protected:
  BeadCommand() {
    folder_.write(".beads/issues.jsonl", file_text(sample_file));
    folder_.write(".git/HEAD", "ref: refs/heads/bd-rl42-limits\n");
    folder_.write(".git/config",
                  "[remote \"origin\"]\n\turl = git@github.com:acme/orders-api.git\n");
  }
  Finished run(std::vector<std::string> arguments, std::string_view input = {}) const {
    arguments.insert(arguments.begin(), "bead");
    return app::flywheel(std::move(arguments), input, folder_.path());
  }
  void change(std::string_view id, const json::object& changes) const {
    Beads beads = *parse_beads(file_text(folder_.path() / ".beads/issues.jsonl"), "f");
    for (Bead& bead : beads.all) {
      if (bead.id() == id) bead = with(bead, changes);
    }
    folder_.write(".beads/issues.jsonl", to_lines(beads.all));
  }

  app::TestFolder folder_;
};

TEST_F(BeadCommand, NoSendPrintsAValidPacketAndKeepsNothing) {
  const Finished plan = run({"plan", "bd-rl42", "--no-send", "--sender", "agent-x"});
  ASSERT_EQ(plan.status, 0) << plan.err;
  const auto packet = parsed(plan.out);
  EXPECT_EQ(packet.at("msg_type"), "RFP_PLAN");
  EXPECT_EQ(packet.at("sender"), "agent-x");
  EXPECT_EQ(packet.at("context").at("repo"), "acme/orders-api");
  EXPECT_EQ(packet.at("context").at("branch"), "bd-rl42-limits");
  EXPECT_EQ(app::flywheel({"packet", "validate", "--stdin"}, plan.out).status, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / ".beads/flywheel"));
}

TEST_F(BeadCommand, WhoAsksIsAskedForWhereNoConfigurationSaysIt) {
  const Finished plan = run({"plan", "bd-rl42"});
  EXPECT_EQ(plan.status, 78);
  EXPECT_THAT(plan.err, HasSubstr("who asks? without --sender NAME"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / ".beads/flywheel"));
}

TEST_F(BeadCommand, ArtifactsComeFromFilesAndStandardInput) {
  const std::string log = folder_.write("out/run.txt", "PASS\n");
  const Finished built = run({"evidence", "bd-7", "--no-send", "--sender", "me", "--artifact", log,
                              "--artifact", "-", "--question", "Enough?", "--out", "packet.json"},
                             R"({"type":"log","label":"ci","content":"ok"})");
  ASSERT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(built.out, IsEmpty());
  const auto packet = parsed(folder_.read("packet.json"));
  EXPECT_EQ(packet.at("bead_id"), "bd-x_bd-7");
  EXPECT_EQ(json::serialize(packet.at("inputs").at("artifacts")),
            R"([{"type":"file","label":"run.txt","content":"PASS\n"},)"
            R"({"type":"log","label":"ci","content":"ok"}])");
  EXPECT_EQ(json::serialize(packet.at("inputs").at("questions")), R"(["Enough?"])");
}

TEST_F(BeadCommand, WithoutAConfigurationTheAssigneeAsks) {
  EXPECT_EQ(parsed(run({"plan", "bd-rl42", "--no-send", "--json"}).out).at("sender"), "agent-teal");
  const Finished nobody = run({"plan", "bd-7", "--no-send"});
  EXPECT_EQ(nobody.status, 65);
  EXPECT_THAT(nobody.err, HasSubstr("--sender NAME"));
  const Finished unconfigured = run({"plan", "bd-rl42"});
  EXPECT_EQ(unconfigured.status, 78) << unconfigured.err;
}

TEST_F(BeadCommand, WhatCannotBeAskedIsAnError) {
  EXPECT_EQ(run({"plan"}).status, 64);
  EXPECT_EQ(run({"plan", "bd-rl42", "--send", "--no-send"}).status, 64);
  const Finished unknown = run({"plan", "bd-none", "--no-send"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("no bead \"bd-none\""));
  EXPECT_THAT(run({"plan", "bd-2", "--no-send"}).err, HasSubstr("may be any of 3 beads"));
  EXPECT_EQ(run({"plan", "bd-rl42", "--no-send", "--constraint", ""}).status, 2);
  EXPECT_EQ(run({"plan", "bd-rl42", "--no-send", "--artifact", "missing.txt"}).status, 74);
  folder_.write(".beads/issues.jsonl", "{\"id\":\"bd-aa\"}\nnonsense\n");
  const Finished broken = run({"plan", "bd-aa", "--no-send"});
  EXPECT_EQ(broken.status, 65);
  EXPECT_THAT(broken.err, HasSubstr("line 2: not JSON"));
}

TEST_F(BeadCommand, TheGateBlocksWithTwoAndReasonsALineEach) {
  const Finished shut = run({"gate", "bd-rl42"});
  EXPECT_EQ(shut.status, 2);
  EXPECT_THAT(shut.out, IsEmpty());
  EXPECT_EQ(shut.err,
            "bd-rl42: no ACCEPTANCE_GATE has been answered; ask: flywheel bead accept "
            "bd-rl42\n");
  const Finished as_json = run({"gate", "bd-rl42", "--json"});
  EXPECT_EQ(as_json.status, 2);
  EXPECT_EQ(parsed(as_json.out).at("passed"), false);
}

TEST_F(BeadCommand, TheGateBlocksWhateverCannotBeRead) {
  EXPECT_EQ(run({"gate", "bd-none"}).status, 2);
  EXPECT_EQ(run({"gate", "bd-rl4"}).status, 2);  // the beginning of an id is not an id
  EXPECT_EQ(run({"gate", "bd-rl42", "--workspace", "/"}).status, 2);
  folder_.write(".beads/issues.jsonl", "nonsense\n");
  const Finished broken = run({"gate", "bd-rl42"});
  EXPECT_EQ(broken.status, 2);
  EXPECT_THAT(broken.err, HasSubstr("line 1: not JSON"));
  EXPECT_EQ(run({"gate"}).status, 64);
}

// The same with a conversation: the look-alike site in a real browser.
class BeadRoundTrip : public BeadCommand {
 protected:
  void configure(const fixture::Knobs& knobs = {}) {
    if (!site_) {
      auto started = fixture::Site::start({});
      ASSERT_TRUE(started) << started.error().message;
      site_ = *std::move(started);
    }
    url_ = site_->new_conversation(knobs);
    const json::object limits{{"pause_seconds", 0}, {"repairs", 0}};
    folder_.write(".flywheel/chatgpt.json",
                  json::serialize(json::object{{"crt_url", url_},
                                               {"mcp_server", "test"},
                                               {"writer_agent", "tester"},
                                               {"bridge", json::object{{"limits", limits}}}}));
  }
  std::size_t posts() const { return site_->ledger(url_).accepted().size(); }
  // As if the command had ended before the answer came.
  static void forget_answer(const json::value& result) {
    ASSERT_TRUE(std::filesystem::remove(std::string(result.at("response_file").as_string())));
  }
  // Of the pair: the time its job was queued, whoever kept the answer.
  static std::string place_of(const json::value& result) {
    std::string queued(result.at("timings").at("queued").as_string());
    std::erase_if(queued, [](char c) { return c == '-' || c == ':'; });
    return "/" + queued + "-ACCEPTANCE_GATE.";
  }
  std::size_t kept(std::string_view ending) const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(folder_.path() / ".beads/flywheel")) {
      count += entry.path().native().ends_with(ending) ? 1 : 0;
    }
    return count;
  }

  std::unique_ptr<fixture::Site> site_;
  std::string url_;
};

TEST_F(BeadRoundTrip, AnAcceptedBeadPassesItsGateUntilItChanges) {
  configure();
  const Finished accepted = run({"accept", "bd-2xb6.1", "--json"});
  ASSERT_EQ(accepted.status, 0) << accepted.err << accepted.out;
  const auto result = parsed(accepted.out);
  EXPECT_EQ(result.at("bead"), "bd-2xb6.1");
  EXPECT_EQ(result.at("passed"), true);
  EXPECT_EQ(result.at("response").at("bead_id"), "bd-x_bd-2xb6_2e1");
  for (const char* file : {"request_file", "response_file"}) {
    const std::string path(result.at(file).as_string());
    EXPECT_EQ(app::flywheel({"packet", "validate", "--file", path}).status, 0) << path;
    EXPECT_THAT(path, HasSubstr(place_of(result)));
  }
  EXPECT_EQ(posts(), 1u);

  const Finished open = run({"gate", "bd-2xb6.1"});
  EXPECT_EQ(open.status, 0) << open.err;
  EXPECT_THAT(open.out, StartsWith("OK: bd-2xb6.1 passed its gate ("));
  EXPECT_EQ(run({"gate", "bd-2xb6"}).status, 2);

  change("bd-2xb6.1", {{"status", "closed"}});
  EXPECT_EQ(run({"watch", "--once"}).out.find("bd-2xb6.1 "), std::string::npos);

  change("bd-2xb6.1", {{"acceptance_criteria", "Every article shows two dates."}});
  const Finished stale = run({"gate", "bd-2xb6.1"});
  EXPECT_EQ(stale.status, 2);
  EXPECT_THAT(stale.err, StartsWith("bd-2xb6.1: stale: "));
}

// The bead says the same, but the work on it went on.
TEST_F(BeadRoundTrip, AskedAgainAfterItsAnswerTheQuestionIsANewOne) {
  configure();
  const Finished first = run({"accept", "bd-rl42", "--json"});
  ASSERT_EQ(first.status, 0) << first.err;
  const Finished second = run({"accept", "bd-rl42", "--json"});
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(posts(), 2u);
  EXPECT_FALSE(parsed(second.out).as_object().contains("replayed"));
  EXPECT_NE(parsed(first.out).at("id"), parsed(second.out).at("id"));
  EXPECT_EQ(kept(".response.json"), 2u);
}

TEST_F(BeadRoundTrip, WhileItWaitsForItsAnswerAQuestionIsNotPostedTwice) {
  configure();
  folder_.write(".git/refs/heads/bd-rl42-limits", std::string(40, '1') + "\n");
  const Finished first = run({"accept", "bd-rl42", "--json"});
  ASSERT_EQ(first.status, 0) << first.err;
  forget_answer(parsed(first.out));
  const Finished again = run({"accept", "bd-rl42", "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(posts(), 1u);
  EXPECT_EQ(parsed(again.out).at("id"), parsed(first.out).at("id"));
  EXPECT_EQ(parsed(again.out).at("replayed"), true);
  EXPECT_THAT(again.err, HasSubstr("this packet was handed in before, at 20"));
  EXPECT_EQ(kept(".request.json"), 1u);
  EXPECT_EQ(run({"gate", "bd-rl42"}).status, 0);

  // A question about older code is none about this.
  forget_answer(parsed(again.out));
  folder_.write(".git/refs/heads/bd-rl42-limits", std::string(40, '2') + "\n");
  const Finished later = run({"accept", "bd-rl42", "--json"});
  ASSERT_EQ(later.status, 0) << later.err;
  EXPECT_EQ(posts(), 2u);
}

TEST_F(BeadRoundTrip, UnderTheSameKeyTheSameAnswerComesAgainAndCountsAsTheOldOne) {
  configure();
  const std::vector<std::string> keyed = {"accept", "bd-rl42", "--json", "--idempotency-key",
                                          "the-first-time"};
  const Finished first = run(keyed);
  ASSERT_EQ(first.status, 0) << first.err;
  const Finished again = run(keyed);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(posts(), 1u);
  EXPECT_EQ(parsed(again.out).at("replayed"), true);
  EXPECT_EQ(parsed(again.out).at("response_file"), parsed(first.out).at("response_file"));
  EXPECT_EQ(kept(".response.json"), 1u);

  // Of an answer that is not kept any more, the pair has the time of its job.
  std::filesystem::remove_all(folder_.path() / ".beads/flywheel");
  const Finished restored = run(keyed);
  ASSERT_EQ(restored.status, 0) << restored.err;
  const auto result = parsed(restored.out);
  EXPECT_THAT(std::string(result.at("response_file").as_string()), HasSubstr(place_of(result)));
  EXPECT_EQ(kept(".request.json"), 1u);
}

TEST_F(BeadRoundTrip, PlanAndEvidencePrintTheReply) {
  configure();
  const Finished plan = run({"plan", "bd-x9k1"});
  ASSERT_EQ(plan.status, 0) << plan.err;
  EXPECT_EQ(parsed(plan.out).at("msg_type"), "RFP_PLAN_RESPONSE");
  EXPECT_EQ(run({"gate", "bd-x9k1"}).status, 2);
}

TEST_F(BeadRoundTrip, ARefusedBeadEndsInOneAndKeepsItsGateShut) {
  fixture::Knobs knobs;
  knobs.passed = false;
  configure(knobs);
  const Finished refused = run({"accept", "bd-rl42"});
  EXPECT_EQ(refused.status, 1) << refused.err;
  EXPECT_EQ(parsed(refused.out).at("acceptance").at("passed"), false);
  const Finished gate = run({"gate", "bd-rl42"});
  EXPECT_EQ(gate.status, 2);
  EXPECT_THAT(gate.err, StartsWith("bd-rl42: acceptance.passed is false\nbd-rl42: failed: "));
}

TEST_F(BeadRoundTrip, WithoutAnAnswerTheQuestionIsKeptAndTheGateShut) {
  fixture::Knobs knobs;
  knobs.state = "login_modal";
  configure(knobs);
  const Finished failed = run({"accept", "bd-rl42"});
  EXPECT_EQ(failed.status, 77) << failed.err;
  const Finished gate = run({"gate", "bd-rl42"});
  EXPECT_EQ(gate.status, 2);
  EXPECT_THAT(gate.err, HasSubstr("-ACCEPTANCE_GATE has no answer\n"));
}

TEST_F(BeadRoundTrip, AfterAFailureTheQuestionIsAskedAnew) {
  fixture::Knobs knobs;
  knobs.reply = "wrong_bead";
  configure(knobs);
  EXPECT_EQ(run({"accept", "bd-rl42"}).status, 76);
  EXPECT_EQ(kept(".ended.json"), 1u);
  configure();
  const Finished again = run({"accept", "bd-rl42"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(posts(), 1u);
}

TEST_F(BeadRoundTrip, AQuestionWhoseFailureNobodyHeardOfIsAskedAnewByTheNextCommand) {
  fixture::Knobs knobs;
  knobs.reply = "wrong_bead";
  configure(knobs);
  ASSERT_EQ(run({"accept", "bd-rl42"}).status, 76);
  std::filesystem::path end;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_.path() / ".beads/flywheel")) {
    if (entry.path().native().ends_with(".ended.json")) end = entry.path();
  }
  ASSERT_TRUE(std::filesystem::remove(end));
  configure();
  const Finished again = run({"accept", "bd-rl42"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("failed without an answer: asking anew"));
  EXPECT_EQ(posts(), 1u);
  EXPECT_TRUE(std::filesystem::exists(end));
}

}  // namespace
}  // namespace beads
