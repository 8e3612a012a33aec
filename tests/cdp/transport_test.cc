#include "cdp/transport.h"

#include "cdp/base64.h"
#include "cdp/connection.h"
#include "cdp/limits.h"
#include "tests/cdp/browser_fixture.h"

#include <array>
#include <fstream>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
using cdp::Failure;
using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;
using Socket = asio::local::stream_protocol::socket;

// A transport and the browser's end of it.
struct Pair {
  std::shared_ptr<cdp::Transport> transport;
  Socket peer;
};

asio::awaitable<Pair> make_pair() {
  auto executor = co_await asio::this_coro::executor;
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) throw std::runtime_error("pair");
  co_return Pair{cdp::pipe_transport(executor, ::dup(ends[0]), ends[0]),
                 Socket(executor, asio::local::stream_protocol(), ends[1])};
}

asio::awaitable<void> write(Socket& socket, std::string_view text) {
  co_await asio::async_write(socket, asio::buffer(text), asio::use_awaitable);
}

using namespace std::string_view_literals;

TEST(Subscription, ASinkTakesOnlyWhatNothingIsQueuedBefore) {
  run([]() -> Story {
    auto executor = co_await asio::this_coro::executor;
    auto pair = co_await make_pair();
    auto connection = cdp::Connection::open(executor, pair.transport);
    auto events = connection->subscribe("", {"A.many", "A.rare"});
    std::vector<std::string> taken;
    events.offer("A.many", [&](std::string_view params) {
      taken.emplace_back(params);
      return params != "{\"n\":2}";
    });
    // Once the reader waits.
    asio::post(executor, [&] {
      pair.peer.write_some(
          asio::buffer("{\"method\":\"A.many\",\"params\":{\"n\":1}}\0"
                       "{\"method\":\"A.many\",\"params\":{\"n\":2}}\0"
                       "{\"method\":\"A.rare\",\"params\":{\"n\":3}}\0"
                       "{\"method\":\"A.many\",\"params\":{\"n\":4}}\0"sv));
    });
    const auto deadline = cdp::Clock::now() + std::chrono::seconds(20);
    for (const char* params : {"{\"n\":2}", "{\"n\":3}", "{\"n\":4}"}) {
      EXPECT_EQ(must(co_await events.next(deadline)).params_text(), params);
    }
    EXPECT_EQ(taken, (std::vector<std::string>{"{\"n\":1}", "{\"n\":2}"}));
    connection->close({Failure::closed, 0, "the test is over"});
  });
}

TEST(PipeTransport, MessagesSurviveAnyCut) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    co_await write(pair.peer, "one\0two\0thr"sv);
    EXPECT_EQ(must(co_await pair.transport->receive()), "one");
    EXPECT_EQ(must(co_await pair.transport->receive()), "two");
    co_await write(pair.peer, "ee\0\0"sv);
    EXPECT_EQ(must(co_await pair.transport->receive()), "three");
    EXPECT_EQ(must(co_await pair.transport->receive()), "");
  });
}

TEST(PipeTransport, AMessageMayBeLargerThanAnyBuffer) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    std::string large(5'000'000, 'x');
    auto executor = co_await asio::this_coro::executor;
    auto sender = [](Socket& socket, std::string text) -> asio::awaitable<void> {
      co_await write(socket, text);
      co_await write(socket, "\0small\0"sv);
    };
    asio::co_spawn(executor, sender(pair.peer, large), asio::detached);

    EXPECT_EQ(must(co_await pair.transport->receive()), large);
    EXPECT_EQ(must(co_await pair.transport->receive()), "small");
  });
}

TEST(PipeTransport, SentMessagesArriveWholeAndInOrderThroughASlowReader) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    std::string large(3'000'000, 'x');
    must(pair.transport->send(large));
    must(pair.transport->send("second"));

    std::string read;
    for (auto expected : {std::string_view(large), "second"sv}) {
      auto count = co_await asio::async_read_until(pair.peer, asio::dynamic_buffer(read), '\0',
                                                   asio::use_awaitable);
      EXPECT_EQ(read.substr(0, count - 1), expected);
      read.erase(0, count);
    }
  });
}

TEST(PipeTransport, WhatIsNotReadIsBounded) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    std::string large(cdp::limits::outbox_bytes_max / 2, 'x');
    must(pair.transport->send(large));

    EXPECT_EQ(pair.transport->send(large).error().failure, Failure::overflow);
  });
}

TEST(PipeTransport, AClosedPeerEndsIt) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    pair.peer.close();

    EXPECT_EQ((co_await pair.transport->receive()).error().failure, Failure::closed);
    EXPECT_EQ(pair.transport->send("x").error().failure, Failure::closed);
  });
}

