#include "bridge/chat/network_watch.h"

#include "bridge/base/limits.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

namespace chat {
namespace {

namespace json = boost::json;
using Kind = NetworkWatch::Order::Kind;

std::string base64(std::string_view bytes) {
  std::string text(bytes.size() * 2 + 4, '\0');
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(text.data()),
      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()))));
  return text;
}

constexpr std::string_view site = "https://chat.test";

struct Watched {
  NetworkWatch watch{std::string(site), "c-1"};

  std::vector<NetworkWatch::Order> tell(std::string_view method, json::object params) {
    return watch.on_event(method, params);
  }
  std::vector<NetworkWatch::Order> request(std::string id, std::string method, std::string path,
                                           std::string body = "") {
    json::object request{{"method", method}, {"url", std::string(site) + path}};
    if (!body.empty()) request["postData"] = body;
    return tell("Network.requestWillBeSent", {{"requestId", id}, {"request", std::move(request)}});
  }
  std::vector<NetworkWatch::Order> response(std::string id, std::string path, int status,
                                            json::object headers = {},
                                            std::string mime = "text/event-stream") {
    return tell("Network.responseReceived",
                {{"requestId", id},
                 {"type", "Fetch"},
                 {"response", json::object{{"url", std::string(site) + path},
                                           {"status", status},
                                           {"headers", std::move(headers)},
                                           {"mimeType", mime}}}});
  }
  void data(std::string id, std::string_view bytes) {
    watch.on_data(json::serialize(json::object{{"requestId", id}, {"data", base64(bytes)}}));
  }
};

const std::string send_path = "/backend-api/f/conversation";
const std::string body = R"({"action":"next","messages":[{"id":"u-1","author":{"role":"user"},)"
                         R"("content":{"content_type":"text","parts":["MARK\nhello"]}}]})";

TEST(NetworkWatch, TheListOfChatsIsReadOnlyWhereAChatBegins) {
  const std::string list_path = "/backend-api/conversations?offset=0&limit=28&order=updated";
  const auto asked = [&](Watched& w) {
    w.request("1", "GET", list_path);
    w.response("1", list_path, 200, {}, "application/json");
    return w.tell("Network.loadingFinished", {{"requestId", "1"}}).size();
  };
  Watched bound;
  EXPECT_EQ(asked(bound), 0u);
  Watched fresh{NetworkWatch(std::string(site), "")};
  ASSERT_EQ(asked(fresh), 1u);
  fresh.watch.on_body("1", R"({"items": [{"id": "c-1", "gizmo_id": null}]})");
  ASSERT_TRUE(fresh.watch.recent_chats());
  EXPECT_EQ(fresh.watch.recent_chats()->begun_at("/"), std::vector<std::string>{"c-1"});

  // Neither an empty list nor one that is not understood takes its place.
  for (const std::string_view other : {R"({"items": []})", R"({"items": 7})"}) {
    ASSERT_EQ(asked(fresh), 1u);
    EXPECT_FALSE(fresh.watch.knows_recent_chats());
    fresh.watch.on_body("1", other);
    EXPECT_TRUE(fresh.watch.knows_recent_chats());
  }
  fresh.watch.on_new_document();
  EXPECT_FALSE(fresh.watch.recent_chats());
}

