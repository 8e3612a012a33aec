#include "cdp/mux.h"

#include "cdp/limits.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cdp {
namespace {

using Kind = PageState::Kind;

struct MuxTest : testing::Test {
  Mux mux;

  CallId call(std::string_view session, std::string_view method = "Runtime.evaluate") {
    return mux.command(session, method, {}).value().id;
  }

  Mux::Happened feed(std::string_view message) { return mux.feed(message).value(); }

  Mux::Happened event(std::string_view method, std::string_view params,
                      std::string_view session = "") {
    auto suffix = session.empty() ? "" : fmt::format(R"(,"sessionId":"{}")", session);
    text_ = fmt::format(R"({{"method":"{}","params":{}{}}})", method, params, suffix);
    return feed(text_);
  }

  void attach(std::string_view session, std::string_view target = "t") {
    event("Target.attachedToTarget",
          fmt::format(R"({{"sessionId":"{}","targetInfo":{{"targetId":"{}"}}}})", session, target));
  }

  void open_dialog(std::string_view session, std::string_view type = "alert") {
    event("Page.javascriptDialogOpening",
          fmt::format(R"({{"type":"{}","message":"sure?","url":"u"}})", type), session);
  }

  Failure refusal(int code, std::string_view message) {
    auto id = call("s");
    auto happened =
        feed(fmt::format(R"({{"id":{},"error":{{"code":{},"message":"{}"}}}})", id, code, message));
    return happened.settled.at(0).outcome.error().failure;
  }

 private:
  std::string text_;
};

TEST_F(MuxTest, EncodesACommandWithEverythingItHas) {
  auto command = mux.command("s1", "Page.navigate", {{"url", "a\"b"}});

  EXPECT_EQ(command->text,
            R"({"id":1,"method":"Page.navigate","sessionId":"s1","params":{"url":"a\"b"}})");
}

TEST_F(MuxTest, EncodesACommandWithoutWhatItHasNot) {
  EXPECT_EQ(mux.command("", "Browser.close", {})->text, R"({"id":1,"method":"Browser.close"})");
}