TEST(PipeTransport, ClosingEndsAWaitingReceive) {
  run([]() -> Story {
    auto pair = co_await make_pair();
    asio::post(co_await asio::this_coro::executor,
               [transport = pair.transport] { transport->close(); });

    EXPECT_EQ((co_await pair.transport->receive()).error().failure, Failure::closed);
    EXPECT_EQ(pair.transport->send("x").error().failure, Failure::closed);
  });
}

class Replay : public testing::Test {
 protected:
  std::filesystem::path write_record(std::string_view text) {
    auto file = directory.path() / "record.jsonl";
    std::ofstream(file) << text;
    return file;
  }

  cdp_test::TemporaryDirectory directory;
};

TEST_F(Replay, ARecordCanBePlayedBack) {
  auto file = directory.path() / "record.jsonl";
  run([&]() -> Story {
    auto pair = co_await make_pair();
    auto recording = must(cdp::record(pair.transport, file));
    must(recording->send(R"({"id":1,"method":"A.b","params":{"x":1}})"));
    co_await write(pair.peer, "{\"id\":1,\"result\":{\"ok\":true}}\0{\"method\":\"E.e\"}\0"sv);
    must(co_await recording->receive());
    must(co_await recording->receive());
  });

  run([&]() -> Story {
    auto executor = co_await asio::this_coro::executor;
    auto connection = cdp::Connection::open(executor, must(cdp::replay(executor, file)));
    auto events = connection->subscribe("", {"E.e"});

    auto result = co_await connection->call("", "A.b", {{"x", 1}}, std::chrono::seconds(5));

    EXPECT_EQ(*result, (boost::json::object{{"ok", true}}));
    must(co_await events.next(cdp::Clock::time_point::max()));
    EXPECT_EQ((co_await connection->ended()).failure, Failure::closed);
  });
}

TEST_F(Replay, ARecordIsReadableByItsOwnerAlone) {
  run([&]() -> Story {
    auto pair = co_await make_pair();
    auto file = directory.path() / "record.jsonl";
    must(cdp::record(pair.transport, file));

    struct stat status{};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  });
}

TEST_F(Replay, CommandsMayComeInAnotherOrderAndUnderOtherIds) {
  auto file = write_record(R"({"sent":"{\"id\":1,\"method\":\"A.a\"}"}
{"sent":"{\"id\":2,\"method\":\"B.b\"}"}
{"received":"{\"id\":2,\"result\":{\"b\":1}}"}
{"received":"{\"id\":1,\"result\":{\"a\":1}}"}
)");
  run([&]() -> Story {
    auto replay = must(cdp::replay(co_await asio::this_coro::executor, file));
    must(replay->send(R"({"id":70,"method":"B.b"})"));
    must(replay->send(R"({"id":71,"method":"A.a"})"));

    EXPECT_EQ(must(co_await replay->receive()), R"({"result":{"b":1},"id":70})");
    EXPECT_EQ(must(co_await replay->receive()), R"({"result":{"a":1},"id":71})");
  });
}

TEST_F(Replay, AnUnrecordedCommandIsRefused) {
  auto file = write_record("{\"sent\":\"{\\\"id\\\":1,\\\"method\\\":\\\"A.a\\\"}\"}\n");
  run([&]() -> Story {
    auto replay = must(cdp::replay(co_await asio::this_coro::executor, file));

    EXPECT_EQ(replay->send(R"({"id":1,"method":"A.other"})").error().failure, Failure::invalid);
  });
}

TEST_F(Replay, ABrokenRecordIsRefusedWithItsLine) {
  auto file = write_record("{\"received\":\"{}\"}\n{\"neither\":1}\n");
  run([&]() -> Story {
    auto replay = cdp::replay(co_await asio::this_coro::executor, file);

    EXPECT_EQ(replay.error().failure, Failure::invalid);
    EXPECT_NE(replay.error().message.find("line 2"), std::string::npos);
  });
}

// A connection to a peer that the test plays by hand.
struct Played {
  std::shared_ptr<cdp::Connection> connection;
  Socket peer;
};

asio::awaitable<Played> play() {
  auto pair = co_await make_pair();
  auto executor = co_await asio::this_coro::executor;
  co_return Played{cdp::Connection::open(executor, pair.transport), std::move(pair.peer)};
}