TEST(NetworkWatch, WhileAnEndIsAwaitedGrowthIsNewsOnlyThere) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.response("2", send_path, 200);
  w.watch.on_stream("2",
                    "event: delta_encoding\ndata: \"v1\"\n\ndata: {\"v\":{\"message\":{\"id\":"
                    "\"a\",\"author\":{\"role\":\"assistant\"},\"content\":{"
                    "\"content_type\":\"text\",\"parts\":[\"hi\"]}}}}\n\n");
  const auto is_news = [&](std::string_view frame) {
    const auto known = w.watch.version();
    w.data("2", "data: " + std::string(frame) + "\n\n");
    return w.watch.version() != known;
  };
  constexpr std::string_view word = R"({"p":"/message/content/parts/0","o":"append","v":" you"})";
  EXPECT_TRUE(is_news(word));

  w.watch.await_end("THE-END");
  EXPECT_FALSE(is_news(word));
  EXPECT_FALSE(is_news(R"({"v":"\nTHE-"})"));
  EXPECT_TRUE(is_news(R"({"v":"END"})"));
  EXPECT_TRUE(is_news(R"({"v":"\n"})"));
  EXPECT_FALSE(is_news(R"({"v":")" + std::string(1000, 'x') + R"("})"));
  EXPECT_TRUE(is_news(R"({"p":"/message/status","o":"replace","v":"finished_successfully"})"));
  EXPECT_TRUE(is_news("not JSON"));

  w.watch.await_end("");
  EXPECT_TRUE(is_news(R"({"p":"/message/content/parts/0","o":"append","v":"more"})"));
}

TEST(NetworkWatch, ThePostIsFoundByItsFirstLineAndReadWhileItStreams) {
  Watched w;
  w.request("1", "POST", "/backend-api/f/conversation/prepare", body);
  EXPECT_TRUE(w.watch.posts().empty());
  w.request("2", "POST", send_path, body);
  ASSERT_NE(w.watch.post("MARK"), nullptr);
  EXPECT_EQ(w.watch.post("MARK")->text, "MARK\nhello");
  EXPECT_EQ(w.watch.post("hello"), nullptr);

  const auto orders = w.response("2", send_path, 200);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].kind, Kind::stream_body);
  w.watch.on_stream("2", "event: delta_encoding\nda");
  w.data("2",
         "ta: \"v1\"\n\ndata: {\"v\":{\"message\":{\"id\":\"a\",\"author\":{\"role\":"
         "\"assistant\"},\"content\":{\"content_type\":\"text\",\"parts\":[\"hi\"]}}}}\n\n");
  ASSERT_NE(w.watch.post("MARK")->stream.answer(), nullptr);
  EXPECT_EQ(w.watch.post("MARK")->stream.answer()->text, "hi");
}

TEST(NetworkWatch, APostSaysWhetherItCarriesMoreThanItsText) {
  const auto has_files = [](std::string_view content, std::string_view metadata) {
    Watched w;
    w.request("2", "POST", send_path,
              fmt::format(R"({{"messages": [{{"id": "u-1", "author": {{"role": "user"}},)"
                          R"("content": {}, "metadata": {}}}]}})",
                          content, metadata));
    EXPECT_EQ(w.watch.post("MARK")->text, "MARK\nhello");
    return w.watch.post("MARK")->has_files;
  };
  constexpr std::string_view text = R"({"content_type": "text", "parts": ["MARK\nhello"]})";
  EXPECT_FALSE(has_files(text, "{}"));
  EXPECT_FALSE(has_files(text, R"({"attachments": []})"));
  EXPECT_TRUE(has_files(text, R"({"attachments": [{"name": "Pasted text.txt"}]})"));
  EXPECT_TRUE(has_files(R"({"content_type": "multimodal_text", "parts": ["MARK\nhello"]})", "{}"));
  EXPECT_TRUE(has_files(
      R"({"content_type": "text", "parts": ["MARK\nhello", {"asset_pointer": "file-1"}]})", "{}"));
}

TEST(NetworkWatch, ABodyTooLongForTheEventIsAskedFor) {
  Watched w;
  const auto orders = w.request("2", "POST", send_path);
  ASSERT_EQ(orders.size(), 1u);
  EXPECT_EQ(orders[0].kind, Kind::read_post);
  w.watch.on_post_body("2", body);
  EXPECT_NE(w.watch.post("MARK"), nullptr);
}

TEST(NetworkWatch, OtherHostsProveNothing) {
  Watched w;
  w.tell("Network.requestWillBeSent",
         {{"requestId", "1"},
          {"request", json::object{{"method", "POST"},
                                   {"url", "https://elsewhere.test" + send_path},
                                   {"postData", body}}}});
  EXPECT_TRUE(w.watch.posts().empty());
}

