#include "bridge/base/scope.h"

#include "bridge/base/clock.h"

#include <memory>
#include <stdexcept>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace base {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

TEST(Scope, JoinCancelsTasksAndWaitsForTheirCleanup) {
  asio::io_context loop;
  SystemClock clock;
  int cleaned = 0;
  auto task = [&]() -> asio::awaitable<void> {
    struct Cleanup {
      int& count;
      ~Cleanup() { ++count; }
    } cleanup{cleaned};
    co_await clock.sleep_until(clock.now() + 1h);
  };
  auto owner = [&]() -> asio::awaitable<void> {
    Scope scope(loop.get_executor());
    scope.spawn(task());
    scope.spawn(task());
    co_await asio::post(loop.get_executor(), asio::use_awaitable);
    co_await scope.join();
    EXPECT_EQ(cleaned, 2);
  };
  asio::co_spawn(loop, owner(), asio::detached);
  loop.run();
  EXPECT_EQ(cleaned, 2);
}

TEST(SpawnOwned, TheOwnerOutlivesTheTasksLastLookAtItsCancellation) {
  struct Owner {
    asio::cancellation_signal cancel;
  };
  asio::io_context loop;
  auto owner = std::make_shared<Owner>();
  const std::weak_ptr<Owner> watched = owner;
  bool was_there = false;
  // Ends without a pause: the loop then takes one more turn with the task, after what is posted.
  auto task = [&](std::shared_ptr<Owner>) -> asio::awaitable<void> {
    asio::post(loop, [&] { was_there = !watched.expired(); });
    co_return;
  };
  spawn_owned(loop.get_executor(), owner, owner->cancel, task(owner));
  owner.reset();
  loop.run();
  EXPECT_TRUE(was_there);
  EXPECT_TRUE(watched.expired());
}

TEST(WithDeadline, ASlowTaskEndsAsTimeoutNamingWhatWasDone) {
  asio::io_context loop;
  SystemClock clock;
  auto slow = [&]() -> Task<int> {
    co_await clock.sleep_until(clock.now() + 1h);
    co_return 1;
  };
  auto owner = [&]() -> asio::awaitable<void> {
    auto result = co_await with_deadline(slow(), 1ms, "read page");
    EXPECT_FALSE(result);
    if (!result) {
      EXPECT_EQ(result.error().code, Code::timeout);
      EXPECT_EQ(result.error().message, "read page: no answer in time");
    }
  };
  asio::co_spawn(loop, owner(), asio::detached);
  loop.run();
}

TEST(Beside, TheHelperRunsUntilTheTaskHasItsResult) {
  asio::io_context loop;
  SystemClock clock;
  bool is_unwound = false;
  auto helper = [&]() -> asio::awaitable<void> {
    struct Unwound {
      bool& flag;
      ~Unwound() { flag = true; }
    } unwound{is_unwound};
    co_await clock.sleep_until(clock.now() + 1h);
  };
  auto quick = []() -> Task<int> { co_return 7; };
  auto owner = [&]() -> asio::awaitable<void> {
    auto result = co_await beside(helper(), quick());
    EXPECT_EQ(result.value(), 7);
    EXPECT_TRUE(is_unwound);
  };
  asio::co_spawn(loop, owner(), asio::detached);
  loop.run();
  EXPECT_TRUE(is_unwound);
}

TEST(WithDeadline, ResultsAndExceptionsOfTheTaskComeOut) {
  asio::io_context loop;
  auto quick = []() -> Task<int> { co_return 7; };
  auto broken = []() -> Task<int> {
    throw std::logic_error("bug");
    co_return 0;
  };
  auto owner = [&]() -> asio::awaitable<void> {
    auto result = co_await with_deadline(quick(), 1h, "x");
    EXPECT_EQ(result.value(), 7);
    bool thrown = false;
    try {
      (void)co_await with_deadline(broken(), 1h, "x");
    } catch (const std::logic_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  };
  asio::co_spawn(loop, owner(), asio::detached);
  loop.run();
}

}  // namespace
}  // namespace base
