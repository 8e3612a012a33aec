// The parts of the API that people care for the bridge with: queue, session, audit, health.
#include "bridge/base/limits.h"
#include "tests/http/api_fixture.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace http_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ApiScopes, EveryRouteAsksForItsOwn) {
  ApiFixture f;
  f.run([&]() -> Story {
    struct Case {
      std::string method, target, scope;
    };
    const std::vector<Case> cases = {{"GET", "/api/packets", "packets"},
                                     {"POST", "/api/packets/validate", "packets"},
                                     {"GET", "/api/queue", "packets"},
                                     {"POST", "/api/queue/pause", "admin"},
                                     {"POST", "/api/queue/resume", "admin"},
                                     {"POST", "/api/queue/drain", "admin"},
                                     {"GET", "/api/session", "session"},
                                     {"POST", "/api/session/check", "session"},
                                     {"GET", "/api/session/screenshot", "session"},
                                     {"GET", "/api/session/inspect", "admin"},
                                     {"POST", "/api/session/login", "session"},
                                     {"DELETE", "/api/session/login", "session"},
                                     {"GET", "/api/keys", "admin"},
                                     {"GET", "/api/schedules", "admin"},
                                     {"POST", "/api/schedules", "admin"},
                                     {"GET", "/api/audit", "audit"},
                                     {"GET", "/api/audit/verify", "audit"},
                                     {"POST", "/api/audit/checkpoint", "audit"}};
    for (const auto& [method, target, scope] : cases) {
      const auto other = co_await f.key("other", {scope == "memory" ? "events" : "memory"});
      const auto own = co_await f.key("own", {scope});
      EXPECT_EQ((co_await f.call_as("", method, target)).status, 401) << target;
      EXPECT_EQ((co_await f.call_as("fwk_bad", method, target)).status, 401) << target;
      const auto short_of = co_await f.call_as(other, method, target);
      EXPECT_EQ(short_of.status, 403) << target;
      EXPECT_EQ(short_of.json().at("code"), "insufficient_scope") << target;
      const auto let_in = co_await f.call_as(own, method, target);
      EXPECT_NE(let_in.status, 401) << target;
      EXPECT_NE(let_in.body.find("insufficient_scope"), 0u) << target;
    }
    const auto deaf = co_await f.key("deaf", {"packets"});
    EXPECT_EQ((co_await f.call_as(deaf, "GET", "/api/events")).status, 403);
  });
}

TEST(ApiQueue, ShowsLanesDepthsLimitsAndForecast) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.submit(packet("one?"));
    co_await f.submit(packet("two?"));
    co_await f.start(engine::Stage::intent);
    const auto reply = co_await f.call("GET", "/api/queue");
    EXPECT_EQ(reply.status, 200) << reply.body;
    const auto view = reply.json().as_object();
    EXPECT_EQ(view.at("depths").at("queued"), 1);
    EXPECT_EQ(view.at("depths").at("running"), 1);
    EXPECT_EQ(view.at("depths").at("held"), 0);
    EXPECT_EQ(view.at("breaker").at("open"), false);
    EXPECT_EQ(view.at("limits").at("depth_max"), 100);
    const auto& caps = view.at("limits").at("accounts").at("account").at("caps");
    EXPECT_EQ(caps.at(0).at("count"), 80);
    EXPECT_EQ(caps.at(0).at("window_seconds"), 10800.0);
    EXPECT_EQ(view.at("lanes").as_array().size(), 1u);
    EXPECT_TRUE(view.at("lanes").at(0).at("running").is_string());
    EXPECT_EQ(view.at("forecast").at(0).at("room_seconds"), 0.0);
  });
}

TEST(ApiQueue, TellsWhyAnAccountIsClosed) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto now = f.timeline.now();
    const auto tripped = co_await f.write([&](store::Tx& tx) {
      return f.queue->trip(tx, "account", engine::Trip::usage_cap, "come back later",
                           now.wall + std::chrono::minutes(10), now);
    });
    EXPECT_TRUE(tripped);
    const auto breaker = (co_await f.call("GET", "/api/queue")).json().at("breaker");
    EXPECT_EQ(breaker.at("open"), true);
    EXPECT_EQ(breaker.at("trip"), "usage_cap");
    EXPECT_EQ(breaker.at("detail"), "come back later");
    EXPECT_GT(breaker.at("closes_in_seconds").to_number<double>(), 500);
  });
}

