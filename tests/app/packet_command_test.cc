#include "bridge/base/json.h"
#include "tests/app/process.h"

#include <filesystem>

#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr std::string_view context =
    R"({"repo": "acme/api", "branch": "main", "goal": "Limit requests", "constraints": []})";

std::string example(const std::string& name) {
  return SOURCE_DIR "/fixtures/packets/" + name + ".json";
}

class PacketBuild : public ::testing::Test {
 protected:
  // `flywheel packet build` with everything that is required, and `more`.
  Finished build(std::vector<std::string> more) {
    std::vector<std::string> arguments{
        "packet",  "build",    "--type",     "RFP_PLAN",  "--bead",
        "bd-rl42", "--sender", "agent-teal", "--context", folder_.write("context.json", context)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return flywheel(arguments);
  }

  TestFolder folder_;
};

TEST_F(PacketBuild, PrintsAPacketThatValidates) {
  const Finished built = build({"--question", "How?"});
  EXPECT_EQ(built.status, 0);
  EXPECT_THAT(built.err, IsEmpty());

  const Finished checked = flywheel({"packet", "validate", "--stdin"}, built.out);
  EXPECT_EQ(checked.status, 0);
  EXPECT_EQ(checked.out, "OK: RFP_PLAN (stdin)\n");
}

TEST_F(PacketBuild, TakesRepeatedQuestionsArtifactsAndOptions) {
  const std::string artifact =
      folder_.write("a.json", R"({"type": "file", "label": "a.js", "content": ""})");
  const std::string option = folder_.write("o.json", R"({"id": "x"})");

  const Finished built = build({"--question", "How?", "--question", "Why?", "--artifact", artifact,
                                "--artifact", artifact, "--option", option, "--notes", "Short.",
                                "--idempotency-key", "monday-1", "--json"});

  EXPECT_EQ(built.status, 0) << built.err;
  const auto packet = base::parse_json(built.out);
  ASSERT_TRUE(packet);
  EXPECT_EQ(boost::json::serialize(packet->at("inputs").at("questions")), R"(["How?","Why?"])");
  EXPECT_EQ(packet->at("inputs").at("artifacts").as_array().size(), 2u);
  EXPECT_EQ(boost::json::serialize(packet->at("inputs").at("options")), R"([{"id":"x"}])");
  EXPECT_EQ(packet->at("requested_output").at("notes"), "Short.");
  EXPECT_EQ(packet->at("idempotency_key"), "monday-1");
}

TEST_F(PacketBuild, AValueThatLooksLikeAnOptionIsAValue) {
  const Finished built = build({"--question", "--type", "--notes", "--", "--json"});
  EXPECT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr(R"("questions":["--type"])"));
  EXPECT_THAT(built.out, HasSubstr(R"("notes":"--")"));
}

TEST_F(PacketBuild, WritesToAFile) {
  const std::string out = (folder_.path() / "packet.json").string();
  const Finished built = build({"--question", "How?", "--out", out});
  EXPECT_EQ(built.status, 0);
  EXPECT_EQ(built.out, "OK: RFP_PLAN (" + out + ")\n");
  EXPECT_EQ(flywheel({"packet", "validate", "--file", out}).status, 0);
}

