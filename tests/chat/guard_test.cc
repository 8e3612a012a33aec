// Nothing but the one armed click passes the guard, and what a death in the middle leaves is told
// truthfully.
#include "bridge/base/notice.h"
#include "tests/chat/conversation_fixture.h"

#include <array>
#include <csignal>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace chat_test {
namespace {

namespace json = boost::json;

// A call of the page scripts in their own world, behind the driver's back.
Story in_page(World& w, std::string call, json::value& value) {
  auto& page = w.chat->page();
  const auto world = must(co_await page.isolated_world("flywheel"));
  value = must(
      co_await page.evaluate("flywheel." + call, {.context_id = world, .await_promise = true}));
}

// In the world of the page scripts, from now on: `ms` later.
Story later_in_page(World& w, int ms) {
  auto& page = w.chat->page();
  const auto world = must(co_await page.isolated_world("flywheel"));
  must(co_await page.evaluate(fmt::format("(now => {{ performance.now = () => now() + {}; }})"
                                          "(performance.now.bind(performance))",
                                          ms),
                              {.context_id = world}));
}

// Until the site has taken the message: a page that is loaded anew would not post it any more.
Story taken(World& w) {
  const auto deadline = w.clock.now() + std::chrono::seconds(10);
  auto& eyes = *w.chat->eyes();
  const auto is_taken = [&] {
    const auto* post = eyes.network().post(w.prompt.marker);
    return post != nullptr && post->is_accepted();
  };
  while (!is_taken() && w.clock.now() < deadline) co_await eyes.news().wait(deadline);
  EXPECT_EQ(w.accepted().size(), 1u) << w.name;
}

constexpr std::string_view send_buttons =
    "[data-testid=send-button], button.bg-composer-primary[type=submit]";

// A trusted click of a person on the middle of Send.
Story click_send(cdp::Page& page) {
  const auto box = must(
      co_await page.evaluate(fmt::format("(b => b ? [b.x + b.width / 2, b.y + b.height / 2] : null)"
                                         "(document.querySelector('{}')?.getBoundingClientRect())",
                                         send_buttons)));
  const auto& at = box.as_array();
  must(co_await page.click(at.at(0).to_number<double>(), at.at(1).to_number<double>()));
}

std::size_t acts(const World& w) {
  return static_cast<std::size_t>(std::ranges::count_if(
      w.ledger().inputs, [](const fixture::Input& input) { return input.acted; }));
}

TEST(Guard, APersonsClickOrEnterBeforeTheDriversIsRefused) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const char* hand : {"click", "Enter"}) {
      cases.push_back({fmt::format("{} {}", shell, hand), with(shell),
                       [is_click = std::string_view(hand) == "click"](World& w) -> Story {
                         w.steps.on_armed = [&w, is_click]() -> base::Task<> {
                           if (is_click) {
                             co_await click_send(w.chat->page());
                           } else {
                             must(co_await w.chat->page().press("Enter"));
                           }
                           EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
                           co_return base::Result<>();
                         };
                         EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
                         EXPECT_EQ(w.accepted().at(0).text, w.prompt.text) << w.name;
                         EXPECT_EQ(acts(w), 1u) << w.name;
                       }});
    }
  }
  in_worlds(cases);
}

TEST(Guard, TheDriversClickIsTheOnlyTrustedOne) {
  in_worlds({{"B", with("B"), [](World& w) -> Story {
                EXPECT_EQ(outcome(co_await w.send()), "sent");
                for (const auto& input : w.ledger().inputs) {
                  if (input.kind != "click" || !input.trusted) continue;
                  EXPECT_NE(input.target.find("send-button"), std::string::npos) << input.target;
                }
              }}});
}

json::object plan(const World& w, const chat::Sighting& seen, int limit_ms) {
  return {{"nonce", "test"},
          {"shell", seen.shell()},
          {"text", w.prompt.text},
          {"path", seen.path},
          {"last_turn", seen.turns.empty() ? "" : seen.turns.back().turn},
          {"limit_ms", limit_ms}};
}

// What the page scripts insert and take back.
std::string content(const World& w, const chat::Sighting& seen) {
  return json::serialize(json::object{{"shell", seen.shell()}, {"text", w.prompt.text}});
}

// Inserts the prompt under the guard; gives the page as it was before.
boost::asio::awaitable<chat::Sighting> inserted(World& w) {
  auto seen = must_be(co_await w.chat->wait_until_ready());
  json::value answer;
  co_await in_page(w, "guarded_insert(60000, " + content(w, seen) + ")", answer);
  co_return seen;
}