TEST(ApiQueue, APersonMaySayThatALimitIsOverButNotThatAnybodyIsSignedIn) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto trip = [&](engine::Trip why, bool passes) -> asio::awaitable<void> {
      const auto now = f.timeline.now();
      std::optional<base::WallTime> until;
      if (passes) until = now.wall + std::chrono::hours(3);
      EXPECT_TRUE(co_await f.write([&](store::Tx& tx) {
        return f.queue->trip(tx, "account", why, "come back later", until, now);
      }));
    };
    const auto is_open_after = [&](json::object body) -> asio::awaitable<bool> {
      const auto answer =
          co_await f.call("POST", "/api/queue/resume", {.body = json::value(std::move(body))});
      EXPECT_EQ(answer.status, 200) << answer.body;
      co_return answer.json().at("breaker").at("open").as_bool();
    };
    co_await trip(engine::Trip::usage_cap, true);
    EXPECT_TRUE(co_await is_open_after({})) << "a pause has ended, not the limit";
    EXPECT_FALSE(co_await is_open_after({{"limit_is_over", true}}));
    const auto told = (co_await f.call("GET", "/api/audit?type=queue.resumed")).json();
    EXPECT_EQ(told.at("items").as_array().back().at("data").at("limit_is_over"), "usage_cap");
    co_await trip(engine::Trip::login_required, false);
    EXPECT_TRUE(co_await is_open_after({{"limit_is_over", true}}));
  });
}

TEST(ApiQueue, TellsWhatBlocksOneLaneOfIt) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto blocked = co_await f.write([&](store::Tx& tx) -> base::Result<> {
      TRY(const auto lanes, f.queue->lanes(tx, f.timeline.now()));
      return f.queue->block(tx, lanes.front().id, "a dialog", "http://a/c/1", f.timeline.now());
    });
    EXPECT_TRUE(blocked);
    const auto view = (co_await f.call("GET", "/api/queue")).json();
    EXPECT_EQ(view.at("breaker").at("open"), false) << "the account goes on";
    const auto& breaker = view.at("lanes").at(0).at("breaker");
    EXPECT_EQ(breaker.at("open"), true);
    EXPECT_EQ(breaker.at("trip"), "blocked");
    EXPECT_EQ(breaker.at("detail"), "a dialog");
    EXPECT_TRUE(breaker.at("closes_in_seconds").is_null());
  });
}

TEST(ApiQueue, IsPausedResumedAndDrained) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto paused_now = [&]() -> asio::awaitable<json::value> {
      co_return (co_await f.call("GET", "/api/queue")).json().at("lanes").at(0).at("paused");
    };
    EXPECT_EQ((co_await f.call("GET", "/api/queue")).json().at("drained"), true);
    co_await f.submit(packet());
    EXPECT_EQ((co_await f.call("GET", "/api/queue")).json().at("drained"), false);
    const auto paused =
        co_await f.call("POST", "/api/queue/pause", {.body = json::object{{"reason", "lunch"}}});
    EXPECT_EQ(paused.status, 200) << paused.body;
    EXPECT_EQ(paused.json().at("drained"), true);  // what is left waits for a person
    EXPECT_EQ(co_await paused_now(), "lunch");
    EXPECT_EQ((co_await f.call("POST", "/api/queue/resume")).status, 200);
    EXPECT_TRUE((co_await paused_now()).is_null());
    EXPECT_EQ((co_await f.call("POST", "/api/queue/pause")).status, 200);
    EXPECT_EQ(co_await paused_now(), "paused by root");
    const auto unknown =
        co_await f.call("POST", "/api/queue/pause", {.body = json::object{{"lane", "chat:none"}}});
    EXPECT_EQ(unknown.status, 404);
    const auto drained = co_await f.call("POST", "/api/queue/drain");
    EXPECT_EQ(drained.status, 202);
    EXPECT_EQ(drained.json().at("draining"), true);
    EXPECT_EQ(f.drains, 1);
    const auto told = co_await f.call("GET", "/api/audit?type=queue.");
    std::vector<std::string> types;
    for (const auto& item : told.json().at("items").as_array()) types.push_back(text(item, "type"));
    EXPECT_THAT(types,
                ElementsAre("queue.paused", "queue.resumed", "queue.paused", "queue.draining"));
  });
}

