// Page profiles of a project: what is wrong with them is told, and what is empty matches nothing.
#include "bridge/chat/chrome.h"
#include "tests/chat/conversation_fixture.h"

#include <fstream>
#include <sstream>

#include <boost/json/serialize.hpp>

namespace chat_test {
namespace {

namespace json = boost::json;

constexpr auto broken = "[[";

// A project's folder of profiles, each a built-in one with changes.
class OwnProfiles {
 public:
  void change(const std::string& file, const std::function<void(json::value&)>& change) {
    std::ifstream in(std::string(SOURCE_DIR) + "/.flywheel/pages/" + file);
    std::ostringstream text;
    text << in.rdbuf();
    auto profile = must_be(base::parse_json(text.str()));
    change(profile);
    std::ofstream(path(file)) << json::serialize(profile);
  }
  std::string path(const std::string& file) const { return folder_.path() / file; }
  base::Result<chat::Profiles> load() const { return chat::Profiles::load(folder_.path()); }

 private:
  cdp_test::TemporaryDirectory folder_;
};

base::Task<std::unique_ptr<chat::ChatPage>> open(World& w, const OwnProfiles& own) {
  auto page = must(co_await w.browser->open("about:blank"));
  const auto profiles = must_be(own.load());
  co_return co_await chat::ChatPage::open(std::move(page), profiles, {.url = w.url}, w.clock);
}

// As soon as so many turns are drawn.
base::Task<chat::Sighting> look_at_turns(chat::ChatPage& chat, std::size_t turns) {
  for (;;) {
    CO_TRY(auto seen, co_await chat.look(10));
    if (seen.turns.size() >= turns) co_return std::move(seen);
  }
}

TEST(Profile, EverySelectorThatTheBrowserCannotReadIsToldByItsPlace) {
  const std::vector<std::string> places = {
      "/detect/0",      "/detect_none/0",       "/composer/form",    "/composer/editor",
      "/send/selector", "/composer/attachment", "/send/slot",        "/stop/selector",
      "/turns/turn",    "/turns/user",          "/turns/user_text",  "/turns/assistant",
      "/turns/answer",  "/turns/exclude",       "/turns/running",    "/turns/failed",
      "/turns/stopped", "/turns/finished",      "/signs/0/selector", "/signs/0/unless"};
  OwnProfiles own;
  own.change("common.json", [](json::value& profile) { profile.at("dialogs") = broken; });
  own.change("shell-c.json", [&](json::value& profile) {
    profile.at("detect") = json::array{broken};
    profile.at("detect_none") = json::array{broken};
    profile.at("signs") = json::array{json::object{
        {"name", "a"}, {"state", "challenge"}, {"selector", broken}, {"unless", broken}}};
    for (const auto& place : places) profile.at_pointer(place) = broken;
  });
  in_world(with("C"), [&](World& w) -> Story {
    auto chat = must_be(co_await open(w, own));
    const auto state = co_await chat->state();
    EXPECT_FALSE(state);
    if (state) co_return;
    EXPECT_EQ(state.error().code, base::Code::invalid);
    const std::string& why = state.error().message;
    const auto told = [&](const std::string& file, const std::string& place) {
      return why.find(own.path(file) + ": " + place + ": \"[[\"") != std::string::npos;
    };
    for (const auto& place : places) EXPECT_TRUE(told("shell-c.json", place)) << place << why;
    EXPECT_TRUE(told("common.json", "/dialogs")) << why;
    EXPECT_EQ(why.find("built-in profile"), std::string::npos) << why;
    (void)co_await chat->page().close();
  });
}

TEST(Profile, AWatchedTabOfSuchAProfileIsOfAnUnknownPageAndHasNotCrashed) {
  OwnProfiles own;
  own.change("shell-c.json",
             [](json::value& profile) { profile.at_pointer("/turns/user") = broken; });
  in_world(with("C"), [&](World& w) -> Story {
    const auto tab = chat::live_tab(must_be(co_await open(w, own)));
    const auto glance = co_await tab->next(base::Instant::max());
    EXPECT_TRUE(glance.is_over);
    EXPECT_EQ(chat::name(glance.judged.state), "unknown_ui");
    EXPECT_NE(glance.judged.evidence.find("/turns/user"), std::string::npos)
        << glance.judged.evidence;
    must_be(co_await tab->close());
  });
}

TEST(Profile, AnEmptySelectorMatchesNothing) {
  OwnProfiles own;
  own.change("common.json", [](json::value& profile) {
    profile.at("content") = "";
    profile.at("signs") =
        json::array{json::object{{"name", "never"}, {"state", "challenge"}, {"selector", ""}},
                    json::object{{"name", "form"}, {"state", "work_gate"}, {"selector", "form"}}};
  });
  own.change("shell-c.json", [](json::value& profile) {
    for (const char* place : {"/turns/user_text", "/turns/exclude", "/composer/attachment"}) {
      profile.at_pointer(place) = "";
    }
  });
  OwnProfiles without_users;
  without_users.change("shell-c.json",
                       [](json::value& profile) { profile.at_pointer("/turns/user") = ""; });
  in_world(with("C", R"({"history": 1})"), [&](World& w) -> Story {
    auto chat = must_be(co_await open(w, own));
    const auto seen = must_be(co_await look_at_turns(*chat, 2));
    EXPECT_EQ(seen.turns.size(), 2u);
    EXPECT_EQ(seen.turns.front().role, "user");
    EXPECT_FALSE(seen.turns.front().text.empty());
    EXPECT_EQ(seen.signs.size(), 1u);
    if (!seen.signs.empty()) EXPECT_EQ(seen.signs.front().name, "form");
    (void)co_await chat->page().close();

    auto other = must_be(co_await open(w, without_users));
    const auto answers = must_be(co_await look_at_turns(*other, 1));
    EXPECT_EQ(answers.turns.size(), 1u);
    EXPECT_EQ(answers.turns.front().role, "assistant");
    (void)co_await other->page().close();
  });
}

TEST(Profile, WhatIsNoProfileIsRefusedAtTheLoadWithItsFileAndPlace) {
  const auto refusal = [](const std::string& file,
                          const std::function<void(json::value&)>& change) {
    OwnProfiles own;
    own.change(file, change);
    const auto loaded = own.load();
    if (loaded) return std::string("loaded");
    EXPECT_EQ(loaded.error().code, base::Code::invalid);
    return loaded.error().message;
  };
  const auto unknown_state = refusal("common.json", [](json::value& profile) {
    profile.at_pointer("/signs/0/state") = "haunted";
  });
  EXPECT_NE(unknown_state.find("common.json: sign challenge-title: \"haunted\" is no page state"),
            std::string::npos)
      << unknown_state;
  const auto unknown_member =
      refusal("shell-b.json", [](json::value& profile) { profile.as_object()["colour"] = "red"; });
  EXPECT_NE(unknown_member.find("shell-b.json"), std::string::npos) << unknown_member;
  EXPECT_NE(unknown_member.find("/colour"), std::string::npos) << unknown_member;
  const auto no_turns =
      refusal("shell-b.json", [](json::value& profile) { profile.as_object().erase("turns"); });
  EXPECT_NE(no_turns.find("shell-b.json"), std::string::npos) << no_turns;
  EXPECT_NE(no_turns.find("turns"), std::string::npos) << no_turns;

  OwnProfiles torn;
  std::ofstream(torn.path("shell-x.json")) << "{\"name\": ";
  const auto loaded = torn.load();
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find(torn.path("shell-x.json") + ": not JSON"),
            std::string::npos)
      << loaded.error().message;
}

TEST(Profile, WhatIsNoNameOfAnAttributeIsRefusedAtTheLoad) {
  OwnProfiles own;
  own.change("shell-c.json",
             [](json::value& profile) { profile.at_pointer("/turns/message_ids") = "data ids"; });
  const auto loaded = own.load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, base::Code::invalid);
  EXPECT_NE(loaded.error().message.find("/turns/message_ids"), std::string::npos)
      << loaded.error().message;
}

}  // namespace
}  // namespace chat_test
