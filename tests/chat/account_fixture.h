// An account over a fake browser in virtual time.
#pragma once

#include "tests/chat/fake_browser.h"

#include <gtest/gtest.h>

namespace chat_test {

template <class T>
T must_be_well(base::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class AccountTest : public testing::Test {
 protected:
  // Plays the story against a new account and closes it. Fails if everybody waits for ever.
  void play(const std::function<Wait()>& story) {
    chat::SessionListener listener{
        .on_account =
            [this](const chat::SessionView& view) {
              told.emplace_back(chat::name(view.state));
              views.push_back(view);
            },
        .on_conversation =
            [this](const chat::SessionView& view) {
              told_of.push_back(view.conversation + " " + std::string(chat::name(view.state)));
            }};
    chat::Account under_test(loop.get_executor(), launcher, world.clock, random, options,
                             std::move(listener));
    account = &under_test;
    bool has_ended = false;
    std::exception_ptr error;
    const auto whole = [&]() -> Wait {
      try {
        co_await story();
      } catch (const std::runtime_error& failure) {
        ADD_FAILURE() << failure.what();
      }
      co_await under_test.close();
    };
    boost::asio::co_spawn(loop, whole(), [&](std::exception_ptr thrown) {
      has_ended = true;
      error = std::move(thrown);
    });
    const bool is_done = test::run_virtually(loop, world.clock, [&] { return has_ended; });
    ASSERT_TRUE(is_done) << "everybody waits and nobody sleeps";
    if (error) std::rethrow_exception(error);
    EXPECT_EQ(world.alive, 0);
    EXPECT_LE(world.alive_max, 1) << "two browsers ran at once";
    loop.restart();
    loop.poll();
  }

  boost::asio::awaitable<std::unique_ptr<chat::Conversation>> open(std::string url) {
    co_return must_be_well(co_await account->conversations().open(std::move(url)));
  }
  // Opens and gives back.
  Wait visit(std::string url) { (void)co_await open(std::move(url)); }
  Wait pass(base::Instant::duration time) {
    co_await world.clock.sleep_until(world.clock.now() + time);
  }
  // Until the condition holds.
  Wait until(std::function<bool()> holds) {
    while (!holds()) co_await pass(std::chrono::milliseconds(50));
  }
  Wait until_up() {
    co_await until([&] { return account->keeper().current() != nullptr; });
  }
  FakeBrowser& browser() { return *world.browsers.back(); }
  std::string account_state() const {
    return std::string(chat::name(account->session().account().state));
  }

  boost::asio::io_context loop;
  FakeWorld world{loop};
  FakeLauncher launcher{world};
  base::SeededRandom random{7};
  chat::AccountOptions options{.care = {.home_url = "https://chat.test/c/home",
                                        .check_pause = std::chrono::minutes(10),
                                        .may_take_screenshots = true},
                               .tabs_max = 2,
                               .window = cdp::Window::headless};
  chat::Account* account = nullptr;
  std::vector<std::string> told;     // states of the account, in order
  std::vector<std::string> told_of;  // conversations and their states, in order
  std::vector<chat::SessionView> views;
};

}  // namespace chat_test