TEST(ApiQueue, EverythingIsPausedWithTheLanesThatComeAndOneLaneByItself) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto look = [&]() -> asio::awaitable<json::value> {
      co_return (co_await f.call("GET", "/api/queue")).json();
    };
    EXPECT_TRUE((co_await look()).at("paused").is_null());
    EXPECT_EQ(
        (co_await f.call("POST", "/api/queue/pause", {.body = json::object{{"reason", "a fire"}}}))
            .status,
        200);
    const engine::LaneId later{"chat:later"};
    const auto made = co_await f.write(
        [&](store::Tx& tx) { return f.queue->declare_lane(tx, later, "chatgpt:later"); });
    EXPECT_TRUE(made);
    const auto paused = co_await look();
    EXPECT_EQ(paused.at("paused"), "a fire");
    EXPECT_GE(paused.at("lanes").as_array().size(), 2u);
    for (const auto& lane : paused.at("lanes").as_array()) {
      EXPECT_EQ(lane.at("paused"), "a fire");
      EXPECT_EQ(lane.at("paused_itself"), false);
    }
    const Call one{.body = json::object{{"lane", later.text}}};
    EXPECT_EQ((co_await f.call("POST", "/api/queue/pause", one)).status, 200);
    EXPECT_EQ((co_await f.call("POST", "/api/queue/resume")).status, 200);
    const auto resumed = co_await look();
    EXPECT_TRUE(resumed.at("paused").is_null());
    for (const auto& lane : resumed.at("lanes").as_array()) {
      const bool is_later = text(lane, "id") == later.text;
      EXPECT_EQ(lane.at("paused_itself"), is_later);
      EXPECT_EQ(lane.at("paused").is_null(), !is_later);
    }
    const auto told = (co_await f.call("GET", "/api/audit?type=queue.")).json();
    const auto& entries = told.at("items").as_array();
    EXPECT_EQ(entries.size(), 3u);
    EXPECT_EQ(text(entries.at(1), "subject"), later.text);
    EXPECT_EQ(entries.at(0).at("subject"), entries.at(2).at("subject"));
    EXPECT_EQ((co_await f.call("POST", "/api/queue/resume", one)).status, 200);
    for (const auto& lane : (co_await look()).at("lanes").as_array()) {
      EXPECT_TRUE(lane.at("paused").is_null());
    }
  });
}

TEST(ApiSession, ShowsItsStateAndChecksIt) {
  ApiFixture f;
  f.session.view.state = chat::State::login_required;
  f.session.view.shell.clear();
  f.run([&]() -> Story {
    const auto reply = co_await f.call("GET", "/api/session");
    EXPECT_EQ(reply.status, 200);
    const auto view = reply.json().as_object();
    EXPECT_EQ(view.at("state"), "login_required");
    EXPECT_TRUE(view.at("shell").is_null());
    EXPECT_EQ(view.at("browser"), "Chrome/1");
    EXPECT_EQ(view.at("evidence"), "the composer is there");
    EXPECT_TRUE(view.at("since").is_string());
    EXPECT_TRUE(view.at("next_check").is_string());
    EXPECT_EQ(view.at("conversations").as_array().size(), 1u);
    EXPECT_EQ(f.session.checks, 0);
    EXPECT_EQ((co_await f.call("POST", "/api/session/check")).json().at("state"), "login_required");
    EXPECT_EQ(f.session.checks, 1);
    const auto body =
        co_await f.call("POST", "/api/session/check", {.body = json::object{{"deep", true}}});
    EXPECT_EQ(body.status, 422);
    EXPECT_THAT(pointers(body.json()), ElementsAre("/deep"));
  });
}

