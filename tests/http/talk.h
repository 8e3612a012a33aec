// Two programs and a GPT of the registry that write to one another, over HTTP.
#pragma once

#include "tests/http/api_fixture.h"

#include <optional>
#include <string>
#include <vector>

namespace http_test {

struct Talk : ApiFixture {
  // Registers two programs and a GPT, and makes the programs' own keys.
  Story begin() {
    for (const auto* name : {"Planner", "Critic"}) {
      co_await call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", name}, {"kind", "cli"}, {"category", "Core"}}});
    }
    co_await call("POST", "/api/gpt-agents/register",
                  {.body = json::object{{"name", "Culture Code"},
                                        {"link", "https://chatgpt.com/g/g-0a1b2c3d4-culture"},
                                        {"category", "Creative"}}});
    planner = co_await key("planner", {"messages"}, "Planner");
    critic = co_await key("critic", {"messages"}, "Critic");
  }
  asio::awaitable<http::ClientReply> post(std::string as, std::string path, json::value body) {
    co_return co_await call_as(as, "POST", "/api/gpt-agents/" + path, {.body = std::move(body)});
  }
  asio::awaitable<http::ClientReply> get(std::string as, std::string path) {
    co_return co_await call_as(as, "GET", "/api/gpt-agents/" + path);
  }
  // Runs the next job of the GPT's lane: it answers this, or fails.
  asio::awaitable<json::object> run_next(std::optional<std::string> answer) {
    const auto agent = co_await call("GET", "/api/gpt-agents/culture-code");
    const engine::LaneId lane{"gpt:" + text(agent.json(), "id")};
    auto done = co_await write([&](store::Tx& tx) -> base::Result<json::object> {
      TRY(auto turn, queue->claim(tx, lane, "life", timeline.now()));
      auto& claim = std::get<engine::Claim>(turn);
      if (answer) {
        const json::object response{{"text", *answer}};
        TRY_OK(
            queue->complete(tx, claim.lease, json::object{{"response", response}}, timeline.now()));
      } else {
        TRY_OK(queue->fail_for_good(tx, claim.lease, {"timeout", "no answer"}, timeline.now()));
      }
      return claim.job.payload;
    });
    BRIDGE_ASSERT(done);
    co_return *std::move(done);
  }
  asio::awaitable<std::size_t> sent() {
    const auto page = co_await call("GET", "/api/audit?type=message.sent");
    co_return page.json().at("items").as_array().size();
  }
  std::string planner, critic;
};

inline std::vector<std::string> texts(const http::ClientReply& page) {
  std::vector<std::string> all;
  for (const auto& item : page.json().at("items").as_array()) all.push_back(text(item, "text"));
  return all;
}

}  // namespace http_test
