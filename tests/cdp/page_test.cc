#include "cdp/base64.h"
#include "tests/cdp/browser_fixture.h"
#include "tests/cdp/web_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <gmock/gmock.h>

namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using cdp::Failure;
using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;
using cdp_test::WebServer;
using Kind = cdp::PageState::Kind;
using Outcome = std::optional<cdp::Result<json::value>>;

constexpr auto whenever = cdp::Clock::time_point::max();

class PageTest : public cdp_test::BrowserFixture {
 protected:
  // Tells the story of a fresh browser's first tab.
  void with_page(const std::function<Story(cdp::Browser&, cdp::Page&)>& story) {
    run([&]() -> Story {
      auto browser = must(co_await launch());
      auto page = must(co_await browser->first_page());
      co_await story(*browser, *page);
      page.reset();
      must(co_await browser->close());
    });
  }
};

// Lets an evaluation wait while the test goes on. The script must have begun before this returns,
// so the expression calls begun(), which is announced as a console message.
class InFlight {
 public:
  Story start(cdp::Page& page, std::string expression) {
    must(co_await page.call("Runtime.enable"));
    auto console = page.subscribe({"Runtime.consoleAPICalled"});
    asio::co_spawn(
        co_await asio::this_coro::executor,
        wait(page.evaluate("console.log('begun');" + expression, {.await_promise = true}), outcome_,
             ended_),
        asio::detached);
    must(co_await console.next(whenever));
  }

  asio::awaitable<cdp::Result<json::value>> outcome() {
    auto copy = ended_;
    co_await copy->async_wait(asio::as_tuple(asio::use_awaitable));
    co_return **outcome_;
  }

  explicit InFlight(const asio::any_io_executor& executor)
      : ended_(std::make_shared<asio::steady_timer>(executor, whenever)) {}

 private:
  static Story wait(cdp::Task<json::value> call, std::shared_ptr<Outcome> outcome,
                    std::shared_ptr<asio::steady_timer> ended) {
    outcome->emplace(co_await std::move(call));
    ended->expires_at(cdp::Clock::time_point::min());
  }

  std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();
  std::shared_ptr<asio::steady_timer> ended_;
};

constexpr auto forever = "new Promise(() => {})";

TEST_F(PageTest, EvaluatesByValue) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    EXPECT_EQ(must(co_await page.evaluate("({a: [1, 'two', null]})")),
              json::parse(R"({"a": [1, "two", null]})"));
    EXPECT_EQ(must(co_await page.evaluate("undefined")), nullptr);
    EXPECT_EQ(must(co_await page.evaluate("0/0")), "NaN");
    EXPECT_EQ(must(co_await page.evaluate("Promise.resolve(7)", {.await_promise = true})), 7);
    EXPECT_EQ(must(co_await page.evaluate("'a' + '😀'[0]")), "a\uFFFD");
  });
}

TEST_F(PageTest, AutomationIsNotHidden) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    EXPECT_EQ(must(co_await page.evaluate("navigator.webdriver")), true);
  });
}

// A caller asks for the domains it needs; until then the page sends nothing of them.
TEST_F(PageTest, OnlyTheDomainsPageAndInspectorAreEnabled) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto events = page.subscribe({"Network.requestWillBeSent", "Runtime.executionContextCreated",
                                  "DOM.documentUpdated", "Log.entryAdded"});
    must(co_await page.navigate("data:text/html,<script>console.log(1)</script>"));

    EXPECT_FALSE(events.try_next());
  });
}

TEST_F(PageTest, ATabThatCannotLoadIsNotLeftOpen) {
  with_page([](cdp::Browser& browser, cdp::Page&) -> Story {
    EXPECT_EQ((co_await browser.open("http://127.0.0.1:1/")).error().failure, Failure::refused);
    EXPECT_EQ(must(co_await browser.pages()).size(), 1u);
  });
}

TEST_F(PageTest, LettingGoOfATabLeavesItOpen) {
  with_page([](cdp::Browser& browser, cdp::Page&) -> Story {
    auto page = must(co_await browser.open("data:text/html,<p>still here</p>"));
    auto id = page->target_id();
    page.reset();

    auto again = must(co_await browser.attach_page(id));

    EXPECT_EQ(must(co_await again->evaluate("document.body.textContent")), "still here");
  });
}

TEST_F(PageTest, ACancelledEvaluationLeavesThePageUsable) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto executor = co_await asio::this_coro::executor;
    asio::steady_timer soon(executor, std::chrono::milliseconds(1));
    auto order = co_await asio::experimental::make_parallel_group(
                     asio::co_spawn(executor, page.evaluate(forever, {.await_promise = true}),
                                    asio::deferred),
                     soon.async_wait(asio::deferred))
                     .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);

    EXPECT_EQ(std::get<0>(order)[0], 1u);
    EXPECT_EQ(must(co_await page.evaluate("1")), 1);
  });
}