TEST(ApiSession, AWindowIsOpenedForAPersonAndClosesWhenTheSessionIsReady) {
  ApiFixture f;
  f.session.view.state = chat::State::login_required;
  f.session.view.can_send = false;
  f.run([&]() -> Story {
    EXPECT_EQ((co_await f.call("GET", "/api/session")).json().at("signing_in"), false);
    const auto opened = co_await f.call("POST", "/api/session/login");
    EXPECT_EQ(opened.status, 202) << opened.body;
    EXPECT_EQ(opened.json().at("signing_in"), true);
    EXPECT_TRUE(opened.json().at("window_closes").is_string());
    EXPECT_THAT(f.session.windows, ElementsAre("shown"));
    f.session.view.state = chat::State::ready;
    f.session.view.can_send = true;
    f.clock.advance(std::chrono::seconds(1));
    co_await f.written("session.window_closed");
    EXPECT_THAT(f.session.windows, ElementsAre("shown", "hidden"));
    EXPECT_EQ((co_await f.call("GET", "/api/session")).json().at("signing_in"), false);
    // Who is signed in needs no window.
    EXPECT_EQ((co_await f.call("POST", "/api/session/login")).status, 202);
    EXPECT_EQ(f.session.windows.size(), 2u);
  });
}

services::Closure closure_of(engine::Trip trip, std::optional<engine::LaneId> lane = {}) {
  services::Closure closure;
  closure.is_partial = lane.has_value();
  closure.shut = {.account = "account",
                  .lane = std::move(lane),
                  .breaker = {.trip = trip, .detail = "seen", .url = "http://a/g/g-1"}};
  return closure;
}

TEST(ApiSession, AnOpenBreakerIsShownHoweverWellThePageLooks) {
  ApiFixture f;
  f.run([&]() -> Story {
    f.closures = {closure_of(engine::Trip::blocked, engine::LaneId{"gpt:1"})};
    auto view = (co_await f.call("GET", "/api/session")).json();
    EXPECT_EQ(view.at("state"), "ready");
    EXPECT_EQ(view.at("can_send"), true) << "packets do not need that lane";
    EXPECT_EQ(view.at("breakers").at(0).at("lane"), "gpt:1");
    EXPECT_EQ(view.at("breakers").at(0).at("trip"), "blocked");
    EXPECT_EQ(view.at("breakers").at(0).at("conversation"), "http://a/g/g-1");
    EXPECT_THAT(text(view.at("breakers").at(0), "advice"), HasSubstr("flywheel session login"));
    f.closures.push_back(closure_of(engine::Trip::challenge));
    view = (co_await f.call("GET", "/api/session")).json();
    EXPECT_EQ(view.at("can_send"), false);
    EXPECT_TRUE(view.at("breakers").at(1).at("lane").is_null());
    EXPECT_TRUE(view.at("breakers").at(1).at("closes_in_seconds").is_null());
    const auto metrics = (co_await f.call("GET", "/metrics")).body;
    EXPECT_THAT(metrics, HasSubstr("flywheel_session_can_send 0\n"));
    EXPECT_THAT(metrics, HasSubstr("flywheel_breakers_open 2\n"));
  });
}

TEST(ApiSession, AWindowIsOpenedForWhatOnlyAPersonEndsThoughTheSessionIsReady) {
  ApiFixture f;
  f.run([&]() -> Story {
    f.closures = {closure_of(engine::Trip::rate_limited)};
    f.closures.front().shut.breaker.until = engine::Milliseconds(1);
    EXPECT_EQ((co_await f.call("POST", "/api/session/login")).json().at("signing_in"), false);
    f.closures = {closure_of(engine::Trip::blocked, engine::LaneId{"gpt:1"})};
    EXPECT_EQ((co_await f.call("POST", "/api/session/login")).json().at("signing_in"), true);
    EXPECT_THAT(f.session.windows, ElementsAre("shown"));
    f.clock.advance(std::chrono::seconds(1));
    EXPECT_EQ((co_await f.call("GET", "/api/session")).json().at("signing_in"), true);
    f.closures.clear();
    f.clock.advance(std::chrono::seconds(1));
    co_await f.written("session.window_closed");
    EXPECT_THAT(f.session.windows, ElementsAre("shown", "hidden"));
  });
}

TEST(ApiSession, WhatWaitsForAPersonIsOpenedInAWindowThatIsThereAnyway) {
  ApiFixture f;
  f.run([&]() -> Story {
    services::SignIn sign_in(f.loop.get_executor(),
                             {f.session, *f.store, f.journal, f.clock, [] { return true; }},
                             services::SignIn::Usual::window);
    base::Scope tasks(f.loop.get_executor());
    tasks.spawn(sign_in.run());
    EXPECT_TRUE(co_await sign_in.begin("ann"));
    // Each call lets the others on the loop go on.
    while (f.session.checks == 0) co_await f.call("GET", "/livez");
    EXPECT_TRUE(sign_in.closes());
    co_await tasks.join();
  });
}

