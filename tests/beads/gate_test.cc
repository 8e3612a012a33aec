#include "bridge/services/beads/gate.h"

#include "bridge/base/json.h"
#include "bridge/services/beads/bead_id.h"
#include "bridge/services/beads/bead_packet.h"
#include "tests/beads/samples.h"

#include <gmock/gmock.h>

namespace beads {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GateTest : public testing::Test {
 protected:
  std::string ask(const Bead& bead, Question question = Question::accept) {
    auto built = protocol::build(packet_parts(question, bead, {"r", "b"}, "me", {}), types_, now_);
    auto name = archive_.keep_request(bead, built->packet, now_);
    EXPECT_TRUE(name) << name.error().message;
    now_ += 1s;
    return *name;
  }
  void answer(const Bead& bead, const std::string& name, const json::object& response) {
    const auto kept = archive_.keep_response(bead, name, response);
    EXPECT_TRUE(kept) << kept.error().message;
  }
  Kept kept(const Bead& bead, const std::string& name) {
    auto value = base::parse_json(file_text(archive_.request_path(bead, name)));
    return {name, *protocol::Packet::from_json(*std::move(value), types_)};
  }
  std::filesystem::path content_path(const Bead& bead, const std::string& name) const {
    return folder_.path() / "flywheel" / packet_id(bead.id()) / (name + ".content.json");
  }
  void ask_and_answer(const Bead& bead, std::string_view verdict, bool passed) {
    answer(bead, ask(bead), acceptance(packet_id(bead.id()), verdict, passed));
  }
  std::vector<std::string> reasons(const Bead& bead) {
    return judge_gate(archive_, bead, types_).reasons;
  }

  app::TestFolder folder_;
  Archive archive_{folder_.path() / "flywheel"};
  protocol::MessageTypes types_ = protocol::MessageTypes::built_in();
  base::WallTime now_ = base::WallTime(1'800'000'000s);
  Bead bead_ = sample("bd-2xb6.1");
};

TEST_F(GateTest, IsShutUntilAQuestionHasAPassingAnswer) {
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("no ACCEPTANCE_GATE has been answered")));
  const std::string name = ask(bead_);
  EXPECT_EQ(name, "20270115T080000.000Z-ACCEPTANCE_GATE");
  EXPECT_THAT(reasons(bead_), Contains(name + " has no answer"));
  answer(bead_, name, acceptance(packet_id(bead_.id()), "ok", true));
  const Gate gate = judge_gate(archive_, bead_, types_);
  EXPECT_TRUE(gate.is_open());
  EXPECT_EQ(gate.decided_by, name);
}

TEST_F(GateTest, NeedsVerdictOkAndPassedTrue) {
  ask_and_answer(bead_, "ok", false);
  EXPECT_THAT(reasons(bead_), ElementsAre("acceptance.passed is false"));
  ask_and_answer(bead_, "revise", true);
  EXPECT_THAT(reasons(bead_), ElementsAre("the verdict is \"revise\", not \"ok\""));
  json::object failed = acceptance(packet_id(bead_.id()), "reject", false);
  failed["acceptance"].as_object()["failed_reasons"] = json::array{"no test", "two\nlines"};
  answer(bead_, ask(bead_), failed);
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("reject"), HasSubstr("passed"),
                                          "failed: no test", "failed: two lines"));
}

TEST_F(GateTest, TheNewestAnswerDecides) {
  ask_and_answer(bead_, "reject", false);
  ask_and_answer(bead_, "ok", true);
  EXPECT_THAT(reasons(bead_), IsEmpty());
  ask(bead_);  // A question alone takes nothing back.
  EXPECT_THAT(reasons(bead_), IsEmpty());
  ask_and_answer(bead_, "reject", false);
  EXPECT_FALSE(reasons(bead_).empty());
}

TEST_F(GateTest, IsStaleWhenTheBeadSaysSomethingElse) {
  ask_and_answer(bead_, "ok", true);
  const Bead changed = with(bead_, {{"acceptance_criteria", "Everything is blue."}});
  EXPECT_THAT(reasons(changed), ElementsAre(HasSubstr("stale: title, description, design or")));
  EXPECT_THAT(reasons(with(bead_, {{"status", "closed"}, {"notes", "done"}})), IsEmpty());
  ask_and_answer(changed, "ok", true);
  EXPECT_THAT(reasons(changed), IsEmpty());
  EXPECT_THAT(reasons(bead_), IsEmpty());  // Changed back: the older answer is about this text.
}

