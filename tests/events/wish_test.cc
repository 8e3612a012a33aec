#include "bridge/services/events/cloud_event.h"

#include <gtest/gtest.h>

namespace events {
namespace {

engine::Entry entry(std::string type, std::string subject, json::object data = {}) {
  engine::Entry made;
  made.type = std::move(type);
  made.subject = std::move(subject);
  made.data = std::move(data);
  return made;
}

TEST(Wishes, AnEventMustBeOnEveryListThatIsNotEmpty) {
  const Wish wish{.types = {"agent."}, .subjects = {"a", "b"}, .categories = {"travel-commerce"}};
  const json::object travel{{"category", "Travel & Commerce"}};
  EXPECT_TRUE(wish.matches(entry("agent.offline", "a", travel)));
  EXPECT_FALSE(wish.matches(entry("packet.sent", "a", travel)));
  EXPECT_FALSE(wish.matches(entry("agent.offline", "c", travel)));
  EXPECT_FALSE(wish.matches(entry("agent.offline", "a", {{"category", "core"}})));
  EXPECT_FALSE(wish.matches(entry("agent.offline", "a")));
  EXPECT_TRUE(Wish{}.matches(entry("agent.offline", "a")));
}

TEST(Wishes, AStarForTheNounIsEverythingAndOneInTheMiddleIsRefused) {
  for (const auto* all : {"*", "flywheel", "flywheel.", "flywheel.*", "flywheel.*.v1"}) {
    const auto wish = wish_of(all, {});
    ASSERT_TRUE(wish) << all;
    EXPECT_TRUE(wish->matches(entry("packet.sent", "a"))) << all;
    EXPECT_TRUE(wish->matches(entry("agent.offline", "a"))) << all;
  }
  for (const auto* noun : {"packet", "packet.", "packet.*", "flywheel.packet.*.v1"}) {
    EXPECT_EQ(*type_pattern(noun), "packet.") << noun;
  }
  for (const auto* odd : {"a.*.b", "flywheel.a.*.b.v1", "*.sent", "flywheel.*.sent", "pack*"}) {
    const auto wish = wish_of(odd, {});
    ASSERT_FALSE(wish) << odd;
    EXPECT_EQ(wish.error().code, base::Code::invalid) << odd;
  }
}

TEST(Wishes, OnlyWhatIsAboutAgentsMayHaveACategory) {
  for (const auto* word :
       {"agent", "flywheel.mission.begun.v1", "message.*", "memory.stored", "*"}) {
    EXPECT_TRUE(may_have_category(*type_pattern(word))) << word;
  }
  for (const auto* word : {"packet.*", "messages.sent", "workflow", "flywheel.query.sent.v1"}) {
    EXPECT_FALSE(may_have_category(*type_pattern(word))) << word;
  }
}

TEST(Wishes, CategoriesHaveOneSpelling) {
  for (const auto* same :
       {"travel-commerce", "Travel & Commerce", "travel_commerce", " Travel  Commerce "}) {
    EXPECT_EQ(category_key(same), "travel-commerce") << same;
  }
  EXPECT_EQ(category_key("&&"), "");
}

}  // namespace
}  // namespace events