TEST(ApiSession, NoWindowIsOpenedInABrowserThatSomebodyElseRuns) {
  ApiFixture f;
  f.session.view.state = chat::State::login_required;
  f.session.view.can_send = false;
  f.run([&]() -> Story {
    services::SignIn sign_in(f.loop.get_executor(), {f.session, *f.store, f.journal, f.clock},
                             services::SignIn::Usual::not_ours);
    const auto refused = co_await sign_in.begin("ann");
    EXPECT_FALSE(refused);
    if (refused) co_return;
    EXPECT_EQ(refused.error().code, base::Code::unavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("no window is opened"));
    EXPECT_THAT(refused.error().message, HasSubstr("flywheel session import"));
    EXPECT_EQ(f.session.checks, 1);
    EXPECT_FALSE(sign_in.closes());
    EXPECT_TRUE(f.session.windows.empty());
    // Where somebody has signed in meanwhile, none is missed.
    f.session.view.state = chat::State::ready;
    f.session.view.can_send = true;
    EXPECT_TRUE(co_await sign_in.begin("ann"));
  });
}

TEST(ApiSession, AWindowClosesWhenAskedOrWhenNobodySignsIn) {
  ApiFixture f;
  f.session.view.state = chat::State::login_required;
  f.session.view.can_send = false;
  f.run([&]() -> Story {
    co_await f.call("POST", "/api/session/login");
    EXPECT_EQ((co_await f.call("DELETE", "/api/session/login")).json().at("signing_in"), false);
    EXPECT_THAT(f.session.windows, ElementsAre("shown", "hidden"));
    co_await f.call("POST", "/api/session/login");
    f.clock.advance(limits::sign_in_max);
    // Each call lets the others on the loop go on.
    while (f.session.windows.size() < 4) co_await f.call("GET", "/api/session");
    EXPECT_EQ((co_await f.call("GET", "/api/session")).json().at("signing_in"), false);
  });
}

TEST(ApiSession, WithoutADisplayItSaysWhatToDoInstead) {
  ApiFixture f;
  f.session.view.state = chat::State::login_required;
  f.session.view.can_send = false;
  f.session.has_display = false;
  f.run([&]() -> Story {
    const auto refused = co_await f.call("POST", "/api/session/login");
    EXPECT_EQ(refused.status, 503) << refused.body;
    EXPECT_THAT(text(refused.json(), "detail"), HasSubstr("flywheel session import"));
    EXPECT_EQ((co_await f.call("GET", "/api/session")).json().at("signing_in"), false);
  });
}

TEST(ApiSession, AnInspectionTellsAllThatIsOnThePage) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto seen = co_await f.call("GET", "/api/session/inspect?url=http%3A%2F%2Fa%2Fc%2F2");
    EXPECT_EQ(seen.status, 200) << seen.body;
    EXPECT_EQ(seen.json().at("conversation"), "http://a/c/2");
    EXPECT_EQ(seen.json().at("turns").at(0).at("text"), "What first?");
    EXPECT_EQ((co_await f.call("GET", "/api/session/inspect")).json().at("state"), "ready");
  });
}

TEST(ApiSession, PicturesAreOffUnlessEnabled) {
  for (const bool is_enabled : {false, true}) {
    ApiFixture f;
    f.has_screenshots = is_enabled;
    f.run([&]() -> Story {
      const auto reply = co_await f.call("GET", "/api/session/screenshot");
      EXPECT_EQ(reply.status, is_enabled ? 200 : 403);
      if (is_enabled) {
        EXPECT_EQ(reply.header("content-type"), "image/png");
        EXPECT_THAT(reply.body, testing::StartsWith("\x89PNG"));
      } else {
        EXPECT_EQ(reply.json().at("code"), "screenshots_disabled");
      }
    });
  }
}