TEST_F(GateTest, OtherTypesAndOtherBeadsDoNotOpenIt) {
  const std::string name = ask(bead_, Question::plan);
  answer(bead_, name, acceptance(packet_id(bead_.id()), "ok", true));
  ask_and_answer(sample("bd-2xb6"), "ok", true);
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("no ACCEPTANCE_GATE")));
}

TEST_F(GateTest, AnAnswerIsCheckedAgainAgainstItsRequest) {
  answer(bead_, ask(bead_), acceptance("bd-other", "ok", true));
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("no valid"), HasSubstr("/bead_id")));
  json::object without = acceptance(packet_id(bead_.id()), "ok", true);
  without.erase("acceptance");
  answer(bead_, ask(bead_), without);
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("no valid"), HasSubstr("acceptance")));
}

TEST_F(GateTest, WhatWasChangedByHandDoesNotOpenIt) {
  const std::string name = ask(bead_);
  answer(bead_, name, acceptance(packet_id(bead_.id()), "ok", true));
  const auto request = archive_.request_path(bead_, name);
  const std::string text = file_text(request);
  std::ofstream(request) << text << " ";
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("is not the one that was kept")));
  std::ofstream(request) << "{";
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("the stored request: not JSON")));
  std::ofstream(request) << text;
  std::ofstream(archive_.response_path(bead_, name)) << "[]";
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("no JSON object")));
  std::filesystem::remove(content_path(bead_, name));
  EXPECT_THAT(reasons(bead_), ElementsAre(HasSubstr("content.json")));
}

// What an earlier command asked, and perhaps did not live to hear the answer of.
class ArchiveTest : public GateTest {
 protected:
  protocol::Packet packet(const std::string& key, const std::string& question = "Done?") {
    beads::Overrides overrides{.questions = {question}, .idempotency_key = key};
    const auto parts = packet_parts(Question::accept, bead_, {"r", "b"}, "me", overrides);
    return protocol::build(parts, types_, now_ += 1s)->packet;
  }
  std::string keep(const protocol::Packet& packet, std::string_view commit) {
    const auto name = archive_.keep_request(bead_, packet, now_ += 1s, commit);
    EXPECT_TRUE(name) << name.error().message;
    return *name;
  }
  std::string open(const Bead& bead, const protocol::Packet& packet, std::string_view commit) {
    const auto found = archive_.open_question(bead, packet, commit, types_);
    EXPECT_TRUE(found) << found.error().message;
    return found && *found ? (*found)->name + " " + (*found)->packet.idempotency_key() : "none";
  }
};

TEST_F(ArchiveTest, AQuestionIsOpenForTheSameWordsBeadAndCommitUntilItIsAnswered) {
  EXPECT_EQ(open(bead_, packet("key-other"), "c1"), "none");
  const std::string name = keep(packet("key-first"), "c1");
  const std::string found = name + " key-first";
  EXPECT_EQ(open(bead_, packet("key-other"), "c1"), found);  // date and key do not matter
  EXPECT_EQ(open(bead_, packet("key-other"), "c2"), "none");
  EXPECT_EQ(open(bead_, packet("key-other"), ""), "none");
  EXPECT_EQ(open(bead_, packet("key-other", "Really?"), "c1"), "none");
  EXPECT_EQ(open(with(bead_, {{"design", "Another one."}}), packet("key-other"), "c1"), "none");
  answer(bead_, name, acceptance(packet_id(bead_.id()), "ok", true));
  EXPECT_EQ(open(bead_, packet("key-other"), "c1"), "none");
}

TEST_F(ArchiveTest, AQuestionThatGetsNoAnswerIsOpenNoMore) {
  const std::string name = keep(packet("key-first"), "");
  EXPECT_EQ(open(bead_, packet("key-other"), ""), name + " key-first");
  const json::object why{{"state", "failed"}};
  ASSERT_TRUE(archive_.keep_end(bead_, name, why));
  EXPECT_TRUE(archive_.keep_end(bead_, name, why));  // told twice
  EXPECT_EQ(open(bead_, packet("key-other"), ""), "none");
  EXPECT_THAT(reasons(bead_), Contains(name + " has no answer"));
}

TEST_F(ArchiveTest, AQuestionIsFoundByItsOwnKeyAlsoWhenItIsAnswered) {
  const std::string name = keep(packet("key-first"), "c1");
  answer(bead_, name, acceptance(packet_id(bead_.id()), "ok", true));
  const auto found = archive_.question_of_key(bead_, packet("key-first"), types_);
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->name, name);
  EXPECT_FALSE(*archive_.question_of_key(bead_, packet("key-second"), types_));
  EXPECT_FALSE(*archive_.question_of_key(bead_, packet("key-first", "Really?"), types_));
}

