#include "tests/chat/conversation_fixture.h"

#include "bridge/base/json.h"
#include "bridge/chat/readback.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

namespace chat_test {

namespace {

constexpr auto tests_limit = std::chrono::seconds(100);

// What the cases of one test share.
struct Lab {
  std::unique_ptr<fixture::Site> site;
  cdp_test::TemporaryDirectory profile;
  std::unique_ptr<cdp::Browser> browser;
  std::size_t next_case = 0;
};

void check_ledger(const World& world) {
  const auto taken = world.accepted();
  EXPECT_LE(taken.size(), 1u) << world.name << ": the message was sent more than once";
  for (const auto& post : taken) {
    if (!world.is_sent) break;
    EXPECT_TRUE(post.text == world.prompt.text) << world.name << "\n" << post.text.substr(0, 2000);
    EXPECT_TRUE(post.attachments.empty()) << world.name << ": a file was sent with the message";
  }
  for (const auto& wire : world.ledger().forbidden) {
    ADD_FAILURE() << world.name << ": a forbidden act: " << wire.wire;
  }
}

Story run_case(Lab& lab, const Case& one, int number) {
  World world;
  world.name = one.name;
  world.number = number;
  world.site = lab.site.get();
  world.browser = lab.browser.get();
  world.prompt = packet_prompt(number);
  world.url = world.site->new_conversation(one.knobs);
  try {
    world.chat = must_be(co_await world.open(one.options));
    co_await one.story(world);
  } catch (const std::exception& error) {
    ADD_FAILURE() << world.name << ": " << error.what();
  }
  if (world.chat && lab.browser->is_open()) (void)co_await world.chat->page().close();
  check_ledger(world);
}

Story work(Lab& lab, const std::vector<Case>& cases) {
  while (lab.next_case < cases.size()) {
    const std::size_t i = lab.next_case++;
    co_await run_case(lab, cases[i], static_cast<int>(i) + 1);
  }
}

}  // namespace

chat::Prompt prompt_of(int job, std::string_view body) {
  const std::string id = fmt::format("0191f3a0-0000-7000-8000-{:012}", job);
  chat::Prompt prompt;
  prompt.marker = fmt::format("FLYWHEEL-JOB-{}-00112233445566ff", id);
  prompt.end_marker = "FLYWHEEL-END-" + id;
  prompt.text = fmt::format("{}\n{}", prompt.marker, body);
  return prompt;
}

chat::Prompt packet_prompt(int job) {
  chat::Prompt prompt = prompt_of(job, "");
  prompt.text += "\nPlease answer with *one* fenced block, then a line with `" + prompt.end_marker +
                 "`.\n\n```json\n" +
                 R"({"proto": "flywheel.chatgpt.v1", "bead_id": "bd-rate_limits",
 "msg_type": "RFP_PLAN", "sender": "agent-7", "ts": "2026-10-01T12:00:00Z",
 "context": {"repo": "api", "branch": "main", "goal": "Limit # of requests <b> & \\ \"quotes\"",
             "constraints": ["no new_dependency_here"]},
 "inputs": {"artifacts": [], "questions": ["What first? 日本 Grüße 🚀"]},
 "requested_output": {"format": "json", "fields": ["plan", "risks"]}})" +
                 "\n```\n\n    indented line\n\ttabbed  double  spaces\nlast line";
  return prompt;
}

base::Task<std::unique_ptr<chat::ChatPage>> World::open(chat::ChatOptions options) {
  if (options.url.empty()) options.url = url;
  auto page = must(co_await browser->open("about:blank"));
  const auto profiles = must_be(chat::Profiles::load({}));
  co_return co_await chat::ChatPage::open(std::move(page), profiles, std::move(options), clock);
}

base::Task<chat::Sent> World::send() {
  is_sent = false;
  auto sent = co_await chat->send(prompt, steps);
  is_sent = sent.has_value();
  co_return sent;
}

base::Task<chat::RawReply> World::reply(const chat::Sent& sent) {
  Marked finish(prompt.end_marker);
  co_return co_await chat->reply(sent, prompt, finish, std::chrono::seconds(40));
}

base::Task<chat::RawReply> World::whole_reply(const chat::Sent& sent) {
  Never finish;
  co_return co_await chat->reply(sent, prompt, finish, std::chrono::seconds(40));
}

std::vector<fixture::Post> World::accepted() const {
  std::vector<fixture::Post> taken;
  for (const auto& post : site->ledger().accepted()) {
    if (chat::first_line(post.text) == prompt.marker) taken.push_back(post);
  }
  return taken;
}

std::string World::answer() const {
  for (const auto& id : site->conversations()) {
    const auto transcript = site->transcript(id);
    bool is_after = false;
    for (auto message = transcript.begin(); message != transcript.end(); ++message) {
      if (message->role == "user") is_after = chat::first_line(message->text) == prompt.marker;
      if (is_after && message->role == "assistant" && message->channel == "final") {
        return message->text;
      }
    }
  }
  return "no answer";
}

void World::expect_answer(const chat::RawReply& reply) const {
  const std::string expected = answer();
  if (reply.route != "dom") {
    EXPECT_TRUE(reply.text == expected) << name << " by " << reply.route << "\n" << reply.text;
    return;
  }
  EXPECT_FALSE(reply.blocks.empty()) << name;
  for (const auto& block : reply.blocks) {
    const auto end = block.text.find_last_not_of('\n');
    const auto fenced = fmt::format("\n{}\n```", block.text.substr(0, end + 1));
    EXPECT_NE(expected.find(fenced), std::string::npos) << name << "\n" << block.text;
  }
  EXPECT_NE(reply.text.find(prompt.end_marker), std::string::npos) << name << "\n" << reply.text;
}

Story World::expect_unsent() {
  EXPECT_TRUE(accepted().empty()) << name;
  const auto seen = co_await chat->look(0);
  if (!seen || !seen->composer) co_return;
  EXPECT_NE(chat::first_line(seen->composer->text), prompt.marker) << name;
}

void in_worlds(const std::vector<Case>& cases, const fixture::Knobs& defaults) {
  Lab lab;
  lab.site = must_be(fixture::Site::start({.knobs = defaults}));
  run(
      [&]() -> Story {
        using namespace boost::asio::experimental::awaitable_operators;
        lab.browser = must(co_await cdp::Browser::launch({.profile_dir = lab.profile.path()}));
        co_await (work(lab, cases) && work(lab, cases) && work(lab, cases));
        // Belongs to the loop, which ends with this coroutine.
        lab.browser.reset();
      },
      tests_limit);
}

void in_world(const fixture::Knobs& knobs, const std::function<Story(World&)>& story,
              chat::ChatOptions options) {
  in_worlds({{"", knobs, story, std::move(options)}});
}

fixture::Knobs with(std::string_view shell, std::string_view changes_json) {
  fixture::Knobs knobs;
  knobs.shell = shell;
  const auto changes = must_be(base::parse_json(changes_json));
  return must_be(fixture::with_changes(std::move(knobs), changes.as_object()));
}

std::string outcome(const base::Result<chat::Sent>& sent) {
  return sent ? "sent" : sent.error().reason;
}

}  // namespace chat_test
