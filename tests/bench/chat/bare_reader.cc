#include "tests/bench/chat/bare_reader.h"

#include "cdp/base64.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace bench {
namespace {

namespace json = boost::json;

constexpr std::string_view composer =
    "document.querySelector('form [data-composer-markdown], form #prompt-textarea')";
constexpr std::string_view send_button =
    "document.querySelector('form button.bg-composer-primary[aria-label=\"Send\"], "
    "[data-testid=\"send-button\"]')";
constexpr std::string_view stop_button =
    "document.querySelector('form button[aria-label=\"Stop\"], [data-testid=\"stop-button\"]')";
// Part of the operation that ends an answer, and of nothing before it.
constexpr std::string_view last_words = "/message/end_turn";
constexpr auto answer_limit = std::chrono::seconds(60);

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

cdp::Task<json::value> until(cdp::Page& page, std::string value) {
  auto script = fmt::format(
      "new Promise((resolve) => {{ const look = () => {{ const found = {}; if (found) {{"
      " watch.disconnect(); resolve(found); }} }};"
      " const watch = new MutationObserver(look);"
      " watch.observe(document, {{subtree: true, childList: true, attributes: true}}); look(); }})",
      value);
  return page.evaluate(std::move(script), {.await_promise = true});
}

cdp::Task<> send(cdp::Page& page, std::string text) {
  CO_TRY_OK(co_await page.evaluate(
      fmt::format("(() => {{ const clipboardData = new DataTransfer();"
                  " clipboardData.setData('text/plain', {}); const node = {}; node.focus();"
                  " node.dispatchEvent(new ClipboardEvent('paste',"
                  " {{clipboardData, bubbles: true, cancelable: true}})); }})()",
                  json::serialize(json::string(text)), composer)));
  CO_TRY(auto at, co_await until(page, fmt::format("((box) => box && [box.x + box.width / 2,"
                                                   " box.y + box.height / 2])"
                                                   "({}?.getBoundingClientRect())",
                                                   send_button)));
  const auto& point = at.as_array();
  co_return co_await page.click(point[0].to_number<double>(), point[1].to_number<double>());
}

// Returns when the last bytes of the answer are here.
cdp::Task<> read(cdp::Page& page, cdp::Subscription& events) {
  std::string request;
  std::string bytes;
  const auto deadline = cdp::Clock::now() + answer_limit;
  while (bytes.find(last_words) == std::string::npos) {
    CO_TRY(auto event, co_await events.next(deadline));
    const std::string id = cdp::text_in(event.params(), "requestId");
    if (event.method() == "Network.requestWillBeSent") {
      const auto* asked = cdp::object_in(event.params(), "request");
      const bool is_send = asked && cdp::text_in(*asked, "method") == "POST" &&
                           cdp::text_in(*asked, "url").ends_with("/backend-api/f/conversation");
      if (is_send) request = id;
    } else if (request.empty() || id != request) {
      continue;
    } else if (event.method() == "Network.responseReceived") {
      json::object params{{"requestId", id}};
      CO_TRY(auto stream, co_await page.call("Network.streamResourceContent", std::move(params)));
      CO_TRY(bytes, cdp::decode_base64(cdp::text_in(stream, "bufferedData")));
    } else {
      CO_TRY(auto piece, cdp::decode_base64(cdp::text_in(event.params(), "data")));
      bytes += piece;
    }
  }
  co_return cdp::Result<>();
}

}  // namespace

cdp::Task<> read_barely(cdp::Page& page, const std::vector<BareJob>& jobs,
                        const std::function<void(const BareTimes&)>& tell) {
  CO_TRY_OK(co_await page.call("Network.enable"));
  CO_TRY_OK(co_await page.call("Emulation.setFocusEmulationEnabled", {{"enabled", true}}));
  auto events = page.subscribe(
      {"Network.requestWillBeSent", "Network.responseReceived", "Network.dataReceived"});
  for (const auto& [job, text] : jobs) {
    CO_TRY_OK(co_await until(page, fmt::format("{} && !{}", composer, stop_button)));
    BareTimes times{.job = job, .ready_ns = now_ns()};
    CO_TRY_OK(co_await send(page, text));
    CO_TRY_OK(co_await read(page, events));
    times.read_ns = now_ns();
    tell(times);
  }
  co_return cdp::Result<>();
}

}  // namespace bench
