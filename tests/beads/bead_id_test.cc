#include "bridge/services/beads/bead_id.h"

#include "bridge/base/random.h"
#include "bridge/services/beads/archive.h"
#include "tests/beads/samples.h"

#include <algorithm>
#include <unordered_map>

#include <gtest/gtest.h>

namespace beads {
namespace {

// The rule of packets, written out once more.
bool fits(std::string_view id) {
  if (!id.starts_with("bd-") || id.size() < 5 || id.size() > 67) return false;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return is_word(id[3]) && std::ranges::all_of(id.substr(4), [&](char c) {
           return is_word(c) || c == '_' || c == '-';
         });
}

TEST(PacketId, IdsThatFitStayAsTheyAre) {
  for (const char* id : {"bd-rl42", "bd-a1", "bd-A_b-9", "bd-x-1", "bd-xy_"}) {
    EXPECT_EQ(packet_id(id), id);
    EXPECT_EQ(tracker_id(id), id);
  }
  const std::string longest = "bd-" + std::string(64, 'a');
  EXPECT_EQ(packet_id(longest), longest);
}

TEST(PacketId, OthersAreEscapedReadably) {
  EXPECT_EQ(packet_id("bd-2xb6.1"), "bd-x_bd-2xb6_2e1");
  EXPECT_EQ(packet_id("shop-77"), "bd-x_shop-77");
  EXPECT_EQ(packet_id("bd-7"), "bd-x_bd-7");
  EXPECT_EQ(packet_id("bd-x_esc"), "bd-x_bd-x_5fesc");
  EXPECT_EQ(packet_id("ü"), "bd-x__c3_bc");
  EXPECT_EQ(packet_id(""), "bd-x_");
}

TEST(PacketId, WhatIsTooLongBecomesAHash) {
  const std::string id = packet_id(std::string(300, 'a'));
  EXPECT_TRUE(id.starts_with("bd-h_"));
  EXPECT_EQ(id.size(), 67u);
  EXPECT_EQ(tracker_id(id), std::nullopt);
}

TEST(PacketId, NothingElseLeadsBack) {
  for (const char* id : {"", "bd-", "bd-a", "rl42", "bd-x_", "bd-x_a_", "bd-x_a_2", "bd-x_a_2E",
                         "bd-x_rl42_61", "bd-x_bd-rl42", "bd-2xb6.1", "bd-h_00"}) {
    const auto original = tracker_id(id);
    EXPECT_TRUE(!original || packet_id(*original) == id) << id;
  }
  EXPECT_EQ(tracker_id("bd-x_bd-rl42"), std::nullopt);  // bd-rl42 needs no escape
  EXPECT_EQ(tracker_id("bd-x_rl42_61"), std::nullopt);  // "a" needs none
}

// Ids of many shapes, close to one another and to the limits of the form.
std::string random_id(base::Random& random) {
  static constexpr std::string_view pieces[] = {"bd-", "bd-x_", "bd-h_", "x_", "_", "-", ".", "_2e",
                                                "_5f", "a",     "B",     "7",  "/", "ü", " ", "\n"};
  std::string id;
  const auto length = random.below(random.below(6) == 0 ? 40 : 8) + 1;
  for (std::uint64_t i = 0; i < length; ++i) id += pieces[random.below(std::size(pieces))];
  if (random.below(10) == 0) id += std::string(random.below(80), 'a');
  if (random.below(10) == 0) id = "bd-" + id;
  if (random.below(20) == 0) id += static_cast<char>(random.below(256));
  return id;
}

TEST(PacketId, AnyIdFitsAndDiffersAndLeadsBack) {
  base::SeededRandom random(20261126);
  std::unordered_map<std::string, std::string> originals;
  for (int i = 0; i < 50'000; ++i) {
    const std::string id = random_id(random);
    const std::string packet = packet_id(id);
    ASSERT_TRUE(fits(packet)) << id << " -> " << packet;
    ASSERT_EQ(originals.emplace(packet, id).first->second, id) << packet;
    ASSERT_EQ(packet == id, fits(id) && !id.starts_with("bd-x_") && !id.starts_with("bd-h_")) << id;
    if (packet.starts_with("bd-h_")) continue;
    ASSERT_EQ(tracker_id(packet), id);
  }
}

class ArchiveIds : public testing::Test {
 protected:
  // What the archive says after a packet about this bead was kept.
  std::string asked_and_found(const Bead& bead) {
    protocol::PacketParts parts{
        .type = "RFP_PLAN", .bead_id = packet_id(bead.id()), .sender = "me"};
    parts.context =
        json::object{{"repo", "r"}, {"branch", "b"}, {"goal", "g"}, {"constraints", json::array()}};
    const auto built = protocol::build(parts, types_, base::WallTime());
    EXPECT_TRUE(built) << built.error().message;
    const auto kept = archive_.keep_request(bead, built->packet, base::WallTime());
    EXPECT_TRUE(kept) << kept.error().message;
    return archive_.tracker_id(packet_id(bead.id())).value_or("");
  }

  app::TestFolder folder_;
  Archive archive_{folder_.path() / "flywheel"};
  protocol::MessageTypes types_ = protocol::MessageTypes::built_in();
};

TEST_F(ArchiveIds, LeadBackFromEveryPacketOfTheSamples) {
  for (const Bead& bead : sample_beads().all) EXPECT_EQ(asked_and_found(bead), bead.id());
}

TEST_F(ArchiveIds, LeadBackFromAHashOnlyOnceItIsNoted) {
  const Bead bead = *Bead::parse(json::serialize(json::object{{"id", std::string(900, 'z')}}));
  EXPECT_FALSE(archive_.tracker_id(packet_id(bead.id())));
  EXPECT_EQ(asked_and_found(bead), bead.id());
  EXPECT_FALSE(archive_.tracker_id("bd-h_../../x"));
}

TEST_F(ArchiveIds, ANoteOfAnotherBeadIsAConflict) {
  const Bead bead = sample("bd-7");
  folder_.write("flywheel/" + packet_id(bead.id()) + "/bead.json", R"({"id": "bd-8"})");
  protocol::PacketParts parts{.type = "RFP_PLAN", .bead_id = packet_id(bead.id()), .sender = "me"};
  parts.context =
      json::object{{"repo", "r"}, {"branch", "b"}, {"goal", "g"}, {"constraints", json::array()}};
  const auto built = protocol::build(parts, types_, base::WallTime());
  const auto kept = archive_.keep_request(bead, built->packet, base::WallTime());
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().code, base::Code::conflict);
}

}  // namespace
}  // namespace beads