TEST(NetworkWatch, ARefusalIsReadWithItsCodeAndWaitingTime) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.response("2", send_path, 429, {{"Retry-After", "60"}}, "application/json");
  const auto orders = w.tell("Network.loadingFinished", {{"requestId", "2"}});
  ASSERT_EQ(orders.size(), 1u);
  w.watch.on_body("2", R"({"detail":{"code":"model_cap_exceeded","clears_in":252,"message":"m"}})");

  const Post& post = *w.watch.post("MARK");
  EXPECT_FALSE(post.is_accepted());
  EXPECT_EQ(post.retry_after_s, 60);
  EXPECT_EQ(post.error_code, "model_cap_exceeded");
  EXPECT_EQ(post.clears_in_s, 252);
}

TEST(NetworkWatch, TheSessionCallTellsWhoIsSignedIn) {
  Watched w;
  w.request("1", "GET", "/api/auth/session");
  w.response("1", "/api/auth/session", 200, {}, "application/json");
  ASSERT_EQ(w.tell("Network.loadingFinished", {{"requestId", "1"}}).size(), 1u);
  EXPECT_EQ(w.watch.evidence().signed_in, std::nullopt);
  w.watch.on_body("1", R"({"user":{"id":"u"},"error":"RefreshAccessTokenError"})");
  EXPECT_EQ(w.watch.evidence().signed_in, true);
  EXPECT_TRUE(w.watch.evidence().session_error);
  w.watch.on_new_document();
  EXPECT_EQ(w.watch.evidence().signed_in, std::nullopt);
}

TEST(NetworkWatch, AChallengeBelongsToTheDocumentThatFollowsIt) {
  Watched w;
  w.tell("Network.responseReceived",
         {{"requestId", "1"},
          {"type", "Document"},
          {"response", json::object{{"url", std::string(site) + "/c/c-1"},
                                    {"status", 403},
                                    {"headers", json::object{{"cf-mitigated", "challenge"}}},
                                    {"mimeType", "text/html"}}}});
  w.watch.on_new_document();
  EXPECT_TRUE(w.watch.evidence().challenged);
  w.watch.on_new_document();
  EXPECT_FALSE(w.watch.evidence().challenged);
}

TEST(NetworkWatch, AnErrorOfTheServerBelongsToTheDocumentThatFollowsIt) {
  Watched w;
  const auto answer = [&w](std::string url, int status) {
    w.tell("Network.responseReceived", {{"requestId", "1"},
                                        {"type", "Document"},
                                        {"response", json::object{{"url", std::move(url)},
                                                                  {"status", status},
                                                                  {"headers", json::object{}},
                                                                  {"mimeType", "text/html"}}}});
  };
  answer(std::string(site) + "/c/c-1", 502);
  EXPECT_EQ(w.watch.evidence().server_error, 0);
  w.watch.on_new_document();
  EXPECT_EQ(w.watch.evidence().server_error, 502);
  answer(std::string(site) + "/c/c-1", 200);
  w.watch.on_new_document();
  EXPECT_EQ(w.watch.evidence().server_error, 0);
  answer("https://ads.test/frame", 503);
  w.watch.on_new_document();
  EXPECT_EQ(w.watch.evidence().server_error, 0);
}

TEST(NetworkWatch, NotFoundCountsOnlyBeforeASend) {
  Watched w;
  w.request("1", "GET", "/backend-api/conversation/c-1");
  w.response("1", "/backend-api/conversation/c-1", 404);
  EXPECT_TRUE(w.watch.evidence().conversation_missing);
  w.watch.on_new_document();
  w.request("2", "POST", send_path, body);
  w.response("3", "/backend-api/conversation/c-1", 404);
  EXPECT_FALSE(w.watch.evidence().conversation_missing);
}

