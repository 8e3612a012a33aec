// Conversations on the look-alike site in a real browser.
#pragma once

#include "bridge/chat/chat_page.h"
#include "fixtures/chatgpt/site.h"
#include "tests/cdp/browser_fixture.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

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

// Records that the durable points were passed in order; at each something may happen.
class Steps final : public chat::SendSteps {
 public:
  std::string log;
  std::function<base::Task<>()> on_intent;
  std::function<base::Task<>()> on_armed;

  base::Task<> intent(const chat::Baseline&) override {
    log += "intent ";
    if (on_intent) co_return co_await on_intent();
    co_return base::Result<>();
  }
  base::Task<> armed() override {
    log += "armed ";
    if (on_armed) co_return co_await on_armed();
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

// Never reached: only the provider's own end ends the reading.
class Never final : public chat::FinishCheck {
 public:
  bool is_reached(std::string_view) override { return false; }
  bool is_reached(const std::string&, const std::vector<chat::CodeBlock>&) override {
    return false;
  }
};

// A prompt of its own job that asks for nothing.
chat::Prompt prompt_of(int job, std::string_view body);
// A prompt that the site's model answers with a valid reply of its own.
chat::Prompt packet_prompt(int job = 1);

// One conversation in a tab of its own.
struct World {
  std::string name;
  int number = 0;  // its own in the test
  fixture::Site* site = nullptr;
  cdp::Browser* browser = nullptr;
  std::unique_ptr<chat::ChatPage> chat;
  base::SystemClock clock;
  std::string url;
  Steps steps;
  chat::Prompt prompt;
  bool is_sent = false;  // as the last send said

  // A prompt of a job that nobody else in this test has.
  void next_prompt() { prompt = packet_prompt(number += 1000); }
  // Another tab with the same conversation.
  base::Task<std::unique_ptr<chat::ChatPage>> open(chat::ChatOptions options);
  base::Task<chat::Sent> send();
  // Until the end marker.
  base::Task<chat::RawReply> reply(const chat::Sent& sent);
  // Until the provider's own end.
  base::Task<chat::RawReply> whole_reply(const chat::Sent& sent);
  fixture::Ledger ledger() const { return site->ledger(url); }
  // The messages with the prompt's marker that the site has taken, in any conversation.
  std::vector<fixture::Post> accepted() const;
  // The answer to the prompt as the site holds it.
  std::string answer() const;
  // To the letter; of a page, all its code blocks and the end marker.
  void expect_answer(const chat::RawReply& reply) const;
  // Nothing was taken, and nothing of ours is left in the composer.
  Story expect_unsent();
};

struct Case {
  std::string name;
  fixture::Knobs knobs;
  std::function<Story(World&)> story;
  chat::ChatOptions options = {};  // without a URL: a new conversation's
};

// Runs the stories in tabs of one browser, some at a time. After each one the ledger must be free
// of forbidden acts and hold at most one accepted message with the prompt's marker, which has its
// text and no file if it is said to be sent. `defaults` are the knobs of chats that begin at "/".
void in_worlds(const std::vector<Case>& cases, const fixture::Knobs& defaults = {});
void in_world(const fixture::Knobs& knobs, const std::function<Story(World&)>& story,
              chat::ChatOptions options = {});

// The changes applied to a healthy site of this shell; a wrong knob fails the test.
fixture::Knobs with(std::string_view shell, std::string_view changes_json = "{}");

// "sent", or the reason of the error.
std::string outcome(const base::Result<chat::Sent>& sent);

}  // namespace chat_test