TEST(Guard, ALateClickAndASecondClickAreRefused) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back(
        {shell, with(shell), [](World& w) -> Story {
           const auto seen = co_await inserted(w);
           json::value answer;
           // Armed and over at once: the limit is in the past when the click comes.
           co_await in_page(w, "arm_when_sendable(" + json::serialize(plan(w, seen, 0)) + ")",
                            answer);
           co_await click_send(w.chat->page());
           co_await in_page(w, "guard_verdict()", answer);
           const bool is_sent = answer.is_object() && answer.as_object().at("sent").as_bool();
           EXPECT_FALSE(is_sent) << w.name;
           EXPECT_TRUE(w.ledger().posts.empty()) << w.name;

           co_await in_page(w, "take_back(" + content(w, seen) + ")", answer);
           EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
           EXPECT_EQ(acts(w), 1u) << w.name;
         }});
  }
  in_worlds(cases);
}

TEST(Guard, AClickAfterItsDeadlineIsRefusedHoweverLongTheInsertionTook) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back(
        {shell, with(shell), [](World& w) -> Story {
           const auto seen = co_await inserted(w);
           json::value answer;
           co_await later_in_page(w, 50000);
           co_await in_page(w, "arm_when_sendable(" + json::serialize(plan(w, seen, 3000)) + ")",
                            answer);
           EXPECT_TRUE(answer.as_object().contains("x")) << w.name << json::serialize(answer);
           co_await later_in_page(w, 15000);
           co_await click_send(w.chat->page());
           co_await in_page(w, "guard_verdict()", answer);
           EXPECT_FALSE(answer.as_object().at("sent").as_bool()) << w.name;
           EXPECT_TRUE(answer.as_object().at("was_up").as_bool()) << w.name;
           EXPECT_EQ(answer.as_object().at("nonce"), "test") << w.name;
           EXPECT_EQ(acts(w), 0u) << w.name;
         }});
  }
  in_worlds(cases);
}

// The clocks of the page scripts stand still from now on: nothing of theirs is late.
Story stand_still_in_page(World& w) {
  auto& page = w.chat->page();
  const auto world = must(co_await page.isolated_world("flywheel"));
  must(
      co_await page.evaluate("((monotonic, wall) => {"
                             "  performance.now = () => monotonic;"
                             "  Date.now = () => wall; })(performance.now(), Date.now())",
                             {.context_id = world}));
}

// What happens in the page after the click was armed, and why the click is refused for it.
struct Change {
  std::string_view shell;
  std::string_view script;
  std::string_view reason;
};

constexpr std::array<Change, 6> changes_under_the_click = {{
    {"B",
     "document.body.insertAdjacentHTML('beforeend',"
     "'<button data-testid=\"stop-button\" style=\"position:fixed;top:0\">x</button>')",
     "an answer is being generated"},
    {"C",
     "document.querySelector('form[data-chatgpt-composer]').insertAdjacentHTML('beforeend',"
     "'<button type=\"button\" aria-label=\"Stop\" style=\"position:fixed;top:0\">x</button>')",
     "an answer is being generated"},
    {"B",
     "document.body.insertAdjacentHTML('beforeend',"
     "'<section data-turn=\"user\" data-turn-id=\"theirs\"></section>')",
     "the last turn is theirs"},
    {"C",
     "document.body.insertAdjacentHTML('beforeend', '<div data-turn-key=\"theirs\">"
     "<i data-chatgpt-search-unit-key=\"theirs:0:user\"></i></div>')",
     "the last turn is theirs"},
    {"B", "history.pushState(null, '', '/c/another')", "the page is at /c/another"},
    {"C", "history.pushState(null, '', '/c/another')", "the page is at /c/another"},
}};