TEST(NetworkWatch, AReadingThatIsRefusedForALimitOrAChallengeIsToldUntilOneSucceeds) {
  const std::string path = "/backend-api/conversation/c-1";
  Watched w;
  w.response("1", "/backend-api/conversation/c-2", 429);
  EXPECT_FALSE(w.watch.evidence().reading_limited) << "somebody else's";
  w.response("2", path, 429);
  EXPECT_TRUE(w.watch.evidence().reading_limited);
  EXPECT_FALSE(w.watch.evidence().reading_challenged);
  w.response("3", path, 403, {{"cf-mitigated", "challenge"}});
  EXPECT_TRUE(w.watch.evidence().reading_challenged);
  w.response("4", path, 403);
  EXPECT_FALSE(w.watch.evidence().reading_challenged) << "403 alone proves no challenge";
  w.response("5", path, 429);
  w.response("6", path, 200);
  EXPECT_FALSE(w.watch.evidence().reading_limited);

  w.request("7", "POST", send_path, body);
  w.response("8", path, 429);
  EXPECT_FALSE(w.watch.evidence().reading_limited) << "an answer may be coming";
}

TEST(NetworkWatch, AReadingThatSucceedsAfterASendEndsARefusalFromBefore) {
  const std::string path = "/backend-api/conversation/c-1";
  Watched w;
  w.response("1", path, 429);
  w.request("2", "POST", send_path, body);
  EXPECT_TRUE(w.watch.evidence().reading_limited);
  w.response("3", path, 200);
  EXPECT_FALSE(w.watch.evidence().reading_limited);
}

TEST(NetworkWatch, FramesOfAHandOffAreReadInOrderEvenWhenTheyComeEarly) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.response("2", send_path, 200);
  w.watch.on_stream("2", "event: delta_encoding\ndata: \"v1\"\n\n");
  const auto frame = [](std::string slice) {
    return json::serialize(json::array{json::object{
        {"type", "message"},
        {"payload", json::object{{"payload", json::object{{"type", "stream-item"},
                                                          {"conversation_id", "c-1"},
                                                          {"encoded_item", slice}}}}}}});
  };
  const auto arrive = [&](const std::string& payload) {
    w.tell("Network.webSocketFrameReceived",
           {{"requestId", "ws"}, {"response", json::object{{"payloadData", payload}}}});
  };
  arrive(
      frame("data: {\"v\":{\"message\":{\"id\":\"a\",\"author\":{\"role\":\"assistant\"},"
            "\"content\":{\"content_type\":\"text\",\"parts\":[\"one \"]}}}}\n\n"));
  EXPECT_EQ(w.watch.post("MARK")->stream.answer(), nullptr);
  w.data("2", "data: {\"type\":\"stream_handoff\",\"conversation_id\":\"c-1\"}\n\n");
  arrive(frame("data: {\"v\":\"two\"}\n\n"));
  ASSERT_NE(w.watch.post("MARK")->stream.answer(), nullptr);
  EXPECT_EQ(w.watch.post("MARK")->stream.answer()->text, "one two");
}

// A handed-off turn: its items by topic, and the hand-off itself.
struct HandedOff : Watched {
  HandedOff() {
    request("2", "POST", send_path, body);
    response("2", send_path, 200);
  }
  const DeltaStream& stream() const { return watch.posts().back()->stream; }
  void arrive(std::string payload) {
    tell("Network.webSocketFrameReceived",
         {{"requestId", "ws"}, {"response", json::object{{"payloadData", std::move(payload)}}}});
  }
  void item(std::string_view words, std::string_view topic = "turn-1") {
    arrive(json::serialize(json::object{
        {"topic_id", topic},
        {"payload", json::object{{"encoded_item", fmt::format("data: {}\n\n", words)}}}}));
  }
  static constexpr std::string_view hello = "event: delta_encoding\ndata: \"v1\"\n\n";
  static constexpr std::string_view hand_off =
      "data: {\"type\":\"stream_handoff\",\"options\":[{\"topic_id\":\"turn-1\"}]}\n\n";
  static constexpr std::string_view answer =
      R"({"v":{"message":{"id":"a","author":{"role":"assistant"},"content":)"
      R"({"content_type":"text","parts":["one "]}}}})";
};

