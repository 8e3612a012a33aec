#include "bridge/protocol/packet.h"

#include "bridge/base/json.h"
#include "bridge/protocol/reply.h"
#include "tests/protocol/examples.h"

#include <filesystem>
#include <fstream>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace protocol {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::vector<std::string> lines_of(const Refusal& refusal) {
  std::vector<std::string> out;
  for (const Violation& violation : refusal.violations) out.push_back(to_line(violation));
  return out;
}

// The plan packet with one member replaced, or removed if `value` is nothing.
json::value plan_with(std::string_view pointer, std::optional<json::value> value) {
  json::value packet = example_packet("rfp-plan");
  if (value) {
    const std::size_t slash = pointer.rfind('/');
    json::value& parent = packet.at_pointer(pointer.substr(0, slash));
    if (parent.is_array()) {
      parent.as_array()[0] = std::move(*value);
    } else {
      parent.as_object()[pointer.substr(slash + 1)] = std::move(*value);
    }
  } else {
    packet.as_object().erase(pointer.substr(1));
  }
  return packet;
}

std::vector<std::string> refusal_of(json::value packet) {
  auto parsed = Packet::from_json(std::move(packet), types());
  return parsed ? std::vector<std::string>{} : lines_of(parsed.error());
}

TEST(Packet, TheExamplesOfAllFiveTypesAreValid) {
  for (const std::string_view name : example_names) {
    auto packet = Packet::parse(json::serialize(example_packet(name)), types());
    ASSERT_TRUE(packet) << name << ": " << packet.error().message;
    EXPECT_EQ(json::value(packet->body()), example_packet(name));
    EXPECT_EQ(packet->bead_id(), "bd-rl42");
    EXPECT_EQ(packet->sender(), "agent-teal");
    EXPECT_THAT(advice_on(*packet), IsEmpty());
  }
}

TEST(Packet, EveryViolationIsReportedWithItsPointer) {
  json::value packet = example_packet("rfp-plan");
  packet.as_object()["bead_id"] = "42";
  packet.as_object()["ts"] = "yesterday";
  packet.at_pointer("/inputs/artifacts/0").as_object().erase("content");

  auto parsed = Packet::from_json(packet, types());

  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().reason, "invalid");
  std::vector<std::string> pointers;
  for (const Violation& violation : parsed.error().violations) {
    pointers.push_back(violation.pointer);
  }
  EXPECT_THAT(pointers, ::testing::UnorderedElementsAre("/bead_id", "/ts", "/inputs/artifacts/0"));
}

TEST(Packet, EachRuleOfTheEnvelopeIsKept) {
  EXPECT_THAT(refusal_of(plan_with("/proto", "flywheel.chatgpt.v2")),
              ElementsAre(StartsWith("/proto: ")));
  EXPECT_THAT(refusal_of(plan_with("/bead_id", "bd-a.1")), ElementsAre(StartsWith("/bead_id: ")));
  EXPECT_THAT(refusal_of(plan_with("/sender", "")), ElementsAre(StartsWith("/sender: ")));
  EXPECT_THAT(refusal_of(plan_with("/context/goal", "")),
              ElementsAre(StartsWith("/context/goal: ")));
  EXPECT_THAT(refusal_of(plan_with("/context/extra", 1)),
              ElementsAre(StartsWith("/context/extra: ")));
  EXPECT_THAT(refusal_of(plan_with("/inputs/questions/0", "")),
              ElementsAre(StartsWith("/inputs/questions/0: ")));
  EXPECT_THAT(refusal_of(plan_with("/inputs/options", json::array{"text"})),
              ElementsAre(StartsWith("/inputs/options/0: ")));
  EXPECT_THAT(refusal_of(plan_with("/requested_output/fields", json::array{})),
              ElementsAre(StartsWith("/requested_output/fields: ")));
  EXPECT_THAT(refusal_of(plan_with("/requested_output/format", "yaml")),
              ElementsAre(StartsWith("/requested_output/format: ")));
  EXPECT_THAT(refusal_of(plan_with("/idempotency_key", "short")),
              ElementsAre(StartsWith("/idempotency_key: ")));
  EXPECT_THAT(refusal_of(plan_with("/inputs", std::nullopt)), ElementsAre(StartsWith("(root): ")));
  EXPECT_THAT(refusal_of(plan_with("/surprise", 1)), ElementsAre(StartsWith("/surprise: ")));
}

