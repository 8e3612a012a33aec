// A window in which nobody has signed in yet: a real page of the look-alike site.
#include "bridge/app/sign_in_by_hand.h"

#include "tests/chat/conversation_fixture.h"

#include <csignal>
#include <functional>
#include <sstream>
#include <utility>

namespace app {
namespace {

// A person acts while the bridge rests for the first time.
class FirstRest final : public base::Clock {
 public:
  explicit FirstRest(std::function<chat_test::Story()> act) : act_(std::move(act)) {}

  base::Instant now() const override { return real_.now(); }
  base::WallTime wall() const override { return real_.wall(); }
  boost::asio::awaitable<void> sleep_until(base::Instant when) override {
    const auto act = std::exchange(act_, nullptr);
    if (act) {
      co_await act();
    } else {
      co_await real_.sleep_until(when);
    }
  }

 private:
  std::function<chat_test::Story()> act_;
  base::SystemClock real_;
};

enum class WindowEnd { tab_closes, tab_crashes, browser_ends };

chat_test::Story end_window(chat_test::World& w, WindowEnd end) {
  switch (end) {
    case WindowEnd::tab_closes:
      (void)co_await w.chat->page().close();
      break;
    case WindowEnd::tab_crashes:
      (void)co_await w.chat->page().call("Page.crash", {}, std::chrono::milliseconds(500));
      break;
    case WindowEnd::browser_ends:
      ::kill(w.browser->process_id(), SIGTERM);
      (void)co_await w.browser->gone();
      break;
  }
}

// The result of waiting at a page that asks for a sign-in, with what was told meanwhile.
struct Waited {
  base::Result<> result;
  std::string told;
};

boost::asio::awaitable<Waited> wait_with(chat_test::World& w,
                                         std::function<chat_test::Story()> act) {
  const auto settled = co_await w.chat->wait_until_ready();
  EXPECT_EQ(settled ? "ready" : settled.error().reason, "login_required");
  FirstRest clock(std::move(act));
  std::ostringstream told;
  auto result = co_await wait_for_sign_in(*w.chat, told, clock);
  co_return Waited{std::move(result), told.str()};
}

const auto signed_out = [] { return chat_test::with("B", R"({"state": "login_modal"})"); };

class SignInByHand : public testing::TestWithParam<WindowEnd> {};

TEST_P(SignInByHand, EndsWhenTheWindowIsThereNoMore) {
  chat_test::in_world(signed_out(), [](chat_test::World& w) -> chat_test::Story {
    const auto waited = co_await wait_with(w, [&w] { return end_window(w, GetParam()); });
    EXPECT_EQ(waited.told.find("  login_required: "), 0u) << waited.told;
    EXPECT_FALSE(waited.result);
    if (waited.result) co_return;
    const bool is_crash = GetParam() == WindowEnd::tab_crashes;
    EXPECT_EQ(waited.result.error().code,
              is_crash ? base::Code::unavailable : base::Code::login_required);
    const std::string& why = waited.result.error().message;
    EXPECT_NE(why.find(is_crash ? "crashed" : "the window was closed"), std::string::npos) << why;
    EXPECT_NE(why.find("flywheel session login"), std::string::npos) << why;
  });
}

INSTANTIATE_TEST_SUITE_P(Windows, SignInByHand,
                         testing::Values(WindowEnd::tab_closes, WindowEnd::tab_crashes,
                                         WindowEnd::browser_ends));

TEST(SignInByHandTest, EndsByItselfWhenTheConversationIsReady) {
  chat_test::in_world(signed_out(), [](chat_test::World& w) -> chat_test::Story {
    const auto sign_in = [&w]() -> chat_test::Story {
      w.site->set_knobs(w.url, chat_test::with("B"));
      chat_test::must_be(co_await w.chat->load());
    };
    const auto waited = co_await wait_with(w, sign_in);
    EXPECT_TRUE(waited.result) << waited.result.error().message;
    EXPECT_EQ(waited.told.find("  login_required: "), 0u) << waited.told;
    const auto now = chat_test::must_be(co_await w.chat->state());
    EXPECT_TRUE(now.can_send) << chat::name(now.state);
  });
}

}  // namespace
}  // namespace app
