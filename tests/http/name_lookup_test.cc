#include "bridge/http/name_lookup.h"

#include "bridge/base/scope.h"
#include "tests/http/fixture.h"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

namespace asio = boost::asio;
using http_test::Story;

void run(std::function<Story()> story) {
  asio::io_context loop(1);
  std::exception_ptr bug;
  asio::co_spawn(loop, story(), [&](const std::exception_ptr& thrown) { bug = thrown; });
  loop.run();
  if (bug) std::rethrow_exception(bug);
}

TEST(NameLookup, FindsTheAddressesOfAName) {
  run([]() -> Story {
    const auto found = co_await http::look_up("localhost", "8765");
    EXPECT_TRUE(found) << found.error().message;
    for (const auto& endpoint : *found) {
      EXPECT_TRUE(endpoint.address().is_loopback());
      EXPECT_EQ(endpoint.port(), 8765);
    }
    EXPECT_FALSE(found->empty());
  });
}

TEST(NameLookup, SaysThatThereIsNoSuchName) {
  run([]() -> Story {
    const auto found = co_await http::look_up("no such name", "80");
    EXPECT_FALSE(found);
    EXPECT_EQ(found.error().code, base::Code::unavailable);
    EXPECT_FALSE(found.error().message.empty());
  });
}

TEST(NameLookup, OneThatNeverEndsIsLeftBehind) {
  run([]() -> Story {
    http::LookedUp late;
    const http::StartLookup silent = [&late](const asio::any_io_executor&, std::string, std::string,
                                             http::LookedUp then) { late = std::move(then); };
    const auto found = co_await base::with_deadline(http::look_up("name", "80", silent),
                                                    std::chrono::milliseconds(1), "look up name");
    EXPECT_FALSE(found);
    EXPECT_EQ(found.error().code, base::Code::timeout);
    late({}, {});  // Nobody waits any more, and nothing of the waiter is touched.
  });
}

}  // namespace