TEST_F(PacketBuild, WritesThroughALinkAndLeavesItThere) {
  const auto link = folder_.path() / "link.json";
  const auto kept = folder_.path() / "kept" / "packet.json";
  folder_.write("kept/packet.json", "an older packet");
  std::filesystem::create_symlink("kept/packet.json", link);
  ASSERT_EQ(build({"--question", "How?", "--out", link.string()}).status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(flywheel({"packet", "validate", "--file", kept.string()}).status, 0);

  // Where it leads to need not be there yet.
  std::filesystem::remove(kept);
  ASSERT_EQ(build({"--question", "How?", "--out", link.string()}).status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(flywheel({"packet", "validate", "--file", kept.string()}).status, 0);
}

TEST_F(PacketBuild, ALinkThatLeadsNowhereIsAnErrorAndStays) {
  const auto link = folder_.path() / "link.json";
  std::filesystem::create_symlink("link.json", link);
  const Finished built = build({"--question", "How?", "--out", link.string()});
  EXPECT_EQ(built.status, 1);
  EXPECT_THAT(built.err, HasSubstr("write " + link.string() + ": "));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(PacketBuild, WritesIntoAPipeInsteadOfReplacingIt) {
  const auto pipe = folder_.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  // Open at both ends, so that neither the program nor this test waits for the other.
  const int end = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(end, 0);
  const Finished built = build({"--question", "How?", "--out", pipe.string()});
  std::string text(64 * 1024, '\0');
  const ssize_t count = ::read(end, text.data(), text.size());
  ::close(end);
  EXPECT_EQ(built.status, 0) << built.err;
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  ASSERT_GT(count, 0) << "nothing came through the pipe";
  text.resize(static_cast<std::size_t>(count));
  EXPECT_EQ(flywheel({"packet", "validate", "--stdin"}, text).status, 0) << text;
}

TEST_F(PacketBuild, WritesBehindWhatAnOpenFileHolds) {
  const std::string log = folder_.write("log", "what was there\n");
  const auto link = folder_.path() / "stdout";
  const int file = ::open(log.c_str(), O_WRONLY | O_APPEND);  // The program has it too.
  ASSERT_GE(file, 0);
  std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(file), link);
  const Finished built = build({"--question", "How?", "--out", link.string()});
  ::close(file);
  EXPECT_EQ(built.status, 0) << built.err;
  EXPECT_THAT(folder_.read("log"), StartsWith("what was there\n{"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(PacketBuild, WarnsWhereAnAnswerWouldSuffer) {
  const Finished built = build({});
  EXPECT_EQ(built.status, 0);
  EXPECT_THAT(built.err, StartsWith("warning: RFP_PLAN without a question"));
}

TEST_F(PacketBuild, InvalidIsTwoAndSaysEverything) {
  const std::string artifact = folder_.write("a.json", R"({"type": "", "label": "a"})");
  const Finished built = build({"--bead", "42", "--artifact", artifact});
  EXPECT_EQ(built.status, 1) << "an option given twice is a usage error";

  const Finished invalid = build({"--artifact", artifact, "--idempotency-key", "short"});
  EXPECT_EQ(invalid.status, 2);
  EXPECT_THAT(invalid.out, IsEmpty());
  EXPECT_THAT(invalid.err, StartsWith("INVALID: "));
  EXPECT_THAT(invalid.err, HasSubstr("  /idempotency_key: "));
  EXPECT_THAT(invalid.err, HasSubstr("  /inputs/artifacts/0/type: "));
  EXPECT_THAT(invalid.err, HasSubstr("  /inputs/artifacts/0: "));
}

TEST_F(PacketBuild, UsageAndInputErrorsAreOne) {
  EXPECT_EQ(flywheel({"packet", "build"}).status, 1);
  EXPECT_EQ(build({"--unknown"}).status, 1);
  EXPECT_EQ(build({"--question"}).status, 1);
  EXPECT_EQ(build({"--artifact", "/nonexistent.json"}).status, 1);
  EXPECT_EQ(build({"--artifact", folder_.write("bad.json", "{")}).status, 1);
  EXPECT_EQ(build({"--out", "/nonexistent/packet.json"}).status, 1);
}

TEST(PacketValidate, EveryExampleIsValidRepliesIncluded) {
  for (const std::string name :
       {"rfp-plan", "rfp-arbitrate", "evidence-bundle", "spec-lock", "acceptance-gate"}) {
    EXPECT_EQ(flywheel({"packet", "validate", "--file", example(name)}).status, 0) << name;
    EXPECT_EQ(flywheel({"packet", "validate", "--file", example("replies/" + name)}).status, 0);
  }
}

TEST(PacketValidate, NamesTheTypeAndTheFile) {
  const Finished checked = flywheel({"packet", "validate", "--file", example("replies/spec-lock")});
  EXPECT_EQ(checked.out, "OK: SPEC_LOCK_RESPONSE (" + example("replies/spec-lock") + ")\n");
}

TEST(PacketValidate, InvalidIsTwoWithALineForEachViolation) {
  const Finished checked = flywheel({"packet", "validate", "--stdin"},
                                    R"({"msg_type": "RFP_PLAN", "bead_id": "x", "extra": 1})");
  EXPECT_EQ(checked.status, 2);
  EXPECT_THAT(checked.out, IsEmpty());
  EXPECT_THAT(checked.err, StartsWith("INVALID: no valid RFP_PLAN (stdin)\n"));
  EXPECT_THAT(checked.err, HasSubstr("\n  /bead_id: "));
  EXPECT_THAT(checked.err, HasSubstr("\n  /extra: "));
  EXPECT_THAT(checked.err, HasSubstr("\n  (root): "));
}

TEST(PacketValidate, JsonCarriesEveryViolation) {
  const Finished checked =
      flywheel({"packet", "validate", "--stdin", "--json"}, R"({"msg_type": "RFP_PLANN"})");
  EXPECT_EQ(checked.status, 2);
  const auto result = base::parse_json(checked.out);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->at("valid"), false);
  EXPECT_EQ(result->at("errors").at(0).at("pointer"), "/msg_type");
}

int status_of(std::string_view text) {
  return flywheel({"packet", "validate", "--stdin"}, text).status;
}

TEST(PacketValidate, WhatIsNotJsonIsOneAndWhatIsNoMessageIsTwo) {
  EXPECT_EQ(status_of("{"), 1);
  EXPECT_EQ(status_of(""), 1);
  EXPECT_EQ(status_of(R"({"a": 1, "a": 2})"), 1);
  EXPECT_EQ(status_of("{\"a\": \"\xFF\"}"), 1);
  EXPECT_EQ(status_of("[]"), 2);
  EXPECT_EQ(status_of("{}"), 2);
  EXPECT_EQ(status_of(R"({"msg_type": 7})"), 2);
}

TEST(PacketValidate, ALeadingByteOrderMarkIsIgnored) {
  const TestFolder folder;
  const Finished copy = run_program({"cat", example("spec-lock")});
  EXPECT_EQ(status_of("\xEF\xBB\xBF" + copy.out), 0);
}

TEST(PacketValidate, TakesExactlyOneSource) {
  EXPECT_EQ(flywheel({"packet", "validate"}).status, 1);
  EXPECT_EQ(flywheel({"packet", "validate", "--stdin", "--file", example("spec-lock")}).status, 1);
  EXPECT_EQ(flywheel({"packet", "validate", "--file", "/nonexistent"}).status, 1);
  EXPECT_EQ(flywheel({"packet", "validate", "--file", "/"}).status, 1);
}

TEST(PacketValidate, KnowsTheProjectsOwnTypes) {
  const TestFolder project;
  project.write(".flywheel/schemas/msg-estimate.schema.json",
                R"({"allOf": [{"$ref": "envelope.schema.json"}],
                    "properties": {"msg_type": {"const": "ESTIMATE"}}})");
  project.write(".flywheel/schemas/resp-estimate.schema.json",
                R"({"type": "object", "required": ["hours"],
                    "properties": {"msg_type": {"const": "ESTIMATE_RESPONSE"},
                                   "hours": {"type": "number"}}})");
  project.write("deep/below/x", "");
  const std::vector<std::string> validate{"packet", "validate", "--stdin"};
  const std::string reply = R"({"msg_type": "ESTIMATE_RESPONSE", "hours": 2})";

  EXPECT_EQ(flywheel(validate, reply, project.path() / "deep/below").out,
            "OK: ESTIMATE_RESPONSE (stdin)\n");
  EXPECT_EQ(flywheel(validate, reply, "/").status, 2);

  project.write(".flywheel/schemas/resp-estimate.schema.json", R"({"type": "objekt"})");
  const Finished broken = flywheel(validate, reply, project.path());
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.err, HasSubstr("resp-estimate.schema.json"));
}

}  // namespace
}  // namespace app