TEST_F(PageTest, AThrowingScriptNamesItsErrorAndLine) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto thrown = co_await page.evaluate("\nthrow new TypeError('no such thing')");
    EXPECT_EQ(thrown.error().failure, Failure::thrown);
    EXPECT_THAT(thrown.error().message, testing::HasSubstr("line 2"));
    EXPECT_THAT(thrown.error().message, testing::HasSubstr("TypeError: no such thing"));

    auto rejected = co_await page.evaluate("Promise.reject('why')", {.await_promise = true});
    EXPECT_EQ(rejected.error().failure, Failure::thrown);
    EXPECT_THAT(rejected.error().message, testing::HasSubstr("why"));
  });
}

TEST_F(PageTest, AScriptThatNeverEndsEndsAtItsDeadline) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto result = co_await page.evaluate(
        forever, {.await_promise = true, .limit = std::chrono::milliseconds(1)});

    EXPECT_EQ(result.error().failure, Failure::timeout);
  });
}

TEST_F(PageTest, AClosedTabFailsItsCallsAtOnce) {
  with_page([](cdp::Browser& browser, cdp::Page&) -> Story {
    auto page = must(co_await browser.open("about:blank"));
    InFlight call(co_await asio::this_coro::executor);
    co_await call.start(*page, forever);
    auto events = page->subscribe({"Page.frameNavigated"});

    must(co_await page->close());

    EXPECT_EQ((co_await call.outcome()).error().failure, Failure::detached);
    EXPECT_EQ((co_await events.next(whenever)).error().failure, Failure::detached);
    EXPECT_EQ(page->state().kind, Kind::closed);
    EXPECT_EQ((co_await page->evaluate("1")).error().failure, Failure::detached);
    auto late = page->subscribe({"Page.frameNavigated"});
    EXPECT_EQ((co_await late.next(whenever)).error().failure, Failure::detached);
  });
}

TEST_F(PageTest, ACrashFailsItsCallsAtOnceAndNavigatingRevives) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    InFlight call(co_await asio::this_coro::executor);
    co_await call.start(page, forever);
    auto events = page.subscribe({"Page.frameNavigated"});

    EXPECT_EQ((co_await page.call("Page.crash")).error().failure, Failure::crashed);

    EXPECT_EQ((co_await call.outcome()).error().failure, Failure::crashed);
    EXPECT_EQ((co_await events.next(whenever)).error().failure, Failure::crashed);
    EXPECT_EQ(page.state().kind, Kind::crashed);
    EXPECT_EQ((co_await page.evaluate("1")).error().failure, Failure::crashed);

    must(co_await page.navigate("data:text/html,<p>again</p>"));

    EXPECT_EQ(page.state().kind, Kind::open);
    EXPECT_EQ(must(co_await page.evaluate("document.body.textContent")), "again");
  });
}

TEST_F(PageTest, ADialogFailsTheEvaluationAndWaitsForAnAnswer) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto asked = co_await page.evaluate("window.answer = confirm('really?')");

    EXPECT_EQ(asked.error().failure, Failure::dialog);
    EXPECT_EQ(page.state().kind, Kind::dialog);
    EXPECT_EQ(page.state().dialog->type, "confirm");
    EXPECT_EQ(page.state().dialog->message, "really?");
    EXPECT_EQ((co_await page.evaluate("1")).error().failure, Failure::dialog);

    must(co_await page.handle_dialog(cdp::DialogAnswer::accept));

    EXPECT_EQ(must(co_await page.evaluate("window.answer")), true);
    EXPECT_EQ(page.state().kind, Kind::open);
    EXPECT_EQ((co_await page.handle_dialog(cdp::DialogAnswer::accept)).error().failure,
              Failure::refused);
  });
}

// Why the mux holds some methods back under a dialog and lets others pass.
TEST_F(PageTest, ADialogBlocksOnlyWhatThePageMustAnswer) {
  with_page([](cdp::Browser& browser, cdp::Page& page) -> Story {
    EXPECT_EQ((co_await page.evaluate("alert(1)")).error().failure, Failure::dialog);

    must(co_await page.call("Target.getTargetInfo"));
    must(co_await page.call("Page.getNavigationHistory"));
    must(co_await page.call("Network.getCookies"));
    must(co_await page.call("Page.bringToFront"));
    must(co_await page.call("Inspector.enable"));
    must(co_await browser.version());
    must(co_await page.navigate("data:text/html,left"));

    EXPECT_EQ(page.state().kind, Kind::open);
  });
}

