#include "bridge/chat/eyes.h"

#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/chat/message.h"
#include "bridge/chat/state.h"
#include "cdp/base64.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

namespace chat {

namespace asio = boost::asio;
namespace json = boost::json;
using base::Code;

namespace {

constexpr auto world_name = "flywheel";

// The bytes in an answer of Network.getResponseBody.
std::optional<std::string> body_of(const json::object& answer) {
  const std::string_view text = text_at(answer, "body");
  if (!is_true(answer.if_contains("base64Encoded"))) return std::string(text);
  auto bytes = cdp::decode_base64(text);
  return bytes ? std::optional(std::move(*bytes)) : std::nullopt;
}

base::Error no_selectors(const json::array& unreadable, std::string_view doing) {
  std::string all;
  for (const auto& one : unreadable) {
    if (one.is_string())
      all += fmt::format("{}{}", all.empty() ? "" : "; ", one.get_string().c_str());
  }
  return {Code::invalid,
          fmt::format("{}: what the browser cannot read as CSS selectors: {}. Mend the page "
                      "profiles, or remove them to use the built-in ones",
                      doing, all),
          "ui_changed"};
}

}  // namespace

base::Error translate(const cdp::Error& error, std::string_view doing) {
  const std::string what = fmt::format("{}: {}", doing, error.message);
  switch (error.failure) {
    case cdp::Failure::closed:
      return as_error(State::browser_gone, what);
    case cdp::Failure::detached:
      return as_error(State::tab_closed, what);
    case cdp::Failure::crashed:
      return as_error(State::tab_crashed, what);
    case cdp::Failure::dialog:
      return as_error(State::unknown_dialog, what);
    case cdp::Failure::navigated:
      return {Code::unavailable, what, "navigated"};
    case cdp::Failure::timeout:
      return {Code::timeout, what, "timeout"};
    case cdp::Failure::locked:
      return {Code::busy, what};
    case cdp::Failure::launch:
      return {Code::unavailable, what};
    case cdp::Failure::refused:
    case cdp::Failure::thrown:
    case cdp::Failure::overflow:
    case cdp::Failure::invalid:
      return {Code::internal, what, "ui_changed"};
  }
  return {Code::internal, what};
}

std::optional<State> state_of(const cdp::PageState& tab) {
  switch (tab.kind) {
    case cdp::PageState::Kind::open:
      return std::nullopt;
    case cdp::PageState::Kind::dialog:
      return State::unknown_dialog;
    case cdp::PageState::Kind::crashed:
      return State::tab_crashed;
    case cdp::PageState::Kind::closed:
      return State::tab_closed;
  }
  return std::nullopt;
}

Eyes::Eyes(std::unique_ptr<cdp::Page> page, std::string script, NetworkWatch network,
           asio::any_io_executor executor)
    : executor_(std::move(executor)),
      page_(std::move(page)),
      script_(std::move(script)),
      network_(std::move(network)),
      news_(executor_),
      document_since_(std::chrono::steady_clock::now()) {}

base::Task<std::shared_ptr<Eyes>> Eyes::open(std::unique_ptr<cdp::Page> page, std::string script,
                                             NetworkWatch network) {
  const auto executor = co_await asio::this_coro::executor;
  std::shared_ptr<Eyes> eyes(
      new Eyes(std::move(page), std::move(script), std::move(network), executor));
  eyes->events_ = eyes->page_->subscribe({"Network.requestWillBeSent", "Network.responseReceived",
                                          "Network.dataReceived", "Network.loadingFinished",
                                          "Network.loadingFailed", "Network.webSocketFrameReceived",
                                          "Network.webSocketClosed", "Page.frameNavigated"});
  // Hundreds a reply, and nearly none of them is news.
  eyes->events_.offer("Network.dataReceived", [raw = eyes.get()](std::string_view params) {
    raw->on_data(params);
    return true;
  });
  json::object network_options{{"maxPostDataSize", limits::prompt_bytes_max * 2}};
  auto enabled = co_await eyes->page_->call("Network.enable", std::move(network_options));
  if (!enabled) co_return std::unexpected(translate(enabled.error(), "watch the network"));
  // A window in the dark has slow timers, and its page may wait with drawing the answer.
  auto focused =
      co_await eyes->page_->call("Emulation.setFocusEmulationEnabled", {{"enabled", true}});
  if (!focused) co_return std::unexpected(translate(focused.error(), "light up the tab"));
  auto installed =
      co_await eyes->page_->add_init_script(eyes->script_, world_name, cdp::FirstRun::now);
  if (!installed) co_return std::unexpected(translate(installed.error(), "add the page scripts"));
  base::spawn_owned(executor, eyes, eyes->cancel_, read_all(eyes));
  co_return eyes;
}

void Eyes::stop() { cancel_.emit(asio::cancellation_type::terminal); }

void Eyes::on_data(std::string_view params) {
  const std::uint64_t known = network_.version();
  network_.on_data(params);
  if (network_.version() != known) news_.notify();
}

asio::awaitable<void> Eyes::read_all(std::shared_ptr<Eyes> self) {
  for (;;) {
    auto event = co_await self->events_.next(base::Instant::max());
    if (!event) {
      self->failure_ = translate(event.error(), "watch the page");
      self->news_.notify();
      co_return;
    }
    const std::uint64_t known = self->network_.version();
    co_await self->on_event(std::move(*event));
    if (self->network_.version() != known) self->news_.notify();
  }
}

asio::awaitable<void> Eyes::on_event(cdp::Event event) {
  if (event.method() == "Page.frameNavigated") {
    const auto* frame = object_at(event.params(), "frame");
    if (frame == nullptr || frame->contains("parentId")) co_return;
    world_.reset();
    document_since_ = std::chrono::steady_clock::now();
    network_.on_new_document();
    co_return;
  }
  if (event.method() == "Network.dataReceived") {
    on_data(event.params_text());  // Hundreds a reply: not worth a tree of values each.
    co_return;
  }
  const std::uint64_t known = network_.version();
  auto orders = network_.on_event(event.method(), event.params());
  // Told before the orders are carried out: the next event may void what this one proved.
  if (network_.version() != known) news_.notify();
  for (auto& order : orders) {
    co_await carry_out(std::move(order));
  }
}

asio::awaitable<void> Eyes::carry_out(NetworkWatch::Order order) {
  using Kind = NetworkWatch::Order::Kind;
  json::object params{{"requestId", order.request_id}};
  const auto ask = [&](std::string method) {
    return page_->call(std::move(method), params, limits::page_call);
  };
  if (order.kind == Kind::stream_body) {
    auto stream = co_await ask("Network.streamResourceContent");
    std::optional<std::string> buffered;
    if (stream) {
      auto bytes = cdp::decode_base64(text_at(*stream, "bufferedData"));
      if (bytes) buffered = std::move(*bytes);
    } else if (auto body = co_await ask("Network.getResponseBody")) {
      buffered = body_of(*body);  // Too short to be streamed: it has come whole.
    }
    network_.on_stream(order.request_id, std::move(buffered));
    co_return;
  }
  if (order.kind == Kind::read_post) {
    auto body = co_await ask("Network.getRequestPostData");
    network_.on_post_body(order.request_id, body ? text_at(*body, "postData") : "");
    co_return;
  }
  auto body = co_await ask("Network.getResponseBody");
  // Empty: the page has moved on.
  const auto text = body ? body_of(*body) : std::string();
  if (text) network_.on_body(order.request_id, *text);
}

base::Task<cdp::ContextId> Eyes::world(std::string_view doing) {
  if (!world_) {
    auto context = co_await page_->isolated_world(world_name);
    if (!context) co_return std::unexpected(translate(context.error(), doing));
    // Runs nothing where the document already got the scripts.
    auto installed = co_await page_->evaluate(script_ + ";\nflywheel.unreadable_selectors()",
                                              {.context_id = *context});
    if (!installed) co_return std::unexpected(translate(installed.error(), doing));
    const auto* unreadable = installed->if_array();
    if (unreadable && !unreadable->empty()) {
      co_return std::unexpected(no_selectors(*unreadable, doing));
    }
    world_ = *context;
  }
  co_return *world_;
}

base::Task<json::value> Eyes::run(std::string call, std::string_view doing, cdp::Duration limit,
                                  bool is_promise) {
  CO_TRY(const cdp::ContextId context, co_await world(doing));
  auto value = co_await page_->evaluate(
      "flywheel." + call, {.context_id = context, .await_promise = is_promise, .limit = limit});
  if (!value) {
    if (value.error().failure == cdp::Failure::navigated) world_.reset();
    co_return std::unexpected(translate(value.error(), doing));
  }
  co_return std::move(*value);
}

void Eyes::post(std::string call) {
  const auto task = [](std::shared_ptr<Eyes> self,
                       std::string expression) -> asio::awaitable<void> {
    (void)co_await self->run(std::move(expression), "tell the page", limits::page_call);
  };
  asio::co_spawn(executor_, task(shared_from_this(), std::move(call)), asio::detached);
}

}  // namespace chat
