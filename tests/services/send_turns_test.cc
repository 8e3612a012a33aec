#include "bridge/services/send_turns.h"

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace services {
namespace {

namespace asio = boost::asio;

TEST(SendTurns, OneHasTheTurnAndTheOthersFollowInOrder) {
  asio::io_context loop;
  SendTurns turns;
  std::vector<std::string> log;
  const auto send = [&](std::string who) -> asio::awaitable<void> {
    auto turn = co_await turns.take();
    log.push_back(who + " begins");
    co_await asio::post(asio::use_awaitable);
    turn.note_armed();
    log.push_back(who + " ends");
  };
  for (const auto* who : {"a", "b", "c"}) asio::co_spawn(loop, send(who), asio::detached);
  loop.run();
  const std::vector<std::string> in_order{"a begins", "a ends",   "b begins",
                                          "b ends",   "c begins", "c ends"};
  EXPECT_EQ(log, in_order);
  EXPECT_EQ(turns.armed(), 3u);
}

TEST(SendTurns, WhoGivesUpLeavesTheTurnToTheNext) {
  asio::io_context loop;
  SendTurns turns;
  bool has_sent = false;
  const auto give_up = [&]() -> asio::awaitable<void> {
    std::optional<SendTurns::Turn> turn(co_await turns.take());
    co_await asio::post(asio::use_awaitable);
    turn.reset();
  };
  const auto send = [&]() -> asio::awaitable<void> {
    const auto turn = co_await turns.take();
    has_sent = true;
  };
  asio::co_spawn(loop, give_up(), asio::detached);
  asio::co_spawn(loop, send(), asio::detached);
  loop.run();
  EXPECT_TRUE(has_sent);
  EXPECT_EQ(turns.armed(), 0u);
}

}  // namespace
}  // namespace services
