// What may be done, by its risk, by who asks, and by what is switched off.
#include "bridge/services/actions/policy.h"

#include <string>
#include <string_view>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services::actions {
namespace {

namespace json = boost::json;
using agents::Tier;
using testing::HasSubstr;

// A program of this risk, called "work"; with "where" it is riskier by 40.
Catalogue works_of(int risk, std::string_view min_tier = "visitor") {
  const json::object where{{"where", json::object{{"type", "string"}}}};
  const json::object raise{{"when", json::object{{"required", json::array{"where"}}}}, {"add", 40}};
  const json::object params{
      {"type", "object"}, {"additionalProperties", false}, {"properties", where}};
  json::object configured;
  configured["work"] = json::object{{"kind", "program"},
                                    {"description", "Works."},
                                    {"risk", risk},
                                    {"min_tier", min_tier},
                                    {"params", params},
                                    {"argv", json::array{"/bin/true"}},
                                    {"raise", json::array{json::value(raise)}}};
  auto loaded = Catalogue::load({}, configured);
  BRIDGE_ASSERT(loaded);
  return *std::move(loaded);
}

Decision decided(int risk, Tier tier = Tier::operator_, json::object params = {}) {
  return decide(works_of(risk), {},
                {.action = "work", .params = std::move(params), .agent = "a-1", .tier = tier});
}

TEST(ActionPolicy, EachBandOfRiskAsksForWhatItMust) {
  struct Band {
    int from, to, approvers;
    bool is_told_whole;
  };
  for (const auto& band : {Band{0, 30, 0, false}, Band{31, 50, 0, true}, Band{51, 70, 1, true},
                           Band{71, 100, 2, true}}) {
    for (const int risk : {band.from, band.to}) {
      const auto decision = decided(risk);
      EXPECT_TRUE(decision.is_allowed) << risk;
      EXPECT_EQ(decision.risk, risk);
      EXPECT_EQ(decision.approvers, band.approvers) << risk;
      EXPECT_EQ(decision.is_told_whole, band.is_told_whole) << risk;
    }
  }
}

TEST(ActionPolicy, TheTierAndTheParametersCountTowardsTheRisk) {
  EXPECT_EQ(decided(40, Tier::visitor).risk, 60);
  EXPECT_EQ(decided(40, Tier::citizen).risk, 50);
  EXPECT_EQ(decided(40, Tier::operator_).risk, 40);
  EXPECT_EQ(decided(40, Tier::architect).risk, 35);
  EXPECT_EQ(decided(40, Tier::founder).risk, 30);
  const auto raised = decided(40, Tier::operator_, {{"where", "there"}});
  EXPECT_EQ(raised.risk, 80);
  EXPECT_EQ(raised.approvers, 2);
  EXPECT_EQ(decided(0, Tier::founder).risk, 0);
  EXPECT_EQ(decided(95, Tier::visitor).risk, 100);
}

TEST(ActionPolicy, WhatIsNotCertainlyAllowedIsNot) {
  const auto works = works_of(10, "citizen");
  const auto code_of = [&](const Wish& wish, const Kills& off = {}) {
    const auto decision = decide(works, off, wish);
    EXPECT_EQ(decision.is_allowed, decision.code.empty()) << decision.code;
    EXPECT_FALSE(decision.reasons.empty());
    return decision.code;
  };
  const Wish wish{
      .action = "work", .params = json::object(), .agent = "a-1", .tier = Tier::citizen};
  EXPECT_EQ(code_of(wish), "");
  auto other = wish;
  other.action = "wor";
  EXPECT_EQ(code_of(other), "unknown_action");
  other = wish;
  other.undoes = "what nothing takes back";
  EXPECT_EQ(code_of(other), "unknown_action");
  other = wish;
  other.tier = Tier::visitor;
  EXPECT_EQ(code_of(other), "tier_too_low");
  other = wish;
  other.params = json::object{{"were", "there"}};
  EXPECT_EQ(code_of(other), "invalid_params");
  other.params = json::array();
  EXPECT_EQ(code_of(other), "invalid_params");

  for (const auto* place : {"all", "action:work", "agent:a-1"}) {
    EXPECT_EQ(code_of(wish, {{place, "incident"}}), "switched_off") << place;
    EXPECT_THAT(decide(works, {{place, "incident"}}, wish).reasons.front(), HasSubstr("incident"));
  }
  for (const auto* place : {"action:wor", "agent:a-11", "agent:"}) {
    EXPECT_EQ(code_of(wish, {{place, "incident"}}), "") << place;
  }
}

}  // namespace
}  // namespace services::actions