TEST(Guard, AClickOnAPageThatHasChangedSinceItWasArmedIsRefused) {
  std::vector<Case> cases;
  for (const auto& change : changes_under_the_click) {
    cases.push_back(
        {fmt::format("{} {}", change.shell, change.reason), with(change.shell),
         [change](World& w) -> Story {
           const auto seen = co_await inserted(w);
           co_await stand_still_in_page(w);
           json::value answer;
           co_await in_page(w, "arm_when_sendable(" + json::serialize(plan(w, seen, 3000)) + ")",
                            answer);
           EXPECT_TRUE(answer.as_object().contains("x")) << w.name << json::serialize(answer);
           must(co_await w.chat->page().evaluate(std::string(change.script) + "; null"));
           co_await click_send(w.chat->page());
           co_await in_page(w, "guard_verdict()", answer);
           EXPECT_FALSE(answer.as_object().at("sent").as_bool()) << w.name;
           const std::string_view reason(answer.as_object().at("reason").as_string());
           EXPECT_NE(reason.find(change.reason), std::string::npos) << w.name << ": " << reason;
           EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
           EXPECT_EQ(acts(w), 0u) << w.name;
         }});
  }
  in_worlds(cases);
}

// The page was so slow that the guard had gone when the click came.
TEST(Guard, AClickThatMetNoGuardIsOfUnknownOutcome) {
  in_worlds({{"C", with("C"), [](World& w) -> Story {
                w.steps.on_armed = [&w]() -> base::Task<> {
                  auto& page = w.chat->page();
                  const auto world = must(co_await page.isolated_world("flywheel"));
                  must(co_await page.evaluate(
                      "(arm => { flywheel.arm_when_sendable = async (plan) => {"
                      "  const armed = await arm(plan);"
                      "  const now = performance.now.bind(performance);"
                      "  performance.now = () => now() + 600000;"
                      "  return armed; }; })(flywheel.arm_when_sendable)",
                      {.context_id = world}));
                  co_return base::Result<>();
                };
                EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome");
                co_await taken(w);
                EXPECT_TRUE(must_be(co_await w.chat->find(w.prompt)).sent.has_value());
              }}});
}

TEST(Guard, APageThatSendsAtThePointerDownIsNotTakenForOneThatRefused) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back(
        {shell, with(shell, R"({"sends_on_pointer_down": true})"), [](World& w) -> Story {
           EXPECT_EQ(outcome(co_await w.send()), "unknown_outcome") << w.name;
           EXPECT_EQ(w.steps.log, "intent armed ") << w.name;
           co_await taken(w);
           EXPECT_TRUE(must_be(co_await w.chat->find(w.prompt)).sent.has_value()) << w.name;
         }});
  }
  in_worlds(cases);
}

// Where a send is cancelled: what happens at one of its durable points until the notice is given.
struct Cut {
  std::string_view name;
  std::function<base::Task<>()> Steps::* point;
  std::function<Story(World&, base::Notice&)> happens;
};

// The send, until it is cancelled there.
Story send_cut_off(World& w, const Cut& cut) {
  using namespace boost::asio::experimental::awaitable_operators;
  base::Notice is_time(co_await boost::asio::this_coro::executor);
  w.steps.*cut.point = [&]() -> base::Task<> {
    co_await cut.happens(w, is_time);
    co_return base::Result<>();
  };
  const auto send = [&]() -> Story {
    (void)co_await w.send();
    ADD_FAILURE() << w.name << ": the send ended by itself";
  };
  co_await (send() || is_time.wait(base::Instant::max()));
  w.steps.*cut.point = nullptr;
}

// Until the page is a person's again.
Story guard_falls(World& w) {
  const auto deadline = w.clock.now() + std::chrono::seconds(10);
  json::value verdict;
  do {
    co_await in_page(w, "guard_verdict()", verdict);
  } while (verdict.as_object().at("was_up").as_bool() && w.clock.now() < deadline);
  EXPECT_FALSE(verdict.as_object().at("was_up").as_bool()) << w.name;
}

// Without the line breaks of an editor that is empty.
boost::asio::awaitable<std::string> composer_text(World& w) {
  const auto seen = must_be(co_await w.chat->look(0));
  const std::string text = seen.composer ? seen.composer->text : "no composer";
  co_return text.substr(0, text.find_last_not_of('\n') + 1);
}

// Gives the notice and waits for what comes of it.
Story stands_there(World&, base::Notice& is_time) {
  is_time.notify();
  co_await is_time.wait(base::Instant::max());
}

Story goes_on(World&, base::Notice& is_time) {
  is_time.notify();
  co_return;
}

// The page arms the click of this send, and its answer is still to come.
Story goes_on_to_arm(World& w, base::Notice& is_time) {
  auto& page = w.chat->page();
  const auto world = must(co_await page.isolated_world("flywheel"));
  must(
      co_await page.evaluate("(arm => { flywheel.arm_when_sendable = (plan) => {"
                             "  flywheel.arm_when_sendable = arm;"
                             "  arm(plan);"
                             "  return new Promise(() => {}); }; })(flywheel.arm_when_sendable)",
                             {.context_id = world}));
  is_time.notify();
}