TEST(NetworkWatch, EarlyFramesAreTakenUpWhereverTheHandOffIsRead) {
  for (const bool is_buffered : {false, true}) {
    HandedOff w;
    w.item(w.answer);
    w.watch.on_stream("2", std::string(w.hello) + std::string(is_buffered ? w.hand_off : ""));
    if (!is_buffered) w.data("2", w.hand_off);
    w.item(R"({"v":"theirs"})", "turn-2");
    w.item(R"({"v":"two"})");
    ASSERT_NE(w.stream().answer(), nullptr) << is_buffered;
    EXPECT_EQ(w.stream().answer()->text, "one two") << is_buffered;
    EXPECT_FALSE(w.stream().is_damaged()) << is_buffered;
  }
}

TEST(NetworkWatch, FramesThatCannotBeKeptLeaveAHoleOnceTheAnswerIsHandedOff) {
  const auto has_hole = [](std::size_t early, std::string_view garbage_early,
                           std::string_view garbage_late) {
    HandedOff w;
    for (std::size_t i = 0; i < early; ++i) w.item(R"({"type":"noise"})");
    if (!garbage_early.empty()) w.arrive(std::string(garbage_early));
    w.watch.on_stream("2", std::string(w.hello));
    EXPECT_FALSE(w.stream().has_hole()) << "nothing is handed off yet";
    w.data("2", w.hand_off);
    w.item(w.answer);
    const auto known = w.watch.version();
    if (!garbage_late.empty()) w.arrive(std::string(garbage_late));
    EXPECT_EQ(w.watch.version() > known, garbage_late.contains("encoded_item"));
    EXPECT_EQ(w.stream().is_damaged(), w.stream().has_hole());
    return w.stream().has_hole();
  };
  constexpr std::size_t bound = limits::stream_messages_max;
  constexpr std::string_view garbage = R"([{"encoded_item": "data)";
  EXPECT_FALSE(has_hole(bound, "", ""));
  EXPECT_TRUE(has_hole(bound + 1, "", ""));
  EXPECT_TRUE(has_hole(0, garbage, ""));
  EXPECT_TRUE(has_hole(0, "", garbage));
  EXPECT_FALSE(has_hole(0, "not JSON", "nor this"));
}

TEST(NetworkWatch, AHoleBelongsToThePostThatWasAnswered) {
  HandedOff w;
  w.arrive(R"([{"encoded_item": "data)");
  w.request("3", "POST", send_path, body);
  w.response("3", send_path, 200);
  w.watch.on_stream("3", std::string(w.hello) + std::string(w.hand_off));
  EXPECT_FALSE(w.stream().has_hole());
}

TEST(NetworkWatch, TurnsAreDueFromTheQuestionForThemOn) {
  const auto told = [](std::string id, std::string_view mapping) {
    Watched w;
    EXPECT_FALSE(w.watch.evidence().history_due);
    const std::string path = "/backend-api/conversation/" + id;
    w.request("1", "GET", path);
    EXPECT_EQ(w.watch.evidence().history_due, id == "c-1");
    w.response("1", path, 200, {}, "application/json");
    w.tell("Network.loadingFinished", {{"requestId", "1"}});
    w.watch.on_body("1", R"({"conversation_id": ")" + id +
                             R"(", "current_node": "u", "mapping": )" + std::string(mapping) + "}");
    EXPECT_EQ(w.watch.readback().has_value(), id == "c-1") << "another's says nothing of ours";
    return w.watch.evidence().history_due;
  };
  const std::string_view asked = R"({"u": {"message": {"id": "u", "author": {"role": "user"},
      "content": {"content_type": "text", "parts": ["hello"]}}}})";
  EXPECT_TRUE(told("c-1", asked));
  EXPECT_FALSE(told("c-2", asked));
  EXPECT_FALSE(told("c-1", R"({"u": {"message": {"id": "u", "author": {"role": "system"},
      "content": {"content_type": "text", "parts": ["hidden"]}}}})"));
}

