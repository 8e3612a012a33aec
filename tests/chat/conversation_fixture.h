// A conversation on the look-alike site in a real browser.
#pragma once

#include "bridge/chat/chat_page.h"
#include "fixtures/chatgpt/site.h"
#include "tests/cdp/browser_fixture.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace chat_test {

using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;

template <class T>
T must_be(base::Result<T> result) {
  if (!result)
    throw std::runtime_error(result.error().message + " [" + result.error().reason + "]");
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Records that the durable points were passed in order.
class Steps final : public chat::SendSteps {
 public:
  std::string log;
  std::function<void()> on_intent;
  std::function<void()> on_armed;

  base::Task<> intent(const chat::Baseline&) override {
    log += "intent ";
    if (on_intent) on_intent();
    co_return base::Result<>();
  }
  base::Task<> armed() override {
    log += "armed ";
    if (on_armed) on_armed();
    co_return base::Result<>();
  }
};

// Reached when the end marker is the last line.
class Marked final : public chat::FinishCheck {
 public:
  explicit Marked(std::string marker) : marker_(std::move(marker)) {}
  bool is_reached(std::string_view markdown) override {
    const auto end = markdown.find_last_not_of(" \r\n");
    return end != std::string_view::npos && markdown.substr(0, end + 1).ends_with(marker_);
  }
  bool is_reached(const std::string& text, const std::vector<chat::CodeBlock>&) override {
    return is_reached(text);
  }

 private:
  std::string marker_;
};

inline constexpr auto job = "0191f3a0-0000-7000-8000-000000000001";

// A prompt that the site's model answers with a valid reply of its own.
chat::Prompt packet_prompt();

// One browser, one site, one conversation.
struct World {
  std::unique_ptr<fixture::Site> site;
  cdp_test::TemporaryDirectory profile;
  std::unique_ptr<cdp::Browser> browser;
  std::unique_ptr<chat::ChatPage> chat;
  base::SystemClock clock;
  std::string url;
  Steps steps;
  chat::Prompt prompt = packet_prompt();

  boost::asio::awaitable<void> open(fixture::Knobs knobs, chat::ChatOptions options = {});
  base::Task<chat::Sent> send() { co_return co_await chat->send(prompt, steps); }
  base::Task<chat::RawReply> reply(const chat::Sent& sent);
  fixture::Ledger ledger() const { return site->ledger(url); }
};

// Runs a story about one conversation; afterwards the ledger must be free of forbidden acts and
// hold at most one accepted message with the prompt's marker.
void in_world(const fixture::Knobs& knobs, const std::function<Story(World&)>& story,
              chat::ChatOptions options = {});

}  // namespace chat_test