TEST(Packet, WhatIsNoRequestIsRefusedWithTheReason) {
  const auto reason = [](std::string_view text) {
    auto packet = Packet::parse(text, types());
    return packet ? "" : packet.error().reason;
  };
  EXPECT_EQ(reason("{\"proto\":"), "not_json");
  EXPECT_EQ(reason("{\"a\":1,\"a\":1}"), "not_json");
  EXPECT_EQ(reason("[]"), "invalid");
  EXPECT_EQ(reason("{}"), "unknown_type");
  EXPECT_EQ(reason("{\"msg_type\":\"RFP_PLANS\"}"), "unknown_type");
  EXPECT_EQ(reason("{\"msg_type\":\"RFP_PLAN_RESPONSE\"}"), "invalid");
}

TEST(Packet, AReplyIsNoRequest) {
  auto packet = Packet::from_json(example_reply("rfp-plan"), types());
  ASSERT_FALSE(packet);
  EXPECT_EQ(packet.error().message, "RFP_PLAN_RESPONSE is a reply, not a request");
}

TEST(Packet, TheDerivedKeyIgnoresTheTimeAndTheOrderOfMembers) {
  auto first = Packet::from_json(example_packet("rfp-plan"), types());
  auto later = Packet::from_json(plan_with("/ts", "2026-12-01T00:00:00Z"), types());
  json::object reordered;
  const json::object original = example_packet("rfp-plan").as_object();
  for (auto member = original.end(); member != original.begin();) {
    --member;
    reordered[member->key()] = member->value();
  }
  auto shuffled = Packet::from_json(json::value(reordered), types());
  auto other = Packet::from_json(plan_with("/sender", "agent-red"), types());

  EXPECT_THAT(first->idempotency_key(), SizeIs(64));
  EXPECT_EQ(first->idempotency_key(), later->idempotency_key());
  EXPECT_EQ(first->idempotency_key(), shuffled->idempotency_key());
  EXPECT_NE(first->idempotency_key(), other->idempotency_key());
}

TEST(Packet, AnExplicitKeyIsTheKey) {
  auto packet = Packet::from_json(plan_with("/idempotency_key", "plan-of-monday"), types());
  EXPECT_EQ(packet->idempotency_key(), "plan-of-monday");
}

PacketParts parts_of(std::string type) {
  PacketParts parts;
  parts.type = std::move(type);
  parts.bead_id = "bd-rl42";
  parts.sender = "agent-teal";
  parts.context = example_packet("rfp-plan").at("context");
  return parts;
}

TEST(Build, FillsInWhatThePartsLeaveOut) {
  PacketParts parts = parts_of("RFP_PLAN");
  parts.questions = {"How?"};
  parts.notes = "Briefly.";

  auto built = build(parts, types(), base::WallTime(std::chrono::seconds(1795000000)));

  ASSERT_TRUE(built) << built.error().message;
  EXPECT_THAT(built->advice, IsEmpty());
  const json::object& body = built->packet.body();
  EXPECT_EQ(body.at("ts"), "2026-11-18T11:06:40.000Z");
  EXPECT_EQ(json::serialize(body.at("inputs")), R"({"artifacts":[],"questions":["How?"]})");
  EXPECT_EQ(json::serialize(body.at("requested_output")),
            R"({"format":"json","fields":["plan","risks","acceptance_tests","next_actions"],)"
            R"("notes":"Briefly."})");
}

TEST(Build, AsksForEveryFieldOfTheResponse) {
  const auto fields = [](std::string type) {
    return json::serialize(build(parts_of(std::move(type)), types(), {})
                               ->packet.body()
                               .at("requested_output")
                               .at("fields"));
  };
  EXPECT_EQ(fields("RFP_ARBITRATE"), R"(["decision","rationale","tradeoffs","next_actions"])");
  EXPECT_EQ(fields("EVIDENCE_BUNDLE"), R"(["findings","missing","next_actions"])");
  EXPECT_EQ(fields("SPEC_LOCK"), R"(["spec","next_actions"])");
  EXPECT_EQ(fields("ACCEPTANCE_GATE"), R"(["acceptance","next_actions"])");
}

