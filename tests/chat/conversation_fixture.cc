#include "tests/chat/conversation_fixture.h"

#include "bridge/chat/readback.h"

namespace chat_test {

chat::Prompt packet_prompt() {
  chat::Prompt prompt;
  prompt.marker = std::string("FLYWHEEL-JOB-") + job + "-00112233445566ff";
  prompt.end_marker = std::string("FLYWHEEL-END-") + job;
  prompt.text = prompt.marker + "\n\nPlease answer with *one* fenced block, then a line with `" +
                prompt.end_marker + "`.\n\n```json\n" +
                R"({"proto": "flywheel.chatgpt.v1", "bead_id": "bd-rate_limits",
 "msg_type": "RFP_PLAN", "sender": "agent-7", "ts": "2026-10-01T12:00:00Z",
 "context": {"repo": "api", "branch": "main", "goal": "Limit # of requests <b> & \\ \"quotes\"",
             "constraints": ["no new_dependency_here"]},
 "inputs": {"artifacts": [], "questions": ["What first? 日本 Grüße 🚀"]},
 "requested_output": {"format": "json", "fields": ["plan", "risks"]}})" +
                "\n```\n\n    indented line\n\ttabbed  double  spaces\nlast line";
  return prompt;
}

boost::asio::awaitable<void> World::open(fixture::Knobs knobs, chat::ChatOptions options) {
  url = site->new_conversation(knobs);
  if (options.url.empty()) options.url = url;
  browser = must(co_await cdp::Browser::launch({.profile_dir = profile.path()}));
  auto page = must(co_await browser->first_page());
  const auto profiles = must_be(chat::Profiles::load({}));
  chat =
      must_be(co_await chat::ChatPage::open(std::move(page), profiles, std::move(options), clock));
}

base::Task<chat::RawReply> World::reply(const chat::Sent& sent) {
  Marked finish(prompt.end_marker);
  co_return co_await chat->reply(sent, prompt, finish, std::chrono::seconds(40));
}

void in_world(const fixture::Knobs& knobs, const std::function<Story(World&)>& story,
              chat::ChatOptions options) {
  World world;
  world.site = must_be(fixture::Site::start({}));
  run([&]() -> Story {
    std::exception_ptr error;
    try {
      co_await world.open(knobs, options);
      co_await story(world);
    } catch (...) {
      error = std::current_exception();
    }
    // Both belong to the loop, which ends with this coroutine.
    world.chat.reset();
    world.browser.reset();
    if (error) std::rethrow_exception(error);
  });
  std::size_t accepted = 0;
  for (const auto& post : world.site->ledger().posts) {
    if (post.accepted && chat::first_line(post.text) == world.prompt.marker) ++accepted;
  }
  EXPECT_LE(accepted, 1u) << "the message was sent more than once";
  for (const auto& wire : world.site->ledger().forbidden) {
    ADD_FAILURE() << "a forbidden act: " << wire.wire;
  }
}

}  // namespace chat_test