// A phone may ask in the same conversation, and its turns come over the same socket.
TEST(NetworkWatch, OnlyFramesOfOurOwnTurnAreRead) {
  const auto added = [](std::string id, std::string text) {
    return "data: " +
           json::serialize(json::object{
               {"p", ""},
               {"o", "add"},
               {"v", json::object{{"message",
                                   json::object{{"id", id},
                                                {"author", json::object{{"role", "assistant"}}},
                                                {"content", json::object{{"content_type", "text"},
                                                                         {"parts", {text}}}}}}}}}) +
           "\n\n";
  };
  for (const bool is_early : {false, true}) {
    Watched w;
    const auto arrive = [&](json::object frame) {
      w.tell("Network.webSocketFrameReceived",
             {{"requestId", "ws"},
              {"response", json::object{{"payloadData", json::serialize(frame)}}}});
    };
    const auto hand_off = [&] {
      w.data("2", "data: {\"type\":\"stream_handoff\",\"topic\":\"turn-1\"}\n\n");
    };
    w.request("2", "POST", send_path, body);
    w.response("2", send_path, 200);
    w.watch.on_stream("2", "event: delta_encoding\ndata: \"v1\"\n\n");
    if (!is_early) hand_off();
    const std::string theirs = added("b", "theirs");
    arrive({{"topic", "turn-2"}, {"encoded_item", theirs}, {"sequence_id", 900}});
    arrive({{"topic", "turn-2"}, {"conversation_id", "c-1"}, {"encoded_item", theirs}});
    arrive({{"topic", "turn-1"}, {"conversation_id", "c-2"}, {"encoded_item", theirs}});
    arrive({{"encoded_item", theirs}, {"sequence_id", 901}});
    arrive({{"topic", "turn-1"}, {"encoded_item", added("a", "ours")}, {"sequence_id", 0}});
    if (is_early) hand_off();
    const Post& post = *w.watch.post("MARK");
    ASSERT_NE(post.stream.answer(), nullptr) << is_early;
    EXPECT_EQ(post.stream.answer()->text, "ours") << is_early;
    EXPECT_EQ(post.stream.messages().size(), 1u) << is_early;
  }
}

TEST(NetworkWatch, AClosedSocketEndsAnAnswerThatWasHandedOff) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.response("2", send_path, 200);
  w.watch.on_stream("2", "data: {\"type\":\"stream_handoff\",\"conversation_id\":\"c-1\"}\n\n");
  w.tell("Network.loadingFinished", {{"requestId", "2"}});
  const Post& post = *w.watch.post("MARK");
  EXPECT_TRUE(post.is_alive());
  w.tell("Network.webSocketFrameReceived",
         {{"requestId", "ws"},
          {"response",
           json::object{
               {"payloadData", R"([{"conversation_id": "c-1", "encoded_item": ": hi\n\n"}])"}}}});
  w.tell("Network.webSocketClosed", {{"requestId", "another"}});
  EXPECT_TRUE(post.is_alive());
  w.tell("Network.webSocketClosed", {{"requestId", "ws"}});
  EXPECT_FALSE(post.is_alive());
}

TEST(NetworkWatch, WhatWasPostedIsRememberedOverDocuments) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.watch.on_new_document();
  EXPECT_EQ(w.watch.post("MARK"), nullptr);
  EXPECT_TRUE(w.watch.may_be_taken("MARK"));
  EXPECT_FALSE(w.watch.may_be_taken("hello"));
}

// The end of a message that was posted, as the network tells it.
void refuse(Watched& w, const std::string& id, int status) {
  w.response(id, send_path, status, {}, "application/json");
  w.tell("Network.loadingFinished", {{"requestId", id}});
  w.watch.on_body(id, "");
}