TEST(Build, GivesAdviceWhereTheSchemaIsSilent) {
  EXPECT_THAT(build(parts_of("RFP_PLAN"), types(), {})->advice,
              ElementsAre(HasSubstr("without a question")));
  EXPECT_THAT(build(parts_of("RFP_ARBITRATE"), types(), {})->advice,
              ElementsAre(HasSubstr("without options")));
  EXPECT_THAT(build(parts_of("EVIDENCE_BUNDLE"), types(), {})->advice,
              ElementsAre(HasSubstr("without artifacts")));
}

TEST(Build, RefusesInvalidParts) {
  PacketParts parts = parts_of("RFP_PLAN");
  parts.bead_id = "rl42";
  auto built = build(parts, types(), {});
  ASSERT_FALSE(built);
  EXPECT_THAT(lines_of(built.error()), ElementsAre(StartsWith("/bead_id: ")));
  EXPECT_EQ(build(parts_of("RFP_PLANS"), types(), {}).error().reason, "unknown_type");
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = ::testing::TempDir() + "flywheel-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  void write(std::string_view name, std::string_view text) const {
    std::ofstream(path_ / name) << text;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr std::string_view estimate_request = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "flywheel.chatgpt.v1/msg-estimate.schema.json",
  "title": "Request for an estimate",
  "allOf": [{"$ref": "envelope.schema.json"}],
  "properties": {"msg_type": {"const": "ESTIMATE"}}})";
constexpr std::string_view estimate_response = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "flywheel.chatgpt.v1/resp-estimate.schema.json",
  "type": "object", "additionalProperties": false,
  "required": ["proto", "bead_id", "msg_type", "verdict", "hours"],
  "properties": {
    "proto": {"$ref": "common.schema.json#/$defs/proto"},
    "bead_id": {"$ref": "common.schema.json#/$defs/bead_id"},
    "msg_type": {"const": "ESTIMATE_RESPONSE"},
    "verdict": {"$ref": "common.schema.json#/$defs/verdict"},
    "hours": {"type": "number", "minimum": 0, "description": "Working hours."}}})";

TEST(MessageTypes, ASixthTypeIsTwoFilesAndNoCode) {
  TemporaryFolder folder;
  folder.write("msg-estimate.schema.json", estimate_request);
  folder.write("resp-estimate.schema.json", estimate_response);

  auto own = MessageTypes::load(folder.path());

  ASSERT_TRUE(own) << own.error().message;
  EXPECT_THAT(own->all(), SizeIs(6));
  auto built = build(parts_of("ESTIMATE"), *own, {});
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(json::serialize(built->packet.body().at("requested_output").at("fields")),
            R"(["hours"])");
  EXPECT_THAT(built->packet.type().response_shape,
              HasSubstr("\"hours\": number, at least 0  // Working hours."));
  json::object reply{{"proto", "flywheel.chatgpt.v1"},
                     {"bead_id", "bd-rl42"},
                     {"msg_type", "ESTIMATE_RESPONSE"},
                     {"verdict", "ok"},
                     {"hours", -1}};
  EXPECT_THAT(lines_of(check_reply(built->packet, reply).error()),
              ElementsAre(StartsWith("/hours: ")));
  reply["hours"] = 3;
  EXPECT_TRUE(check_reply(built->packet, reply));
}

std::string load_error(const TemporaryFolder& folder) {
  auto types = MessageTypes::load(folder.path());
  return types ? "" : types.error().message;
}

TEST(MessageTypes, ABrokenFolderIsRefusedWithTheFileAndThePlace) {
  TemporaryFolder folder;
  folder.write("msg-estimate.schema.json", estimate_request);
  EXPECT_THAT(load_error(folder), HasSubstr("resp-estimate.schema.json is not beside it"));

  folder.write("resp-estimate.schema.json", "{");
  EXPECT_THAT(load_error(folder), HasSubstr("resp-estimate.schema.json: not JSON"));

  folder.write("resp-estimate.schema.json", R"({"properties": {"msg_type": {"const": "X"}}})");
  EXPECT_THAT(load_error(folder), HasSubstr("/properties/msg_type/const is \"X\""));

  folder.write("resp-estimate.schema.json", estimate_response);
  folder.write("shared.schema.json", R"({"properties": {"a": {"$ref": "nowhere.json"}}})");
  EXPECT_THAT(load_error(folder), HasSubstr("shared.schema.json"));
  EXPECT_THAT(load_error(folder), HasSubstr("/properties/a"));
  EXPECT_THAT(load_error(folder), HasSubstr("nowhere.json"));
}

