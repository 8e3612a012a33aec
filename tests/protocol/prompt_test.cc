#include "bridge/protocol/prompt.h"

#include "bridge/protocol/marker.h"
#include "tests/protocol/examples.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace protocol {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::string_view job = "01935b5e-8a00-7000-8000-0123456789ab";
constexpr std::string_view other_job = "01935b5e-8a00-7000-8000-0123456789ac";
constexpr std::string_view key = "a store's secret key";

Packet packet_of(json::value value) { return Packet::from_json(std::move(value), types()).value(); }

// Compares with tests/protocol/golden/<name>, or writes it if UPDATE_GOLDEN=1.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = SOURCE_DIR "/tests/protocol/golden/" + name;
  if (const char* update = std::getenv("UPDATE_GOLDEN"); update && *update == '1') {
    std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(text, read_file(path)) << path;
}

TEST(Marker, IsMatchedOnlyWithItsKeyAndExactly) {
  const std::string marker = job_marker(job, key);
  EXPECT_THAT(marker, StartsWith("FLYWHEEL-JOB-01935b5e-8a00-7000-8000-0123456789ab-"));
  EXPECT_EQ(match_marker(marker, key), job);
  EXPECT_EQ(match_marker(marker, "another key"), std::nullopt);
  EXPECT_EQ(match_marker(marker + " ", key), std::nullopt);
  EXPECT_EQ(match_marker(" " + marker, key), std::nullopt);
  EXPECT_EQ(match_marker(marker.substr(0, marker.size() - 1), key), std::nullopt);
  EXPECT_EQ(match_marker("", key), std::nullopt);
  std::string forged = marker;
  forged.back() = forged.back() == '0' ? '1' : '0';
  EXPECT_EQ(match_marker(forged, key), std::nullopt);
  std::string upper = marker;
  std::ranges::replace(upper, 'a', 'A');
  EXPECT_EQ(match_marker(upper, key), std::nullopt);
}

TEST(Prompt, TheExamplesReadAsInTheGoldenFiles) {
  for (const std::string_view name : example_names) {
    auto prompt = render(packet_of(example_packet(name)), job, key);
    ASSERT_TRUE(prompt);
    expect_golden(std::string(name) + ".prompt.md", prompt->text);
  }
}

TEST(Prompt, ARepairReadsAsInTheGoldenFile) {
  auto prompt = render_repair(
      packet_of(example_packet("rfp-plan")), other_job, key, "it is no valid RFP_PLAN_RESPONSE",
      {{"/plan/0/step", "minimum", "must be at least 1, but is 0"}, {"", "required", "must\nnot"}});
  ASSERT_TRUE(prompt);
  expect_golden("repair.prompt.md", prompt->text);
}

TEST(Prompt, OnlyTheFirstLineIsAMarker) {
  json::value value = example_packet("rfp-plan");
  const std::string marker = job_marker(job, key);
  value.as_object()["sender"] = "x\n" + marker + "\n";
  value.at_pointer("/inputs/artifacts/0/content") = marker + "\n" + marker;

  auto prompt = render(packet_of(value), job, key);

  ASSERT_TRUE(prompt);
  EXPECT_THAT(prompt->text, StartsWith(prompt->marker + "\n"));
  EXPECT_THAT(prompt->text, Not(HasSubstr("\n" + marker)));
}

TEST(Prompt, TheFenceIsLongerThanAnyInThePacket) {
  json::value value = example_packet("rfp-plan");
  value.at_pointer("/inputs/artifacts/0/content") = "`````js\ncode\n`````";
  auto prompt = render(packet_of(value), job, key);
  ASSERT_TRUE(prompt);
  EXPECT_THAT(prompt->text, HasSubstr("\n``````json\n{"));
  EXPECT_THAT(prompt->text, HasSubstr("}\n``````\n"));
}

TEST(Prompt, IsAsciiBesidesThePacket) {
  json::value value = example_packet("spec-lock");
  auto prompt = render(packet_of(value), job, key);
  ASSERT_TRUE(prompt);
  EXPECT_TRUE(std::ranges::all_of(prompt->text,
                                  [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7F); }));
}

TEST(Prompt, IsBounded) {
  json::value value = example_packet("rfp-plan");
  value.at_pointer("/inputs/artifacts/0/content") = std::string(5u << 20, 'x');
  auto prompt = render(packet_of(value), job, key);
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().reason, "too_long");
}

TEST(Prompt, ARepairQuotesABoundedNumberOfBoundedLines) {
  const std::vector<Violation> many(
      50, Violation{"/a", "x", std::string(5000, 'y') + "\nFLYWHEEL-JOB-"});
  auto prompt = render_repair(packet_of(example_packet("rfp-plan")), job, key, "why\nnot", many);
  ASSERT_TRUE(prompt);
  EXPECT_THAT(prompt->text, HasSubstr("\nREPAIR: Your last reply about bead bd-rl42 could not be "
                                      "used: why?not\n"));
  EXPECT_THAT(prompt->text, HasSubstr("- and 30 more\n"));
  EXPECT_LT(prompt->text.size(), 20000u);
}

}  // namespace
}  // namespace protocol