TEST(NetworkWatch, WhatWasCertainlyRefusedIsNotTaken) {
  for (const int status : {401, 403, 429}) {
    Watched w;
    w.request("2", "POST", send_path, body);
    w.response("2", send_path, status, {}, "application/json");
    EXPECT_TRUE(w.watch.may_be_taken("MARK")) << "the answer is not over yet";
    refuse(w, "2", status);
    EXPECT_FALSE(w.watch.may_be_taken("MARK")) << status;
    EXPECT_NE(w.watch.post("MARK"), nullptr);
    w.watch.on_new_document();
    EXPECT_FALSE(w.watch.may_be_taken("MARK")) << status;
  }
}

TEST(NetworkWatch, WhatIsPostedAgainAfterARefusalMayBeTaken) {
  Watched w;
  w.request("2", "POST", send_path, body);
  refuse(w, "2", 401);
  w.request("3", "POST", send_path, body);
  EXPECT_TRUE(w.watch.may_be_taken("MARK"));
  refuse(w, "3", 401);
  EXPECT_FALSE(w.watch.may_be_taken("MARK"));
}

TEST(NetworkWatch, AServerInTroubleOrABrokenConnectionRefusesNothing) {
  Watched failed;
  failed.request("2", "POST", send_path, body);
  refuse(failed, "2", 500);
  EXPECT_TRUE(failed.watch.may_be_taken("MARK"));

  Watched broken;
  broken.request("2", "POST", send_path, body);
  broken.tell("Network.loadingFailed", {{"requestId", "2"}, {"errorText", "net::ERR_FAILED"}});
  EXPECT_TRUE(broken.watch.may_be_taken("MARK"));

  // It was on its way when the page went.
  Watched left;
  left.request("2", "POST", send_path, body);
  left.watch.on_new_document();
  refuse(left, "2", 401);
  EXPECT_TRUE(left.watch.may_be_taken("MARK"));
}

TEST(NetworkWatch, ARefusalIsOverWhenItsReasonsAreKnown) {
  Watched w;
  w.request("2", "POST", send_path, body);
  w.response("2", send_path, 413, {}, "application/json");
  w.tell("Network.loadingFinished", {{"requestId", "2"}});
  EXPECT_FALSE(w.watch.post("MARK")->is_ended);
  w.watch.on_body("2", "");
  EXPECT_TRUE(w.watch.post("MARK")->is_ended);
}

TEST(Readback, FollowsTheCurrentBranchOnly) {
  const auto node = [](std::string id, std::string parent, std::string role, std::string text) {
    return json::object{
        {"id", id},
        {"parent", parent},
        {"message", json::object{{"id", id},
                                 {"author", json::object{{"role", role}}},
                                 {"content", json::object{{"content_type", "text"},
                                                          {"parts", json::array{text}}}},
                                 {"recipient", "all"},
                                 {"status", "finished_successfully"},
                                 {"end_turn", role == "assistant"}}}};
  };
  json::object mapping{
      {"root", json::object{{"id", "root"}, {"parent", nullptr}, {"message", nullptr}}},
      {"u1", node("u1", "root", "user", "MARK \nfirst")},
      {"old", node("old", "u1", "assistant", "not shown")},
      {"gone", node("gone", "root", "user", "EDITED\naway")},
      {"a1", node("a1", "u1", "assistant", "shown")},
      {"u2", node("u2", "a1", "user", "quotes MARK")}};
  auto readback = Readback::parse(json::serialize(
      json::object{{"mapping", mapping}, {"current_node", "u2"}, {"conversation_id", "c-1"}}));
  ASSERT_TRUE(readback) << readback.error().message;
  ASSERT_NE(readback->find("MARK"), nullptr);
  EXPECT_EQ(readback->find("MARK")->id, "u1");
  EXPECT_EQ(readback->count("MARK"), 1u);
  EXPECT_FALSE(readback->has_elsewhere("MARK"));
  EXPECT_EQ(readback->find("EDITED"), nullptr);
  EXPECT_TRUE(readback->has_elsewhere("EDITED"));
  ASSERT_NE(readback->answer_to("u1"), nullptr);
  EXPECT_EQ(readback->answer_to("u1")->text, "shown");
  EXPECT_EQ(readback->answer_to("u2"), nullptr);

  mapping["root"].as_object()["parent"] = "u2";
  EXPECT_FALSE(
      Readback::parse(json::serialize(json::object{{"mapping", mapping}, {"current_node", "u2"}})));
  EXPECT_FALSE(Readback::parse("{}"));
}