TEST_F(ArchiveTest, AnAnswerThatWasFetchedLateCountsByTheTimeOfItsQuestion) {
  const auto long_ago = now_ - 3600s;
  ask_and_answer(bead_, "ok", false);
  const std::string name = keep(packet("key-first"), "");
  const auto moved = archive_.move_request(bead_, kept(bead_, name), long_ago);
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(*moved, "20270115T070000.000Z-ACCEPTANCE_GATE");
  EXPECT_FALSE(std::filesystem::exists(archive_.request_path(bead_, name)));
  answer(bead_, *moved, acceptance(packet_id(bead_.id()), "ok", true));
  EXPECT_THAT(reasons(bead_), ElementsAre("acceptance.passed is false"));
  // The moved pair is whole: alone it opens the gate.
  const auto newest = archive_.answered(bead_, "ACCEPTANCE_GATE");
  ASSERT_TRUE(newest && newest->size() == 2);
  std::filesystem::remove(archive_.response_path(bead_, newest->front().name));
  EXPECT_THAT(reasons(bead_), IsEmpty());
}

TEST_F(ArchiveTest, AllWhoMoveAQuestionFindItInTheSamePlace) {
  const auto time = now_ + 3600s;
  const Kept other = kept(bead_, keep(packet("key-other"), ""));
  const Kept asked = kept(bead_, keep(packet("key-first"), ""));
  const auto others_place = archive_.move_request(bead_, other, time);
  ASSERT_TRUE(others_place) << others_place.error().message;
  for (const auto* who : {"one", "another"}) {
    SCOPED_TRACE(who);
    const auto moved = archive_.move_request(bead_, asked, time);
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_EQ(*moved, "20270115T090000.001Z-ACCEPTANCE_GATE");
    EXPECT_FALSE(std::filesystem::exists(archive_.request_path(bead_, asked.name)));
    answer(bead_, *moved, acceptance(packet_id(bead_.id()), "ok", true));
    EXPECT_EQ(archive_.move_request(bead_, other, time).value_or(""), *others_place);
  }
  EXPECT_EQ(archive_.answered(bead_, "ACCEPTANCE_GATE")->size(), 1u);
  EXPECT_THAT(reasons(bead_), IsEmpty());
}

TEST_F(ArchiveTest, AMoveThatEndedHalfwayIsTakenUp) {
  const std::string place = "20270115T090000.000Z-ACCEPTANCE_GATE";
  const auto time = now_ + 3600s;
  for (const int steps : {1, 2, 3}) {
    SCOPED_TRACE(steps);
    const Kept asked = kept(bead_, keep(packet("key-first"), ""));
    const auto from = archive_.request_path(bead_, asked.name);
    const auto to = archive_.request_path(bead_, place);
    std::filesystem::create_hard_link(content_path(bead_, asked.name), content_path(bead_, place));
    if (steps > 1) std::filesystem::remove(content_path(bead_, asked.name));
    if (steps > 2) std::filesystem::create_hard_link(from, to);
    const auto moved = archive_.move_request(bead_, asked, time);
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_EQ(*moved, place);
    EXPECT_EQ(archive_.unanswered(bead_, "ACCEPTANCE_GATE").value(), std::vector{place});
    EXPECT_TRUE(kept(bead_, place).packet == asked.packet);
    EXPECT_FALSE(std::filesystem::exists(content_path(bead_, asked.name)));
    EXPECT_TRUE(std::filesystem::remove(content_path(bead_, place)) && std::filesystem::remove(to));
  }
}

TEST_F(GateTest, NothingKeptIsEverOverwritten) {
  const std::string first = ask(bead_);
  now_ -= 1s;
  const std::string second = ask(bead_);
  EXPECT_NE(first, second);
  answer(bead_, first, acceptance(packet_id(bead_.id()), "ok", true));
  const auto again =
      archive_.keep_response(bead_, first, acceptance(packet_id(bead_.id()), "reject", false));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, base::Code::conflict);
  EXPECT_THAT(reasons(bead_), IsEmpty());
  answer(bead_, first, acceptance(packet_id(bead_.id()), "ok", true));  // the same again is fine
  const auto moved =
      archive_.move_request(bead_, kept(bead_, second), base::WallTime(1'800'000'000s));
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_NE(*moved, first);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
}

}  // namespace
}  // namespace beads