TEST_F(MuxTest, EncodesLongParametersWhole) {
  json::object params{{"text", std::string(100'000, 'x')}};

  auto command = mux.command("s", "Input.insertText", params);

  EXPECT_EQ(json::parse(command->text).at("params"), params);
}

TEST_F(MuxTest, NeverUsesAnIdTwice) {
  auto first = call("s");
  mux.abandon(first);
  EXPECT_NE(first, call("s"));
}

TEST_F(MuxTest, RefusesWhatTheBrowserCouldNotRead) {
  EXPECT_EQ(mux.command("s", "Input.insertText", {{"text", "\xFF"}}).error().failure,
            Failure::invalid);
  EXPECT_EQ(mux.command("s", "A\"B", {}).error().failure, Failure::invalid);
  EXPECT_EQ(mux.command("s\"", "A.b", {}).error().failure, Failure::invalid);
  EXPECT_EQ(mux.waiting(), 0u);
}

TEST_F(MuxTest, AReplySettlesItsCall) {
  auto first = call("s");
  auto second = call("s");

  auto happened = feed(fmt::format(R"({{"id":{},"result":{{"n":2}},"sessionId":"s"}})", second));

  ASSERT_EQ(happened.settled.size(), 1u);
  EXPECT_EQ(happened.settled[0].id, second);
  EXPECT_EQ(*happened.settled[0].outcome, (json::object{{"n", 2}}));
  EXPECT_EQ(mux.waiting(), 1u);
  EXPECT_FALSE(happened.event);
  mux.abandon(first);
}

TEST_F(MuxTest, AReplyWithoutASessionFindsItsCallToo) {
  auto id = call("gone");

  auto happened = feed(fmt::format(
      R"({{"id":{},"error":{{"code":-32001,"message":"Session with given id not found."}}}})", id));

  EXPECT_EQ(happened.settled.at(0).outcome.error().failure, Failure::detached);
}

TEST_F(MuxTest, RefusalsAreClassifiedByWhatToDoAboutThem) {
  EXPECT_EQ(refusal(-32001, "Session with given id not found."), Failure::detached);
  EXPECT_EQ(refusal(-32000, "Target crashed"), Failure::crashed);
  EXPECT_EQ(refusal(-32000, "Inspected target navigated or closed"), Failure::navigated);
  EXPECT_EQ(refusal(-32000, "Execution context was destroyed."), Failure::navigated);
  EXPECT_EQ(refusal(-32000, "Cannot find context with specified id"), Failure::navigated);
  EXPECT_EQ(refusal(-32000, "Cannot navigate to invalid URL"), Failure::refused);
  EXPECT_EQ(refusal(-32602, "Target crashed"), Failure::refused);
}

TEST_F(MuxTest, ARefusalNamesTheMethodTheReasonAndTheData) {
  auto id = call("s", "Page.navigate");

  auto happened = feed(fmt::format(
      R"({{"id":{},"error":{{"code":-32602,"message":"Invalid parameters","data":"no url"}}}})",
      id));

  EXPECT_EQ(happened.settled.at(0).outcome.error(),
            (Error{Failure::refused, -32602, "Page.navigate: Invalid parameters (no url)"}));
}

TEST_F(MuxTest, AMalformedResultFailsItsCallAlone) {
  auto id = call("s");
  call("s");

  auto happened = feed(fmt::format(R"({{"id":{},"result":{{"a":nope}}}})", id));

  EXPECT_EQ(happened.settled.at(0).outcome.error().failure, Failure::invalid);
  EXPECT_EQ(mux.waiting(), 1u);
}

TEST_F(MuxTest, TheLateReplyToAnAbandonedCallIsDropped) {
  auto id = call("s");
  mux.abandon(id);
  EXPECT_EQ(mux.waiting(), 0u);
  EXPECT_EQ(mux.abandoned(), 1u);

  auto happened = feed(fmt::format(R"({{"id":{},"result":{{}}}})", id));

  EXPECT_TRUE(happened.settled.empty());
  EXPECT_EQ(mux.abandoned(), 0u);
}

TEST_F(MuxTest, AReplyToNoCallIsDropped) {
  EXPECT_TRUE(feed(R"({"id":77,"result":{}})").settled.empty());
}

TEST_F(MuxTest, AnErrorWithoutAnIdIsNobodys) {
  auto happened = feed(R"({"error":{"code":-32700,"message":"JSON: invalid"}})");

  EXPECT_TRUE(happened.settled.empty());
  EXPECT_FALSE(happened.event);
}

TEST_F(MuxTest, AbandonedCallsAreForgottenOldestFirst) {
  for (std::size_t i = 0; i < limits::abandoned_calls_max + 10; ++i) mux.abandon(call("s"));

  EXPECT_EQ(mux.abandoned(), limits::abandoned_calls_max);
  EXPECT_EQ(mux.waiting(), 0u);
  EXPECT_TRUE(feed(R"({"id":1,"result":{}})").settled.empty());
  EXPECT_EQ(mux.abandoned(), limits::abandoned_calls_max);
}

TEST_F(MuxTest, AbandoningTwiceOrNothingIsNothing) {
  auto id = call("s");
  mux.abandon(id);
  mux.abandon(id);
  mux.abandon(999);
  EXPECT_EQ(mux.abandoned(), 1u);
}

TEST_F(MuxTest, TooManyWaitingCallsAreRefused) {
  for (std::size_t i = 0; i < limits::pending_calls_max; ++i) call("s");

  EXPECT_EQ(mux.command("s", "A.b", {}).error().failure, Failure::overflow);
}

TEST_F(MuxTest, AnEventIsPassedOnUndecoded) {
  auto happened =
      feed(R"({"method":"Network.dataReceived","params":{"data":"x" BROKEN},"sessionId":"s"})");

  ASSERT_TRUE(happened.event);
  EXPECT_EQ(happened.event->method, "Network.dataReceived");
  EXPECT_EQ(happened.event->session, "s");
  EXPECT_EQ(happened.event->params, R"({"data":"x" BROKEN})");
}

TEST_F(MuxTest, ADetachedSessionFailsItsCallsAndNoOthers) {
  attach("s1");
  attach("s2");
  auto gone = call("s1");
  auto stays = call("s2");

  auto happened = event("Target.detachedFromTarget", R"({"sessionId":"s1"})");

  ASSERT_EQ(happened.settled.size(), 1u);
  EXPECT_EQ(happened.settled[0].id, gone);
  EXPECT_EQ(happened.settled[0].outcome.error().failure, Failure::detached);
  EXPECT_EQ(happened.lost->first, "s1");
  EXPECT_EQ(mux.state("s1").kind, Kind::closed);
  EXPECT_EQ(mux.state("s2").kind, Kind::open);
  EXPECT_EQ(mux.waiting(), 1u);
  mux.abandon(stays);
}

TEST_F(MuxTest, ADetachedInspectorEndsItsSession) {
  attach("s");
  call("s");

  auto happened = event("Inspector.detached", R"({"reason":"target_closed"})", "s");

  EXPECT_EQ(happened.settled.at(0).outcome.error().failure, Failure::detached);
  EXPECT_EQ(mux.state("s").kind, Kind::closed);
}

TEST_F(MuxTest, DetachingForgetsAbandonedCallsOfTheSession) {
  attach("s");
  mux.abandon(call("s"));

  auto happened = event("Target.detachedFromTarget", R"({"sessionId":"s"})");

  EXPECT_TRUE(happened.settled.empty());
  EXPECT_EQ(mux.abandoned(), 0u);
}

TEST_F(MuxTest, DetachingWithoutASessionHarmsNobody) {
  attach("s");
  auto own = call("");

  auto happened = event("Target.detachedFromTarget", "{}");

  EXPECT_TRUE(happened.settled.empty());
  EXPECT_FALSE(happened.lost);
  mux.abandon(own);
}

TEST_F(MuxTest, ACrashFailsWhatThePageWouldHaveAnswered) {
  attach("s");
  auto page = call("s", "Runtime.evaluate");
  auto browser = call("s", "Page.navigate");

  auto happened = event("Inspector.targetCrashed", "{}", "s");

  ASSERT_EQ(happened.settled.size(), 1u);
  EXPECT_EQ(happened.settled[0].id, page);
  EXPECT_EQ(happened.settled[0].outcome.error().failure, Failure::crashed);
  EXPECT_EQ(happened.lost->second.failure, Failure::crashed);
  EXPECT_EQ(mux.state("s").kind, Kind::crashed);
  EXPECT_EQ(mux.waiting(), 1u);
  mux.abandon(browser);
}

TEST_F(MuxTest, ACrashedPageIsAskedNothingButToNavigate) {
  attach("s");
  event("Inspector.targetCrashed", "{}", "s");

  EXPECT_EQ(mux.command("s", "Runtime.evaluate", {}).error().failure, Failure::crashed);
  EXPECT_TRUE(mux.command("s", "Page.navigate", {}));

  event("Inspector.targetReloadedAfterCrash", "{}", "s");
  EXPECT_EQ(mux.state("s").kind, Kind::open);
  EXPECT_TRUE(mux.command("s", "Runtime.evaluate", {}));
}

TEST_F(MuxTest, TheSecondReportOfACrashChangesNothing) {
  attach("s", "t1");
  event("Inspector.targetCrashed", "{}", "s");

  auto happened = event("Target.targetCrashed", R"({"targetId":"t1"})");

  EXPECT_FALSE(happened.lost);
}

TEST_F(MuxTest, ATargetsCrashReachesItsSession) {
  attach("s1", "t1");
  attach("s2", "t2");

  event("Target.targetCrashed", R"({"targetId":"t1"})");

  EXPECT_EQ(mux.state("s1").kind, Kind::crashed);
  EXPECT_EQ(mux.state("s2").kind, Kind::open);
}

TEST_F(MuxTest, ADialogFailsWhatItBlocks) {
  attach("s");
  auto blocked = call("s", "Runtime.evaluate");
  auto answered = call("s", "Page.handleJavaScriptDialog");

  auto happened = event("Page.javascriptDialogOpening",
                        R"({"type":"confirm","message":"sure?","url":"https://x"})", "s");

  ASSERT_EQ(happened.settled.size(), 1u);
  EXPECT_EQ(happened.settled[0].id, blocked);
  EXPECT_EQ(happened.settled[0].outcome.error().failure, Failure::dialog);
  EXPECT_TRUE(happened.event);
  EXPECT_EQ(mux.state("s"), (PageState{Kind::dialog, Dialog{"confirm", "sure?", "https://x"}}));
  EXPECT_EQ(mux.waiting(), 1u);
  mux.abandon(answered);
}

TEST_F(MuxTest, TheLateReplyToABlockedCallIsDropped) {
  attach("s");
  auto id = call("s");
  open_dialog("s");
  event("Page.javascriptDialogClosed", "{}", "s");

  EXPECT_TRUE(feed(fmt::format(R"({{"id":{},"result":{{}}}})", id)).settled.empty());
  EXPECT_EQ(mux.abandoned(), 0u);
  EXPECT_EQ(mux.state("s").kind, Kind::open);
}

TEST_F(MuxTest, UnderADialogOnlyTheBrowserIsAsked) {
  attach("s");
  open_dialog("s");

  EXPECT_EQ(mux.command("s", "Runtime.evaluate", {}).error().failure, Failure::dialog);
  EXPECT_TRUE(mux.command("s", "Page.handleJavaScriptDialog", {}));
  EXPECT_TRUE(mux.command("s", "Target.getTargetInfo", {}));
  EXPECT_TRUE(mux.command("", "Browser.getVersion", {}));
}

TEST_F(MuxTest, OnlyABeforeunloadDialogBlocksLeaving) {
  attach("s");
  auto leave = call("s", "Page.navigate");
  open_dialog("s", "alert");
  EXPECT_EQ(mux.waiting(), 1u);
  event("Page.javascriptDialogClosed", "{}", "s");

  open_dialog("s", "beforeunload");

  EXPECT_EQ(mux.waiting(), 0u);
  mux.abandon(leave);
}

TEST_F(MuxTest, ALongDialogMessageIsCutInErrorsOnly) {
  attach("s");
  auto text = std::string(100'000, 'x');
  event("Page.javascriptDialogOpening", fmt::format(R"({{"type":"alert","message":"{}"}})", text),
        "s");

  EXPECT_LT(mux.command("s", "Runtime.evaluate", {}).error().message.size(), 1000u);
  EXPECT_EQ(mux.state("s").dialog->message, text);
}

TEST_F(MuxTest, ACrashEndsTheDialog) {
  attach("s");
  open_dialog("s");
  event("Inspector.targetCrashed", "{}", "s");
  event("Inspector.targetReloadedAfterCrash", "{}", "s");

  EXPECT_EQ(mux.state("s").kind, Kind::open);
}

TEST_F(MuxTest, EventsOfUnknownSessionsAreHarmless) {
  open_dialog("nobody");
  event("Inspector.targetCrashed", "{}", "nobody");
  event("Inspector.detached", "{}", "nobody");

  EXPECT_EQ(mux.state("nobody").kind, Kind::closed);
}

TEST_F(MuxTest, ClosingFailsEverythingInOrderOnce) {
  attach("s");
  auto first = call("s");
  auto left = call("s");
  auto third = call("");
  mux.abandon(left);

  auto settled = mux.close({Failure::closed, 0, "the pipe ended"});

  ASSERT_EQ(settled.size(), 2u);
  EXPECT_EQ(settled[0].id, first);
  EXPECT_EQ(settled[1].id, third);
  EXPECT_EQ(settled[1].outcome.error(),
            (Error{Failure::closed, 0, "Runtime.evaluate: the pipe ended"}));
  EXPECT_EQ(mux.state("s").kind, Kind::closed);
  EXPECT_EQ(mux.command("s", "A.b", {}).error().failure, Failure::closed);
}

TEST_F(MuxTest, WhatIsNotTheProtocolIsInvalid) {
  for (auto text :
       {"", "x", "[]", "{", R"({"id":})", R"({"id":"1"})", R"({"id":1.5})", R"({"id":1}})",
        R"({"a" 1})", R"({"a":1,})", R"({"a":"x)", R"({"a":{"b":1})",
        R"({"id":99999999999999999999})", R"({"method":"Target.attachedToTarget","params":[]})"}) {
    EXPECT_FALSE(mux.feed(text)) << text;
  }
}

TEST(Envelope, FindsEveryFieldWhateverTheOrderAndSpacing) {
  auto envelope = scan_envelope(
      " {\"sessionId\" : \"s\",\n\"params\": {\"a\": [1, \"]}\\\"\"]} , \"method\":\"M\"} ");

  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->session, "s");
  EXPECT_EQ(envelope->method, "M");
  EXPECT_EQ(envelope->params, "{\"a\": [1, \"]}\\\"\"]}");
  EXPECT_FALSE(envelope->id);
}

TEST(Envelope, AnEscapedQuoteEndsNoString) {
  auto envelope = scan_envelope(R"({"x":"\\\"","id":7,"y":"\\"})");

  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->id, 7);
}

TEST(Envelope, DepthCostsNoStack) {
  std::string deep(1'000'000, '[');
  EXPECT_TRUE(scan_envelope(R"({"params":)" + deep + std::string(deep.size(), ']') + "}"));
  EXPECT_FALSE(scan_envelope(R"({"params":)" + deep));
}

TEST(JsonText, LoneSurrogatesBecomeReplacementCharacters) {
  auto object = parse_object(R"({"a":"x\ud83dy","b":"\udc00","c":"\ud83d\ude00\\ud83d"})");

  ASSERT_TRUE(object);
  EXPECT_EQ(object->at("a"), "x\uFFFDy");
  EXPECT_EQ(object->at("b"), "\uFFFD");
  EXPECT_EQ(object->at("c"), "\U0001F600\\ud83d");
}

TEST(JsonText, DepthIsBounded) {
  auto nested = [](std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(parse_object(nested(limits::json_depth_max - 1)));
  EXPECT_EQ(parse_object(nested(limits::json_depth_max)).error().failure, Failure::invalid);
}

TEST(JsonText, KnowsUtf8) {
  for (auto text : {"", "plain ascii of more than eight", "é", "€", "\U0001F600", "12345678é"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (auto text : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xE2\x82",
                    "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "12345678\xFF"}) {
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace cdp