TEST(Readback, AHiddenMessageBetweenTheQuestionAndItsAnswerIsNobodysQuestion) {
  const auto readback = Readback::parse(R"({"current_node": "a", "mapping": {
      "u": {"parent": null, "message": {"id": "u", "author": {"role": "user"},
        "content": {"content_type": "text", "parts": ["MARK"]}}},
      "h": {"parent": "u", "message": {"id": "h", "author": {"role": "user"},
        "content": {"content_type": "text", "parts": ["context"]},
        "metadata": {"is_visually_hidden_from_conversation": true}}},
      "a": {"parent": "h", "message": {"id": "a", "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": ["shown"]},
        "status": "finished_successfully", "end_turn": true}}}})");
  ASSERT_TRUE(readback) << readback.error().message;
  ASSERT_NE(readback->answer_to("u"), nullptr);
  EXPECT_EQ(readback->answer_to("u")->text, "shown");
  EXPECT_EQ(readback->progress("MARK"), Progress::ended);
}

// Only an answer that has ended may be given up.
TEST(Readback, AnAnswerEndsByItsOwnWordOrByTheNextQuestion) {
  struct Node {
    std::string role, status;
    bool end_turn = false;
    std::string channel = "final";
    std::string text = "";
  };
  const auto progress = [](const std::vector<Node>& nodes) {
    json::object mapping{{"m0", json::object{{"id", "m0"}, {"parent", nullptr}}}};
    std::string last = "m0";
    for (const Node& node : nodes) {
      const std::string id = "m" + std::to_string(mapping.size());
      mapping[id] = json::object{
          {"id", id},
          {"parent", last},
          {"message", json::object{{"id", id},
                                   {"author", json::object{{"role", node.role}}},
                                   {"content", json::object{{"content_type", "text"},
                                                            {"parts", json::array{node.text}}}},
                                   {"recipient", "all"},
                                   {"channel", node.channel},
                                   {"status", node.status},
                                   {"end_turn", node.end_turn}}}};
      last = id;
    }
    const auto read = Readback::parse(
        json::serialize(json::object{{"mapping", mapping}, {"current_node", last}}));
    return read ? read->progress("MARK") : Progress::lost;
  };
  const std::string done = "finished_successfully";
  const Node own{.role = "user", .status = done, .text = "MARK"};
  EXPECT_EQ(progress({{.role = "user", .status = done, .text = "other"}}), Progress::lost);
  EXPECT_EQ(progress({own}), Progress::unfinished);
  EXPECT_EQ(progress({own, {"assistant", done, true, "commentary"}, {"tool", done}}),
            Progress::unfinished);
  EXPECT_EQ(progress({own, {"assistant", "in_progress"}}), Progress::unfinished);
  EXPECT_EQ(progress({own, {"assistant", done, false}}), Progress::unfinished);
  EXPECT_EQ(progress({own, {"assistant", done, true}}), Progress::ended);
  EXPECT_EQ(progress({own, {"assistant", "finished_with_error"}}), Progress::ended);
  EXPECT_EQ(progress({own, {"assistant", "finished_partial_completion"}}), Progress::ended);
  EXPECT_EQ(progress({own, {"user", done, false, "", "and then"}}), Progress::ended);
}

}  // namespace
}  // namespace chat