TEST(Connection, ASubscriptionThatIsNotReadOverflowsVisibly) {
  run([]() -> Story {
    auto played = co_await play();
    auto slow = played.connection->subscribe("", {"E.e"});
    auto done = played.connection->subscribe("", {"E.done"});
    std::string flood;
    for (std::size_t i = 0; i < cdp::limits::queued_events_max + 1; ++i) {
      flood += R"({"method":"E.e","params":{}})"sv;
      flood.push_back('\0');
    }
    flood += "{\"method\":\"E.done\"}\0"sv;
    co_await write(played.peer, flood);
    must(co_await done.next(cdp::Clock::time_point::max()));

    for (std::size_t i = 0; i < cdp::limits::queued_events_max; ++i) {
      must(co_await slow.next(cdp::Clock::time_point::max()));
    }
    auto after = co_await slow.next(cdp::Clock::time_point::max());
    EXPECT_EQ(after.error().failure, Failure::overflow);
    EXPECT_EQ(slow.failure()->failure, Failure::overflow);
  });
}

TEST(Connection, ASubscriptionSeesItsSessionAlone) {
  run([]() -> Story {
    auto played = co_await play();
    auto events = played.connection->subscribe("", {"E.e", "E.e"});
    co_await write(played.peer,
                   "{\"method\":\"E.e\",\"params\":{\"n\":1},\"sessionId\":\"s\"}\0"
                   "{\"method\":\"E.e\",\"params\":{\"n\":2}}\0"
                   "{\"method\":\"E.e\",\"params\":{\"n\":3}}\0"sv);

    auto first = must(co_await events.next(cdp::Clock::time_point::max()));
    auto second = must(co_await events.next(cdp::Clock::time_point::max()));

    EXPECT_EQ(first.params().at("n"), 2);
    EXPECT_EQ(second.params_text(), R"({"n":3})");
  });
}

TEST(Connection, AnUnansweredCallEndsAtItsDeadline) {
  run([]() -> Story {
    auto played = co_await play();

    auto result = co_await played.connection->call("", "A.b", {}, std::chrono::milliseconds(1));

    EXPECT_EQ(result.error().failure, Failure::timeout);
  });
}

TEST(Connection, ANextEndsAtItsDeadline) {
  run([]() -> Story {
    auto played = co_await play();
    auto events = played.connection->subscribe("", {"E.e"});

    EXPECT_EQ((co_await events.next(cdp::Clock::now())).error().failure, Failure::timeout);
  });
}

TEST(Connection, APeerThatSpeaksNonsenseIsLeft) {
  run([]() -> Story {
    auto played = co_await play();
    co_await write(played.peer, "HTTP/1.1 400\0"sv);

    EXPECT_EQ((co_await played.connection->ended()).failure, Failure::invalid);
  });
}

TEST(Connection, ACancelledCallUnwindsAndItsReplyIsDropped) {
  run([]() -> Story {
    auto played = co_await play();
    auto executor = co_await asio::this_coro::executor;
    asio::cancellation_signal signal;
    std::exception_ptr thrown;
    auto story = [](std::shared_ptr<cdp::Connection> connection) -> asio::awaitable<void> {
      static_cast<void>(co_await connection->call("", "A.b", {}, std::chrono::hours(1)));
    };
    asio::co_spawn(executor, story(played.connection),
                   asio::bind_cancellation_slot(signal.slot(),
                                                [&](std::exception_ptr error) { thrown = error; }));
    std::string read;
    co_await asio::async_read_until(played.peer, asio::dynamic_buffer(read), '\0',
                                    asio::use_awaitable);
    signal.emit(asio::cancellation_type::terminal);
    auto events = played.connection->subscribe("", {"E.e"});
    co_await write(played.peer, "{\"id\":1,\"result\":{}}\0{\"method\":\"E.e\"}\0"sv);
    must(co_await events.next(cdp::Clock::time_point::max()));

    EXPECT_TRUE(thrown);
    EXPECT_FALSE(played.connection->failure());
  });
}

TEST(Connection, ASubscriptionMayEndWhileItIsAwaited) {
  run([]() -> Story {
    auto played = co_await play();
    auto events = std::make_unique<cdp::Subscription>(played.connection->subscribe("", {"E.e"}));
    auto waiting = events->next(cdp::Clock::time_point::max());
    asio::post(co_await asio::this_coro::executor, [&] { events.reset(); });

    EXPECT_EQ((co_await std::move(waiting)).error().failure, Failure::closed);
  });
}

TEST(Base64, DecodesWhatTheProtocolSends) {
  EXPECT_EQ(cdp::decode_base64("").value(), "");
  EXPECT_EQ(cdp::decode_base64("Zg==").value(), "f");
  EXPECT_EQ(cdp::decode_base64("Zm8=").value(), "fo");
  EXPECT_EQ(cdp::decode_base64("Zm9vYmFy").value(), "foobar");
  EXPECT_EQ(cdp::decode_base64("//79").value(), "\xFF\xFE\xFD");
  for (auto text : {"Zg=", "Zg", "Z===", "Zm9v!m9v", "====", "Zg==Zg=="}) {
    EXPECT_FALSE(cdp::decode_base64(text)) << text;
  }
}

}  // namespace