// In the place of ours, before the send is cancelled.
Story a_person_writes(World& w, base::Notice& is_time) {
  must(co_await w.chat->page().evaluate(
      "document.querySelector('#prompt-textarea, [data-composer-markdown]')"
      ".replaceChildren(Object.assign(document.createElement('p'), {textContent: 'theirs'}))"));
  co_await stands_there(w, is_time);
}

TEST(Guard, ASendThatIsCancelledBeforeItsClickTakesItsTextBack) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    for (const Cut& cut : {Cut{"inserting", &Steps::on_intent, goes_on},
                           Cut{"inserted", &Steps::on_armed, stands_there},
                           Cut{"arming", &Steps::on_armed, goes_on_to_arm}}) {
      cases.push_back(
          {fmt::format("{} {}", shell, cut.name), with(shell), [cut](World& w) -> Story {
             co_await send_cut_off(w, cut);
             co_await guard_falls(w);
             EXPECT_EQ(co_await composer_text(w), "") << w.name;
             EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
             w.next_prompt();
             EXPECT_EQ(outcome(co_await w.send()), "sent") << w.name;
             EXPECT_EQ(acts(w), 1u) << w.name;
           }});
    }
  }
  in_worlds(cases);
}

TEST(Guard, ASendThatIsCancelledLeavesAPersonsTextAlone) {
  std::vector<Case> cases;
  for (const char* shell : {"B", "C"}) {
    cases.push_back({shell, with(shell), [](World& w) -> Story {
                       co_await send_cut_off(w, {"inserted", &Steps::on_armed, a_person_writes});
                       co_await guard_falls(w);
                       EXPECT_EQ(co_await composer_text(w), "theirs") << w.name;
                       EXPECT_TRUE(w.ledger().posts.empty()) << w.name;
                     }});
  }
  in_worlds(cases);
}

enum class Death { tab_crashes, tab_closes, browser_dies };

base::Task<> die(World& w, Death death) {
  switch (death) {
    case Death::tab_crashes:
      (void)co_await w.chat->page().call("Page.crash", {}, std::chrono::milliseconds(500));
      break;
    case Death::tab_closes:
      (void)co_await w.chat->page().close();
      break;
    case Death::browser_dies:
      ::kill(w.browser->process_id(), SIGKILL);
      (void)co_await w.browser->gone();
      break;
  }
  co_return base::Result<>();
}

class Deaths : public testing::TestWithParam<Death> {};

TEST_P(Deaths, BeforeArmedIsUnsentAndAfterItUnknown) {
  for (const bool is_armed : {false, true}) {
    in_worlds({{is_armed ? "armed" : "intent", with("C"), [&](World& w) -> Story {
                  (is_armed ? w.steps.on_armed : w.steps.on_intent) = [&w]() -> base::Task<> {
                    co_return co_await die(w, GetParam());
                  };
                  const auto sent = co_await w.send();
                  EXPECT_FALSE(sent.has_value());
                  if (!sent) EXPECT_EQ(sent.error().reason == "unknown_outcome", is_armed);
                  EXPECT_TRUE(w.ledger().posts.empty());
                  const auto state = co_await w.chat->state();
                  if (state) EXPECT_TRUE(chat::is_blocking(*state)) << chat::name(state->state);
                }}});
  }
}

TEST_P(Deaths, WhileTheAnswerStreamsAreToldAtOnceAndAnotherTabReadsOn) {
  in_worlds({{"reply", with("C", R"({"generate_ms_min": 900, "generate_ms_max": 900})"),
              [&](World& w) -> Story {
                const auto sent = must_be(co_await w.send());
                (void)co_await die(w, GetParam());
                const auto reply = co_await w.reply(sent);
                EXPECT_FALSE(reply.has_value());
                if (GetParam() == Death::browser_dies) co_return;
                w.chat = must_be(co_await w.open({}));
                const auto found = must_be(co_await w.chat->find(w.prompt)).sent;
                EXPECT_TRUE(found.has_value());
                if (found) w.expect_answer(must_be(co_await w.reply(*found)));
              }}});
}

INSTANTIATE_TEST_SUITE_P(Chat, Deaths,
                         testing::Values(Death::tab_crashes, Death::tab_closes,
                                         Death::browser_dies));

}  // namespace
}  // namespace chat_test
