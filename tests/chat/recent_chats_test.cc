#include "bridge/chat/recent_chats.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using chat::RecentChats;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string item(std::string_view id, std::string_view gpt = "null") {
  return fmt::format(R"({{"id": "{}", "title": "T", "gizmo_id": {}}})", id, gpt);
}

std::string list_of(std::string_view items) {
  return fmt::format(R"({{"items": [{}], "total": 40, "limit": 28, "offset": 0}})", items);
}

TEST(RecentChats, ThoseOfOneGptAreNamedInTheProvidersOrder) {
  const auto list = RecentChats::parse(
      list_of(item("a-1") + "," + item("b-2", R"("g-1a2b")") + "," + item("c-3", R"("g-p-7f")") +
              "," + item("d-4", R"("g-1a2b")") + "," + item("e-5", R"("g-1a2b3c")")));

  ASSERT_TRUE(list) << list.error().message;
  EXPECT_THAT(list->begun_at("/"), ElementsAre("a-1"));
  EXPECT_THAT(list->begun_at("/g/g-1a2b-some-planner"), ElementsAre("b-2", "d-4"));
  EXPECT_THAT(list->begun_at("/g/g-1a2b"), ElementsAre("b-2", "d-4"));
  EXPECT_THAT(list->begun_at("/g/g-p-7f-a-project/project"), ElementsAre("c-3"));
  EXPECT_THAT(list->begun_at("/g/g-1a-other"), IsEmpty());
  EXPECT_THAT(list->begun_at("/share/a-1"), IsEmpty());
}

TEST(RecentChats, OnlyTheNewestAreLookedInto) {
  std::string items = item("c-0");
  for (int i = 1; i < 28; ++i) items += "," + item(fmt::format("c-{}", i));
  const auto list = RecentChats::parse(list_of(items));

  ASSERT_TRUE(list) << list.error().message;
  EXPECT_THAT(list->begun_at("/"), SizeIs(chat::chats_searched_max));
  EXPECT_EQ(list->begun_at("/").front(), "c-0");
}

TEST(RecentChats, NoListTakesThePlaceOfAnother) {
  std::string pinned = item("p-0");
  for (int i = 1; i < 9; ++i) pinned += "," + item(fmt::format("p-{}", i));
  auto told = RecentChats::parse(list_of(pinned));
  auto newest = RecentChats::parse(list_of(item("a-1") + "," + item("p-3") + "," + item("b-2")));
  auto none = RecentChats::parse(list_of(""));
  ASSERT_TRUE(told && newest && none);
  told->join(*std::move(none));
  EXPECT_FALSE(told->is_empty());
  told->join(*std::move(newest));
  EXPECT_THAT(told->begun_at("/"), ElementsAre("p-0", "p-1", "p-2", "p-3", "p-4", "a-1", "b-2"));

  // What comes when there are enough is left out.
  auto late = RecentChats::parse(list_of(item("late")));
  ASSERT_TRUE(late);
  told->join(*std::move(late));
  EXPECT_THAT(told->begun_at("/"), SizeIs(7));
}

TEST(RecentChats, AListWithAnythingStrangeIsNone) {
  for (const std::string& body :
       {std::string("[]"), std::string("{}"), std::string("not JSON"),
        std::string(R"({"items": {}})"), list_of("7"), list_of(R"({"gizmo_id": null})"),
        list_of(R"({"id": 7, "gizmo_id": null})"), list_of(R"({"id": "a-1"})"),
        list_of(R"({"id": "a-1", "gizmo_id": 7})"), list_of(item("a-1", R"("")")),
        list_of(item("")), list_of(item("../a")), list_of(item("a?b")),
        list_of(item(std::string(65, 'a'))), list_of(item("a-1") + "," + item("WEB:7"))}) {
    EXPECT_FALSE(RecentChats::parse(body)) << body;
  }
  EXPECT_FALSE(RecentChats::parse(list_of("") + std::string(chat::chat_list_bytes_max, ' ')));
  std::string many = item("c-0");
  for (std::size_t i = 1; i <= chat::chats_listed_max; ++i) {
    many += "," + item(fmt::format("c-{}", i));
  }
  EXPECT_FALSE(RecentChats::parse(list_of(many)));
  const auto empty = RecentChats::parse(list_of(""));
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_TRUE(empty->is_empty());
}

}  // namespace
