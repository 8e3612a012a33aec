// What becomes of texts that are longer than anybody needs.
#include "bridge/services/messages/message_limits.h"
#include "tests/workflows/life.h"

namespace services {
namespace {

using testing::IsEmpty;

TEST(LongTexts, AQueryThatIsTooLargeFailsItsStepAndLiesInNoInbox) {
  Life life;
  const auto worker = life.add_agent("Night Worker", agents::Kind::cli, "");
  const Caller itself{.principal = "key:9", .name = "Night Worker", .agent = worker};
  const auto inbox = [&] {
    return life.run(life.letters->list(itself, worker, {}, 0, 10, life.clock.now()))->messages;
  };
  life.create(R"(
name: w
inputs: {text: {type: string, default: short}, thread: {type: string, default: t}}
jobs:
  ask:
    uses: gpt/Night Worker
    with: {query: "${{ inputs.text }}", thread: "${{ inputs.thread }}"}
)");
  life.begin();
  const auto error = [&](json::object inputs) {
    const auto view = life.ended(life.execute("w", std::move(inputs)));
    return std::string(view.at("jobs").at("ask").at("error").at("code").as_string());
  };
  EXPECT_EQ(error({{"thread", std::string(600, 't')}}), "too_big");
  EXPECT_EQ(error({{"thread", std::string(limits::message_thread_bytes_max + 1, 't')}}), "too_big");
  EXPECT_EQ(error({{"text", std::string(limits::message_text_characters_max + 1, 'x')}}),
            "too_big");
  EXPECT_THAT(inbox(), IsEmpty());
  EXPECT_THAT(life.entries("message."), IsEmpty());
  // What is as large as it may be is asked, by its characters.
  std::string most;
  for (std::size_t i = 0; i < limits::message_text_characters_max; ++i) most += "ä";
  const std::string thread(limits::message_thread_bytes_max, 't');
  life.execute("w", {{"text", most}, {"thread", thread}});
  ASSERT_EQ(inbox().size(), 1u);
  EXPECT_EQ(inbox().front().text, most);
  EXPECT_EQ(inbox().front().thread, thread);
}

TEST(LongTexts, ALongNoteIsShownWholeWhereItsStepIsLookedAtAlone) {
  Life life;
  life.create(R"(
name: w
inputs: {text: {type: string}}
jobs:
  long: {approval: {note: "It says: ${{ inputs.text }}"}}
)");
  life.begin();
  std::string text;
  while (text.size() < 100'000) text += "ä";
  const auto id = life.execute("w", {{"text", text}});
  const auto whole = life.run(life.flows->step(Life::ann, id, "long")).value();
  EXPECT_EQ(whole.at("approval_note"), json::value("It says: " + text));
  EXPECT_FALSE(whole.contains("approval_note_at"));
  const auto listed = life.run(life.flows->waiting(Life::ann, "", 10)).value();
  ASSERT_EQ(listed.items.size(), 1u);
  const auto run = life.view(id);
  for (const auto& shown : {listed.items[0], run.at("jobs").at("long")}) {
    const std::string note(shown.at("approval_note").as_string());
    EXPECT_LE(note.size(), limits::approval_note_bytes_listed);
    EXPECT_GT(note.size(), limits::approval_note_bytes_listed - 4);
    EXPECT_TRUE(("It says: " + text).starts_with(note));
    EXPECT_EQ(shown.at("approval_note_trust"), "untrusted");
    EXPECT_EQ(shown.at("approval_note_at"),
              json::value("/api/gpt-workflows/runs/" + id + "/steps/long"));
  }
}

}  // namespace
}  // namespace services
