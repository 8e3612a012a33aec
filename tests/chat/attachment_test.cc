// A person's file never goes out with a message of ours, and if it did, that is told.
#include "tests/chat/conversation_fixture.h"

#include <array>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

struct AttachmentForm {
  std::string_view shell;
  std::string_view chip;
};
constexpr std::array<AttachmentForm, 5> attachment_forms = {
    {{"B", "card"}, {"C", "card"}, {"C", "group"}, {"D", "card"}, {"D", "group"}}};

// The story on every form of page that shows attachments. Only an answer tells shell D.
void on_every_form(std::string_view when, const std::function<Story(World&)>& story) {
  std::vector<Case> cases;
  for (const auto& [shell, chip] : attachment_forms) {
    const auto changes = fmt::format(
        R"({{"attachment_chip": "{}", "late_attachment": "{}", "history": 1}})", chip, when);
    cases.push_back({fmt::format("{} {}", shell, changes), with(shell, changes), story});
  }
  in_worlds(cases);
}

// A large text from the clipboard, of which the page makes a file.
base::Task<> paste(World& w) {
  must(co_await w.chat->page().evaluate(
      "(() => { const data = new DataTransfer();"
      " data.setData('text/plain', 'x'.repeat(10001));"
      " document.querySelector('form [data-composer-markdown], form #prompt-textarea')"
      ".dispatchEvent(new ClipboardEvent('paste',"
      " {clipboardData: data, bubbles: true, cancelable: true})); })()"));
  co_return base::Result<>();
}

// Nothing reached the site, and the file is still the person's to send.
Story expect_kept(World& w) {
  EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
  co_await w.expect_unsent();
  const auto seen = must_be(co_await w.chat->look(0));
  EXPECT_EQ(seen.composer->attachments, 1) << w.name;
}

TEST(Attachment, OneThatIsThereBeforeIsADraft) {
  on_every_form("none", [](World& w) -> Story {
    const auto ready = must_be(co_await w.chat->wait_until_ready());
    EXPECT_EQ(ready.composer->attachments, 0) << w.name;
    must_be(co_await paste(w));
    EXPECT_EQ(outcome(co_await w.send()), "ui_changed") << w.name;
    EXPECT_EQ(must_be(co_await w.chat->state()).state, chat::State::draft_present) << w.name;
    EXPECT_EQ(w.steps.log, "") << w.name;
    co_await expect_kept(w);
  });
}

TEST(Attachment, OneThatComesBeforeTheTextStopsIt) {
  on_every_form("none", [](World& w) -> Story {
    w.steps.on_intent = [&w]() -> base::Task<> { co_return co_await paste(w); };
    EXPECT_EQ(outcome(co_await w.send()), "payload_altered") << w.name;
    EXPECT_EQ(w.steps.log, "intent ") << w.name;
    co_await expect_kept(w);
  });
}

TEST(Attachment, OneThatComesWithTheTextStopsIt) {
  on_every_form("insert", [](World& w) -> Story {
    EXPECT_EQ(outcome(co_await w.send()), "payload_altered") << w.name;
    EXPECT_EQ(w.steps.log, "intent ") << w.name;
    co_await expect_kept(w);
  });
}

TEST(Attachment, OneThatComesUnderTheClickStopsIt) {
  on_every_form("click", [](World& w) -> Story {
    EXPECT_EQ(outcome(co_await w.send()), "payload_altered") << w.name;
    EXPECT_EQ(w.steps.log, "intent armed ") << w.name;
    co_await expect_kept(w);
  });
}

TEST(Attachment, APasteMeetsTheGuard) {
  on_every_form("none", [](World& w) -> Story {
    w.steps.on_armed = [&w]() -> base::Task<> { co_return co_await paste(w); };
    EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
    EXPECT_EQ(w.accepted().size(), 1u) << w.name;
  });
}

// Whatever a page shows of it, the POST says what was sent.
TEST(Attachment, OneThatOnlyThePostShowsIsNoCleanSend) {
  on_every_form("send", [](World& w) -> Story {
    const auto sent = co_await w.send();
    EXPECT_EQ(outcome(sent), "unknown_outcome") << w.name;
    if (!sent) EXPECT_NE(sent.error().message.find("a file"), std::string::npos) << w.name;
    const auto taken = w.accepted();
    EXPECT_EQ(taken.size(), 1u) << w.name;
    if (!taken.empty()) EXPECT_EQ(taken[0].attachments.size(), 1u) << w.name;

    const auto found = must_be(co_await w.chat->find(w.prompt));
    EXPECT_TRUE(found.sent.has_value()) << w.name;
    EXPECT_TRUE(found.is_altered) << w.name;
  });
}

TEST(Attachment, WithoutOneTheMessageIsFoundUnaltered) {
  on_every_form("none", [](World& w) -> Story {
    EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
    EXPECT_FALSE(must_be(co_await w.chat->find(w.prompt)).is_altered) << w.name;
  });
}

}  // namespace
}  // namespace chat_test
