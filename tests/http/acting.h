// The API with agents of several tiers, persons, and what does the actions.
#pragma once

#include "bridge/engine/crew.h"
#include "bridge/services/actions/rules.h"
#include "tests/http/api_fixture.h"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace http_test {

// The daemon's runners beside the API.
struct Acting : ApiFixture {
  // Registers an agent of each sort, makes keys, and works the lanes.
  Story begin() {
    const auto agent = [&](std::string_view name, std::string_view tier) -> Story {
      co_await call("POST", "/api/gpt-agents/register",
                    {.body = json::object{{"name", name}, {"kind", "cli"}, {"tier", tier}}});
    };
    co_await agent("Builder", "operator");
    co_await agent("Guest", "visitor");
    co_await agent("Elder", "architect");
    builder = co_await key("builder", {"actions", "messages", "approve"}, "Builder");
    guest = co_await key("guest", {"actions"}, "Guest");
    elder = co_await key("elder", {"actions"}, "Elder");
    anna = co_await key("anna", {"approve", "actions"});
    bert = co_await key("bert", {"approve", "actions"});
    handlers[std::string(services::actions::action_kind)] = [this](engine::Claim claim,
                                                                   engine::LaneContext& lane) {
      return actions->handle(std::move(claim), lane);
    };
    engine.emplace(*store, *queue, clock, timeline, bells, faults, "life");
    crew.emplace(loop.get_executor(), *engine, handlers);
    on_ring = [this](const std::string& bell) {
      if (crew) crew->rung(bell);
    };
    const auto started = co_await crew->start();
    EXPECT_TRUE(started);
  }
  Story end() {
    crew->stop();
    co_await crew->idle(clock, base::Instant::max());
    co_await crew->join();
    crew.reset();
  }
  // Runs the story between the two.
  void act(std::function<Story()> story) {
    run([&, story = std::move(story)]() -> Story {
      co_await begin();
      co_await story();
      co_await end();
    });
  }
  asio::awaitable<http::ClientReply> post(std::string as, std::string path, json::value body) {
    co_return co_await call_as(as, "POST", "/api/" + path, {.body = std::move(body)});
  }
  asio::awaitable<http::ClientReply> execute(std::string as, std::string who, std::string action,
                                             json::object params) {
    co_return co_await post(
        as, "gpt-agents/" + who + "/actions/execute",
        json::object{{"action", action}, {"params", std::move(params)}, {"wait", 40}});
  }
  asio::awaitable<http::ClientReply> decide(std::string as, std::string approval,
                                            std::string decision = "approve",
                                            std::string of = "-") {
    co_return co_await post(as, "gpt-agents/" + of + "/actions/approve",
                            json::object{{"approval", approval}, {"decision", decision}});
  }
  // The state that it comes to.
  asio::awaitable<std::string> becomes(std::string id) {
    const auto found = co_await call("GET", "/api/approvals/" + id + "?wait=40");
    co_return text(found.json(), "state");
  }
  asio::awaitable<http::ClientReply> resolve(std::string as, std::string id, std::string verdict,
                                             std::string note = "") {
    co_return co_await post(as, "approvals/" + id + "/resolve",
                            json::object{{"verdict", verdict}, {"note", note}});
  }
  // Starts what comes next without a runner, so that the row can be changed before it is done.
  Story rest() {
    crew->stop();
    co_await crew->idle(clock, base::Instant::max());
    co_await crew->join();
    crew.emplace(loop.get_executor(), *engine, handlers);
  }
  Story go_on() {
    const auto started = co_await crew->start();
    EXPECT_TRUE(started);
  }
  asio::awaitable<std::string> principal_of(std::string key) {
    const auto found = co_await keys->find(*http::api_key_digest(key));
    EXPECT_TRUE(found && *found);
    co_return "key:" + (**found).id;
  }
  Story revoke(std::string key) {
    const auto id = (co_await principal_of(key)).substr(std::string_view("key:").size());
    EXPECT_EQ((co_await call("DELETE", "/api/keys/" + id)).status, 204);
  }
  asio::awaitable<std::size_t> done() {
    const auto page = co_await call("GET", "/api/audit?type=action.completed");
    co_return page.json().at("items").as_array().size();
  }

  std::string builder, guest, elder, anna, bert;
  base::Faults faults;
  std::optional<engine::Engine> engine;
  std::map<std::string, engine::Handler> handlers;
  std::optional<engine::Crew> crew;
};

}  // namespace http_test