TEST(ApiAudit, ReadsTheJournalByFilterAndInPages) {
  ApiFixture f;
  f.run([&]() -> Story {
    const auto id = co_await f.submit(packet());
    co_await f.finish({{"verdict", "ok"}});
    const auto reply = co_await f.call("GET", "/api/audit?subject=" + id);
    EXPECT_EQ(reply.status, 200);
    std::vector<std::string> types;
    for (const auto& item : reply.json().at("items").as_array()) {
      types.push_back(text(item, "type"));
      EXPECT_EQ(text(item, "hash").size(), 64u);
    }
    EXPECT_THAT(types, testing::Contains("packet.accepted"));
    EXPECT_EQ(types.back(), "packet.replied");

    std::vector<std::int64_t> sequences;
    std::string target = "/api/audit?limit=3";
    for (int pages = 0; !target.empty() && pages < 20; ++pages) {
      const auto page = co_await f.call("GET", target);
      for (const auto& item : page.json().at("items").as_array()) {
        sequences.push_back(item.at("sequence").to_number<std::int64_t>());
      }
      const auto link = page.header("link");
      target = link ? std::string(link->substr(1, link->find('>') - 1)) : "";
    }
    EXPECT_GE(sequences.size(), 7u);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      EXPECT_EQ(sequences[i], static_cast<std::int64_t>(i) + 1);
    }
    const auto tail = co_await f.call("GET", "/api/audit?last=2");
    EXPECT_EQ(tail.json().at("items").as_array().size(), 2u);
    EXPECT_EQ(tail.json().at("items").at(1).at("sequence"), sequences.back());
  });
}

TEST(ApiAudit, IsVerifiedAndVouchedFor) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.submit(packet());
    EXPECT_EQ((co_await f.call("GET", "/api/audit/checkpoint")).status, 404);
    const auto made = co_await f.call("POST", "/api/audit/checkpoint");
    EXPECT_EQ(made.status, 200) << made.body;
    const auto opened = engine::open_note(text(made.json(), "note"), f.signer.verifier_key());
    EXPECT_TRUE(opened);
    EXPECT_EQ((co_await f.call("GET", "/api/audit/checkpoint")).json(), made.json());

    const auto good = co_await f.call("GET", "/api/audit/verify");
    EXPECT_EQ(good.status, 200) << good.body;
    EXPECT_EQ(good.json().at("valid"), true);
    EXPECT_EQ(good.json().at("finished"), true);
    EXPECT_EQ(good.json().at("checkpoints"), 1);

    const auto forged = co_await f.write([&](store::Tx& tx) {
      return tx.execute("UPDATE journal SET actor = 'nobody' WHERE seq = 2");
    });
    EXPECT_TRUE(forged) << (forged ? "" : forged.error().message);
    const auto bad = co_await f.call("GET", "/api/audit/verify");
    EXPECT_EQ(bad.json().at("valid"), false);
    EXPECT_EQ(bad.json().at("broken").at("sequence"), 2);
  });
}

// Adds more entries than one piece of a verification looks at.
Story grow_journal(ApiFixture& f) {
  const auto grown = co_await f.write([&f](store::Tx& tx) -> base::Result<> {
    for (int i = 0; i <= limits::audit_verify_entries; ++i) {
      TRY_OK(f.journal.append(tx, {.type = "test.grown"}, f.clock.wall()));
    }
    return {};
  });
  EXPECT_TRUE(grown) << (grown ? "" : grown.error().message);
}

TEST(ApiAudit, ALongJournalIsNotCalledGoodBeforeItsEnd) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.submit(packet());
    const auto first = co_await f.call("POST", "/api/audit/checkpoint");
    const auto size = first.json().at("size").to_number<std::int64_t>();
    co_await grow_journal(f);
    EXPECT_EQ((co_await f.call("POST", "/api/audit/checkpoint")).status, 200);
    const std::string glance = "/api/audit/verify?wait=0";
    const auto rest = fmt::format("/api/audit/verify?after={}", size);

    const auto begun = (co_await f.call("GET", glance)).json();
    EXPECT_EQ(begun.at("valid"), json::value(nullptr));
    EXPECT_EQ(begun.at("finished"), false);
    EXPECT_EQ(begun.at("checked"), limits::audit_verify_entries);
    EXPECT_EQ(begun.at("checkpoints"), 1);
    // Behind the checkpoint: from there on the tree of the next one can be computed.
    EXPECT_EQ(begun.at("next_after"), size);
    const auto ended = (co_await f.call("GET", rest)).json();
    EXPECT_EQ(ended.at("finished"), true) << json::serialize(ended);
    EXPECT_EQ(ended.at("valid"), true);
    EXPECT_EQ(ended.at("checkpoints"), 1);
    EXPECT_TRUE(ended.at("next_after").is_null());

    const auto forged = co_await f.write([](store::Tx& tx) {
      return tx.execute("UPDATE journal SET actor = 'nobody' WHERE seq = $1",
                        {limits::audit_verify_entries + 1});
    });
    EXPECT_TRUE(forged) << (forged ? "" : forged.error().message);
    EXPECT_TRUE((co_await f.call("GET", glance)).json().at("valid").is_null());
    const auto bad = (co_await f.call("GET", rest)).json();
    EXPECT_EQ(bad.at("valid"), false);
    EXPECT_EQ(bad.at("finished"), true);
    EXPECT_EQ(bad.at("broken").at("sequence"), limits::audit_verify_entries + 1);
  });
}

