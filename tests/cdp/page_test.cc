#include "tests/cdp/browser_fixture.h"

namespace {

using cdp::Failure;
using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;

class PageTest : public cdp_test::BrowserFixture {};

TEST_F(PageTest, EvaluatesByValue) {
  run([&]() -> Story {
    auto browser = must(co_await launch());
    auto page = must(co_await browser->first_page());

    auto value = must(co_await page->evaluate("({a: [1, 'two', null]})"));

    EXPECT_EQ(value, boost::json::parse(R"({"a": [1, "two", null]})"));
    must(co_await browser->close());
  });
}

TEST_F(PageTest, ASubscriptionSeesWhatTheDocumentDoes) {
  run([&]() -> Story {
    auto browser = must(co_await launch());
    auto page = must(co_await browser->first_page());
    auto events = page->subscribe({"Page.frameNavigated"});

    must(co_await page->navigate("data:text/html,<title>x</title>"));

    auto event = events.try_next();
    EXPECT_TRUE(event && event->params().contains("frame"));
    EXPECT_FALSE(events.try_next());
  });
}

}  // namespace