TEST_F(PageTest, ABeforeunloadDialogStopsNavigate) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    must(co_await page.navigate("data:text/html,<body onbeforeunload='return 1'><input>"));
    must(co_await page.click(20, 20));
    must(co_await page.insert_text("touched"));

    auto left = co_await page.navigate("data:text/html,away");

    EXPECT_EQ(left.error().failure, Failure::dialog);
    EXPECT_EQ(page.state().dialog->type, "beforeunload");
    must(co_await page.close());
  });
}

TEST_F(PageTest, ADialogOfALoadingDocumentStopsNavigate) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto loaded = co_await page.navigate("data:text/html,<script>alert('first')</script>");

    EXPECT_EQ(loaded.error().failure, Failure::dialog);
    EXPECT_EQ(page.state().kind, Kind::dialog);
  });
}

TEST_F(PageTest, NavigatingFailsTheCallsOfTheOldDocument) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    InFlight call(co_await asio::this_coro::executor);
    co_await call.start(page, forever);

    must(co_await page.navigate("data:text/html,next"));

    EXPECT_EQ((co_await call.outcome()).error().failure, Failure::navigated);
  });
}

TEST_F(PageTest, AFailedNavigationNamesTheNetworkError) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto refused = co_await page.navigate("http://127.0.0.1:1/");
    EXPECT_EQ(refused.error().failure, Failure::refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("net::ERR_"));

    EXPECT_EQ((co_await page.navigate("no url")).error().failure, Failure::refused);
    must(co_await page.navigate("data:text/html,well"));
  });
}

TEST_F(PageTest, AFragmentAndAReloadAreNavigationsToo) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    must(co_await page.navigate("data:text/html,x"));
    must(co_await page.evaluate("window.mark = 1"));

    must(co_await page.navigate("data:text/html,x#part"));
    EXPECT_EQ(must(co_await page.evaluate("[location.hash, window.mark]")),
              (json::array{"#part", 1}));

    must(co_await page.reload());
    EXPECT_EQ(must(co_await page.evaluate("window.mark")), nullptr);
  });
}

TEST_F(PageTest, NavigationAcrossProcessesKeepsThePage) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    WebServer one(co_await asio::this_coro::executor);
    WebServer other(co_await asio::this_coro::executor);
    for (const auto& url : {one.url("127.0.0.1"), other.url("localhost")}) {
      must(co_await page.navigate(url));
      EXPECT_EQ(must(co_await page.evaluate("location.href")), json::value(url));
      EXPECT_FALSE(must(co_await page.main_frame_id()).empty());
      must(co_await page.isolated_world("w"));
    }
  });
}

TEST_F(PageTest, AnIsolatedWorldSharesTheDomAndNothingElse) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    must(co_await page.navigate("data:text/html,<p id=x>hello</p><script>var own = 1</script>"));
    auto world = must(co_await page.isolated_world("bridge"));

    EXPECT_EQ(must(co_await page.evaluate("[x.textContent, typeof own]", {.context_id = world})),
              (json::array{"hello", "undefined"}));
    EXPECT_EQ(
        must(co_await page.call_function(world, "function (a, b) { return a + b }", {20, 22})), 42);
    EXPECT_EQ(must(co_await page.isolated_world("bridge")), world);
  });
}

TEST_F(PageTest, AnIsolatedWorldEndsWithItsDocumentAndIsMadeAnew) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto world = must(co_await page.isolated_world("bridge"));
    must(co_await page.evaluate("window.mark = 1", {.context_id = world}));
    must(co_await page.navigate("data:text/html,next"));

    auto stale = co_await page.evaluate("1", {.context_id = world});
    auto renewed = must(co_await page.isolated_world("bridge"));

    EXPECT_EQ(stale.error().failure, Failure::navigated);
    EXPECT_EQ(must(co_await page.evaluate("window.mark", {.context_id = renewed})), nullptr);
  });
}

TEST_F(PageTest, AnInitScriptRunsBeforeTheDocumentsOwn) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    must(co_await page.add_init_script("window.early = 1"));
    must(co_await page.add_init_script("window.hidden = 2", "bridge"));
    must(
        co_await page.navigate("data:text/html,<script>var seen = [window.early, "
                               "typeof hidden]</script>"));

    EXPECT_EQ(must(co_await page.evaluate("seen")), (json::array{1, "undefined"}));
    auto world = must(co_await page.isolated_world("bridge"));
    EXPECT_EQ(must(co_await page.evaluate("window.hidden", {.context_id = world})), 2);

    must(co_await page.add_init_script("window.now = 3", "", cdp::FirstRun::now));
    EXPECT_EQ(must(co_await page.evaluate("window.now")), 3);
  });
}

