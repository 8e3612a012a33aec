#include "bridge/services/beads/bead_packet.h"

#include "tests/beads/samples.h"

#include <gmock/gmock.h>

namespace beads {
namespace {

using ::testing::HasSubstr;

json::object body(Question question, const Bead& bead, const Overrides& overrides = {}) {
  const auto parts = packet_parts(question, bead, {"acme/orders-api", "main"}, "agent", overrides);
  auto built = protocol::build(parts, protocol::MessageTypes::built_in(), base::WallTime());
  EXPECT_TRUE(built) << built.error().message;
  return built ? built->packet.body() : json::object();
}

std::string label(const json::object& packet, std::size_t index) {
  return std::string(packet.at("inputs").at("artifacts").at(index).at("label").as_string());
}

TEST(BeadPacket, EveryBeadMakesAValidPacketOfEachType) {
  for (const Bead& bead : sample_beads().all) {
    for (const Question question : {Question::plan, Question::evidence, Question::accept}) {
      EXPECT_EQ(body(question, bead).at("msg_type").as_string(), packet_type(question))
          << bead.id();
    }
  }
  body(Question::plan, *Bead::parse(R"({"id":"bd-bare"})"));
}

TEST(BeadPacket, SaysWhatTheBeadSays) {
  const json::object packet = body(Question::accept, sample("bd-rl42"));
  EXPECT_EQ(packet.at("bead_id"), "bd-rl42");
  const json::value& context = packet.at("context");
  EXPECT_EQ(context.at("repo"), "acme/orders-api");
  EXPECT_EQ(context.at("branch"), "main");
  EXPECT_TRUE(
      context.at("goal").as_string().starts_with("Limit requests per API key\n\nOne client"));
  EXPECT_EQ(context.at("constraints").as_array().size(), 3u);
  EXPECT_EQ(context.at("constraints").at(1), "Requests of other keys are not counted");
  EXPECT_EQ(label(packet, 0), "Design");
  EXPECT_EQ(label(packet, 1), "Acceptance criteria");
  EXPECT_EQ(label(packet, 2), "Notes");
  EXPECT_THAT(json::serialize(packet.at("inputs").at("artifacts").at(3)),
              HasSubstr("agent-teal (2026-11-03T08:05:40+01:00):\\nRequests pass"));
}

TEST(BeadPacket, AMappedBeadKeepsItsIdInTheContext) {
  for (const char* id : {"bd-2xb6.1", "shop-77", "bd-7", "bd-ünïcode"}) {
    const json::object packet = body(Question::plan, sample(id));
    EXPECT_THAT(json::serialize(packet.at("context").at("constraints")), HasSubstr(id));
    const json::object other = body(Question::plan, sample(id), {.constraints = {"one"}});
    EXPECT_THAT(json::serialize(other.at("context").at("constraints")), HasSubstr(id));
  }
}

TEST(BeadPacket, WhatIsGivenTakesThePlaceOfWhatIsDerived) {
  Overrides overrides{.repo = "r", .branch = "b", .goal = "g", .constraints = {"c"}};
  overrides.questions = {"q?"};
  overrides.notes = "short";
  overrides.idempotency_key = "key-12345";
  overrides.artifacts.push_back(json::object{{"type", "log"}, {"label", "run"}, {"content", ""}});
  const json::object packet = body(Question::plan, sample("bd-rl42"), overrides);
  EXPECT_EQ(json::serialize(packet.at("context")),
            R"({"repo":"r","branch":"b","goal":"g","constraints":["c"]})");
  EXPECT_EQ(json::serialize(packet.at("inputs").at("questions")), R"(["q?"])");
  EXPECT_EQ(packet.at("requested_output").at("notes"), "short");
  EXPECT_EQ(packet.at("idempotency_key"), "key-12345");
  const auto& artifacts = packet.at("inputs").at("artifacts").as_array();
  EXPECT_EQ(artifacts.back().at("label"), "run");
}

TEST(BeadPacket, AnyTextIsAnArtifact) {
  EXPECT_EQ(json::serialize(*to_artifact("PASS 3\n", "run.txt")),
            R"({"type":"file","label":"run.txt","content":"PASS 3\n"})");
  const std::string ready = R"({"type":"log","label":"x","content":""})";
  EXPECT_EQ(json::serialize(*to_artifact(ready, "a.json")), ready);
  EXPECT_EQ(to_artifact(R"({"type":"log","label":"x"})", "a.json")->at("type"), "file");
  EXPECT_EQ(to_artifact("", "empty")->at("content"), "");
  const auto binary = to_artifact("\xff\xfe", "core");
  ASSERT_FALSE(binary);
  EXPECT_THAT(binary.error().message, HasSubstr("core: an artifact must be text in UTF-8"));
}

}  // namespace
}  // namespace beads