TEST(ApiHealth, IsToldWithoutCredentials) {
  ApiFixture f;
  f.run([&]() -> Story {
    EXPECT_EQ((co_await f.call_as("", "GET", "/livez")).status, 200);
    EXPECT_EQ((co_await f.call_as("", "GET", "/readyz")).status, 200);
    const auto health = co_await f.call_as("", "GET", "/healthz");
    EXPECT_EQ(health.json().at("version"), "1.2.3");
    f.reasons = {{"login_required", "nobody is signed in"}, {"paused", "the lane is paused"}};
    const auto unready = co_await f.call_as("", "GET", "/readyz");
    EXPECT_EQ(unready.status, 503);
    EXPECT_EQ(unready.json().at("reasons").at(0).at("code"), "login_required");
    EXPECT_EQ(unready.json().at("reasons").as_array().size(), 2u);
    EXPECT_EQ((co_await f.call_as("", "GET", "/livez")).status, 200);
    EXPECT_EQ((co_await f.call_as("", "GET", "/healthz")).json().at("status"), "degraded");
    f.reasons = {{"blocked", "a conversation waits for a person", true}};
    EXPECT_EQ((co_await f.call_as("", "GET", "/readyz")).status, 200);
    const auto partial = co_await f.call_as("", "GET", "/healthz");
    EXPECT_EQ(partial.json().at("status"), "degraded");
    EXPECT_EQ(partial.json().at("ready"), true);
    EXPECT_EQ(partial.json().at("reasons").at(0).at("code"), "blocked");
    f.reasons.push_back({"login_required", "nobody is signed in"});
    const auto whole = co_await f.call_as("", "GET", "/readyz");
    EXPECT_EQ(whole.status, 503);
    EXPECT_EQ(text(whole.json(), "detail"), "nobody is signed in");
    EXPECT_EQ((co_await f.call_as("", "GET", "/metrics")).status, 401);
  });
}

TEST(ApiHealth, MetricsCountJobsAndTellStates) {
  ApiFixture f;
  f.run([&]() -> Story {
    co_await f.submit(packet("one?"));
    co_await f.finish({{"verdict", "ok"}});
    co_await f.submit(packet("two?"));
    // Events are handed on after the commit; a reader who has the last one knows that all were.
    auto reader = co_await f.connect();
    co_await reader.send(
        fmt::format("GET /api/events?last_event_id=0&types=packet.replied "
                    "HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}"
                    "\r\n\r\n",
                    f.admin));
    co_await reader.read_until("flywheel.packet.replied.v1");
    const auto reply = co_await f.call("GET", "/metrics");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    for (const auto* line :
         {"flywheel_queue_jobs{state=\"queued\"} 1\n", "flywheel_queue_jobs{state=\"held\"} 0\n",
          "flywheel_jobs_total{outcome=\"done\"} 1\n",
          "flywheel_jobs_total{outcome=\"failed\"} 0\n",
          "flywheel_session_state{state=\"ready\"} 1\n",
          "flywheel_session_state{state=\"login_required\"} 0\n", "flywheel_store_up 1\n",
          "flywheel_build_info{version=\"1.2.3\"} 1\n"}) {
      EXPECT_THAT(reply.body, HasSubstr(line));
    }
    const auto open = co_await f.call("GET", "/metrics",
                                      {.headers = {{"Accept", "application/openmetrics-text"}}});
    EXPECT_THAT(open.body, testing::EndsWith("# EOF\n"));
  });
}

}  // namespace
}  // namespace http_test