TEST_F(PageTest, ClicksAndKeysAreTrusted) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    must(co_await page.navigate(
        "data:text/html,<textarea id=t style='position:fixed;left:0;top:0;width:200px;height:99px'>"
        "</textarea><script>var seen = []; for (var type of ['click', 'keydown']) "
        "addEventListener(type, e => seen.push([e.type, e.isTrusted, e.key || '', e.ctrlKey]))"
        "</script>"));

    must(co_await page.click(50, 50));
    must(co_await page.insert_text("zwei 😀\nlines"));
    must(co_await page.press("Enter"));
    must(co_await page.press("Shift+A"));
    must(co_await page.press("Control+End"));

    EXPECT_EQ(must(co_await page.evaluate("t.value")), "zwei 😀\nlines\nA");
    EXPECT_EQ(must(co_await page.evaluate("seen")),
              json::parse(R"([["click", true, "", false], ["keydown", true, "Enter", false],
                              ["keydown", true, "A", false], ["keydown", true, "End", true]])"));
    EXPECT_EQ((co_await page.press("Hyper+x")).error().failure, Failure::invalid);
    EXPECT_EQ((co_await page.press("")).error().failure, Failure::invalid);
  });
}

TEST_F(PageTest, AHiddenTabTakesAClick) {
  with_page([](cdp::Browser& browser, cdp::Page& page) -> Story {
    must(
        co_await page.navigate("data:text/html,<body onclick='window.clicked = event.isTrusted'>"
                               "<p style='height:300px'>x"));
    auto front = must(co_await browser.open("about:blank"));
    must(co_await front->call("Page.bringToFront"));

    must(co_await page.click(50, 50));

    EXPECT_EQ(must(co_await page.evaluate("window.clicked")), true);
    EXPECT_EQ(must(co_await page.evaluate("new Promise(done => requestAnimationFrame(() => "
                                          "done('frame')))",
                                          {.await_promise = true})),
              "frame");
  });
}

TEST_F(PageTest, AScreenshotIsAPng) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    EXPECT_TRUE(must(co_await page.screenshot()).starts_with("\x89PNG\r\n\x1A\n"));
  });
}

TEST_F(PageTest, AnUnknownSessionIsDetached) {
  with_page([](cdp::Browser& browser, cdp::Page& page) -> Story {
    auto again = must(co_await browser.attach_page(page.target_id()));
    must(co_await page.call("Page.enable"));
    must(co_await browser.call("Target.closeTarget", {{"targetId", page.target_id()}}));

    EXPECT_EQ((co_await again->evaluate("1")).error().failure, Failure::detached);
    auto missing = co_await browser.attach_page("no such target");
    EXPECT_FALSE(missing);
  });
}

TEST_F(PageTest, AReplyMayHaveFiftyMegabytes) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    auto value = must(co_await page.evaluate("'x'.repeat(50 << 20)"));

    EXPECT_EQ(value.as_string().size(), 50u << 20);
  });
}

TEST_F(PageTest, AStreamIsReadPassivelyEveryByteOnce) {
  with_page([](cdp::Browser&, cdp::Page& page) -> Story {
    WebServer server(co_await asio::this_coro::executor);
    must(co_await page.navigate(server.url("127.0.0.1")));
    must(co_await page.call("Network.enable"));

    auto events = page.subscribe(
        {"Network.responseReceived", "Network.dataReceived", "Network.loadingFinished"});
    must(co_await page.evaluate("void fetch('/stream').then(r => r.text())"));

    auto stream_url = server.url("127.0.0.1") + "stream";
    std::string seen;
    json::value request;
    for (bool is_over = false; !is_over;) {
      auto event = must(co_await events.next(whenever));
      const auto& params = event.params();
      if (event.method() == "Network.responseReceived") {
        if (params.at("response").at("url") != json::value(stream_url)) continue;
        request = params.at("requestId");
        auto stream =
            must(co_await page.call("Network.streamResourceContent", {{"requestId", request}}));
        seen = must(cdp::decode_base64(stream.at("bufferedData").as_string()));
        server.release();
      } else if (params.at("requestId") == request) {
        if (auto* data = params.if_contains("data")) {
          seen += must(cdp::decode_base64(data->as_string()));
        }
        is_over = event.method() == "Network.loadingFinished";
      }
    }

    EXPECT_EQ(seen, WebServer::stream_text());
  });
}

}  // namespace