TEST(MessageTypes, AMissingFolderAddsNothing) {
  auto types = MessageTypes::load("/nonexistent/schemas");
  ASSERT_TRUE(types);
  EXPECT_EQ(types->request_names(),
            "ACCEPTANCE_GATE, EVIDENCE_BUNDLE, RFP_ARBITRATE, RFP_PLAN, SPEC_LOCK");
}

TEST(MessageTypes, ATypeCannotBeReplaced) {
  TemporaryFolder folder;
  folder.write("msg-plan.schema.json", R"({"properties": {"msg_type": {"const": "RFP_PLAN"}}})");
  folder.write("resp-plan.schema.json",
               R"({"properties": {"msg_type": {"const": "RFP_PLAN_RESPONSE"}}})");
  EXPECT_THAT(load_error(folder), HasSubstr("RFP_PLAN is there twice"));
}

TEST(MessageTypes, ATypeThatForgetsTheEnvelopeKeepsToItAllTheSame) {
  TemporaryFolder folder;
  folder.write("msg-free.schema.json", R"({"properties": {"msg_type": {"const": "FREE"}}})");
  folder.write("resp-free.schema.json",
               R"({"properties": {"msg_type": {"const": "FREE_RESPONSE"}}})");
  auto own = MessageTypes::load(folder.path());
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_FALSE(Packet::parse(R"({"msg_type": "FREE"})", *own));
}

TEST(Reply, TheExampleRepliesAnswerTheExamplePackets) {
  for (const std::string_view name : example_names) {
    auto packet = Packet::from_json(example_packet(name), types());
    auto reply = check_reply(*packet, example_reply(name).as_object());
    ASSERT_TRUE(reply) << name << "\n" << ::testing::PrintToString(lines_of(reply.error()));
    EXPECT_EQ(reply->verdict(), "ok");
    EXPECT_THAT(reply->warnings(), IsEmpty());
  }
}

std::vector<std::string> reply_refusal(std::string_view name, json::object reply) {
  auto packet = Packet::from_json(example_packet(name), types());
  auto checked = check_reply(*packet, std::move(reply));
  return checked ? std::vector<std::string>{} : lines_of(checked.error());
}

TEST(Reply, MustBeAboutTheSameBeadAndAnswerTheSameQuestion) {
  json::object reply = example_reply("rfp-plan").as_object();
  reply["bead_id"] = "bd-other";
  EXPECT_THAT(reply_refusal("rfp-plan", reply),
              ElementsAre("/bead_id: must be \"bd-rl42\", as the request says, but is "
                          "\"bd-other\""));
  EXPECT_THAT(reply_refusal("rfp-plan", example_reply("spec-lock").as_object()),
              Contains(HasSubstr("/msg_type: must be \"RFP_PLAN_RESPONSE\"")));
}

TEST(Reply, EveryViolationIsReported) {
  json::object reply = example_reply("rfp-plan").as_object();
  reply["verdict"] = "fine";
  reply["next_actions"] = json::array{{{"task", "x"}, {"notes", "too short"}}};
  reply["plan"].at(0).as_object()["step"] = 0;
  reply["extra"] = true;
  EXPECT_THAT(reply_refusal("rfp-plan", reply),
              ::testing::UnorderedElementsAre(
                  StartsWith("/verdict: "), StartsWith("/next_actions/0/notes: "),
                  StartsWith("/plan/0/step: "), StartsWith("/extra: ")));
}

TEST(Reply, ContradictionsAreWarnedAboutAndNotRefused) {
  auto packet = Packet::from_json(example_packet("acceptance-gate"), types());
  json::object body = example_reply("acceptance-gate").as_object();
  body["acceptance"] = {{"passed", false}, {"evidence", {"x"}}, {"failed_reasons", {"slow"}}};

  auto reply = check_reply(*packet, body);

  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->warnings(),
              ElementsAre("verdict is \"ok\", but acceptance.passed is false",
                          "verdict is \"ok\", but acceptance.failed_reasons are given"));
}

}  // namespace
}  // namespace protocol
