// A person at the dashboard: one tab of a real Chromium.
#pragma once

#include "bridge/base/json.h"
#include "cdp/base64.h"
#include "cdp/browser.h"
#include "tests/app/process.h"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace e2e {

namespace json = boost::json;
using namespace std::chrono_literals;
using Story = boost::asio::awaitable<void>;

template <class T>
T must(cdp::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline std::string js_text(std::string_view text) { return json::serialize(json::value(text)); }

// A tab, and what no page of ours may do: log an error, throw, break its policy or open a dialog.
class Visitor {
 public:
  explicit Visitor(std::unique_ptr<cdp::Page> page) : page_(std::move(page)) {}

  cdp::Page& page() { return *page_; }

  Story watch() {
    faults_ = page_->subscribe({"Runtime.exceptionThrown", "Runtime.consoleAPICalled",
                                "Log.entryAdded", "Page.javascriptDialogOpening"});
    must(co_await page_->call("Runtime.enable"));
    must(co_await page_->call("Log.enable"));
  }

  // Waits until the expression is true.
  Story until(std::string expression) {
    const auto wait = fmt::format(
        "new Promise((done) => {{ const look = () => ({0}) ? done(true) : setTimeout(look, 20);"
        " look(); }})",
        expression);
    // A page that goes elsewhere takes the promise with it.
    auto came = co_await page_->evaluate(wait, {.await_promise = true, .limit = 20s});
    for (int i = 0; !came && came.error().failure != cdp::Failure::timeout && i < 20; ++i) {
      came = co_await page_->evaluate(wait, {.await_promise = true, .limit = 20s});
    }
    EXPECT_TRUE(came) << expression << (came ? "" : came.error().message)
                      << "\nthe page: " << co_await text();
  }
  Story sees(std::string words) {
    co_await until(fmt::format("document.body.textContent.includes({})", js_text(words)));
  }
  boost::asio::awaitable<std::string> text() {
    const auto all = co_await page_->evaluate("document.body ? document.body.innerText : ''");
    co_return all && all->is_string() ? std::string(all->get_string()) : std::string();
  }
  boost::asio::awaitable<json::value> value(std::string expression) {
    co_return must(co_await page_->evaluate(std::move(expression)));
  }
  Story go(std::string view) {
    co_await value(fmt::format("location.hash = {}", js_text("#/" + view)));
    co_await until("!document.querySelector('main [aria-busy]')");
  }
  // A character that needs other keys on other keyboards.
  Story types(std::string character) {
    co_await value(
        fmt::format("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', "
                    "{{key: {}, bubbles: true, cancelable: true}}))",
                    js_text(character)));
  }
  Story press(std::initializer_list<std::string> keys) {
    for (const auto& key : keys) must(co_await page_->press(key));
  }

  // Presses the button with this label.
  Story click(std::string_view place, std::string_view label) {
    co_await value(
        fmt::format("[...document.querySelectorAll('{} button')].find((one) => "
                    "one.textContent === {}).click()",
                    place, js_text(label)));
  }
  // For eyes: into the folder $FLYWHEEL_SCREENSHOTS, if that is set.
  Story picture(std::string name) {
    const char* folder = std::getenv("FLYWHEEL_SCREENSHOTS");
    if (folder == nullptr) co_return;
    json::object whole{{"format", "png"}, {"captureBeyondViewport", true}};
    const auto shot = must(co_await page_->call("Page.captureScreenshot", std::move(whole)));
    const auto bytes = cdp::decode_base64(std::string(shot.at("data").as_string()));
    if (bytes) std::ofstream(fmt::format("{}/{}.png", folder, name), std::ios::binary) << *bytes;
  }

  // What a network refuses is told by the page; everything else is a fault of ours.
  std::vector<std::string> faults() {
    std::vector<std::string> found;
    while (const auto event = faults_.try_next()) {
      const auto& of = event->params();
      if (event->method() == "Runtime.consoleAPICalled" && of.at("type") != "error") continue;
      if (event->method() == "Log.entryAdded") {
        const auto& entry = of.at("entry").as_object();
        if (entry.at("level") != "error" || entry.at("source") == "network") continue;
      }
      found.push_back(event->method() + " " + std::string(event->params_text()));
    }
    return found;
  }

 private:
  std::unique_ptr<cdp::Page> page_;
  cdp::Subscription faults_;
};

// Runs the story in a browser of its own; afterwards the page must have had no fault.
inline void visit_dashboard(const std::function<Story(Visitor&)>& story,
                            std::chrono::seconds most = 100s) {
  boost::asio::io_context loop;
  std::exception_ptr error;
  bool has_ended = false;
  const auto whole = [&]() -> Story {
    const app::TestFolder profile;
    auto browser = must(co_await cdp::Browser::launch({.profile_dir = profile.path() / "p"}));
    Visitor visitor(must(co_await browser->first_page()));
    co_await visitor.watch();
    co_await story(visitor);
    for (const auto& fault : visitor.faults()) ADD_FAILURE() << fault;
    must(co_await browser->close());
  };
  boost::asio::co_spawn(loop, whole, [&](const std::exception_ptr& thrown) {
    error = thrown;
    has_ended = true;
  });
  loop.run_for(most);
  if (error) std::rethrow_exception(error);
  EXPECT_TRUE(has_ended);
}

}  // namespace e2e
