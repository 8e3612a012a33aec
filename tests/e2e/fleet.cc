#include "tests/e2e/fleet.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace e2e {

using namespace std::chrono_literals;

namespace {

const std::string fixtures = std::string(SOURCE_DIR) + "/fixtures/";

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string replaced(std::string text, std::string_view old, std::string_view by) {
  for (auto at = text.find(old); at != std::string::npos; at = text.find(old, at + by.size())) {
    text.replace(at, old.size(), by);
  }
  return text;
}

std::string without_end_marker(std::string text) {
  text.resize(std::min(text.size(), text.rfind("\nFLYWHEEL-END-")));
  text.resize(text.find_last_not_of(" \n") + 1);
  return text;
}

}  // namespace

void Fleet::SetUp() {
  bridge["listen"] = "127.0.0.1:0";
  bridge["timeouts"] = json::object{{"ready_seconds", 120}, {"send_seconds", 120}};
  bridge["limits"] =
      json::object{{"pause_seconds", 0}, {"sends_per_window", 10'000}, {"cooldown_seconds", 1}};
}

void Fleet::TearDown() {
  // A browser that is told to end writes into its profile until it has.
  if (daemon && !daemon->has_ended()) {
    daemon->signal(SIGTERM);
    EXPECT_TRUE(daemon->wait_end(std::chrono::steady_clock::now() + 60s));
  }
  Project::TearDown();
  if (HasFailure() && daemon) std::cerr << daemon->log();
}

void Fleet::launch(std::vector<std::string> arguments, std::vector<std::string> environment) {
  calls.reset();
  daemon.reset();
  arguments.insert(arguments.begin(), "--headless");
  daemon = std::make_unique<app::DaemonProcess>(
      app::DaemonProcess::Options{.project = folder.path(),
                                  .arguments = std::move(arguments),
                                  .environment = std::move(environment)});
  ASSERT_TRUE(daemon->wait_ready(std::chrono::steady_clock::now() + 60s)) << daemon->log();
  calls = std::make_unique<app::DaemonCalls>(state());
}

void Fleet::start(const fixture::Knobs& knobs, std::vector<std::string> arguments) {
  configure(knobs);
  launch(std::move(arguments));
  ASSERT_TRUE(calls);
  const auto registry = replaced(file_text(fixtures + "registry/registry.json"),
                                 "https://chatgpt.com", site->origin());
  post("/api/gpt-agents/register", {{"import", parsed(registry)}});
}

http::ClientReply Fleet::call(http::ClientRequest request) const {
  const std::string what = request.method + " " + request.target;
  auto reply = calls->call(std::move(request));
  EXPECT_TRUE(reply) << what << ": " << reply.error().message;
  return reply ? *std::move(reply) : http::ClientReply();
}

json::value Fleet::get(std::string path) const {
  const auto reply = call({.target = path});
  EXPECT_TRUE(reply.is_success()) << path << ": " << reply.body;
  return reply.json();
}

json::value Fleet::post(std::string path, json::object body) const {
  const auto reply = call({.method = "POST", .target = path, .body = json::value(std::move(body))});
  EXPECT_TRUE(reply.is_success()) << path << ": " << reply.body;
  return reply.json();
}

void Fleet::create(std::string_view name) const {
  post("/api/gpt-workflows/create",
       {{"yaml", file_text(fmt::format("{}workflows/{}.yaml", fixtures, name))}});
}

std::string Fleet::execute(std::string_view workflow, json::object inputs) const {
  const auto run =
      post(fmt::format("/api/gpt-workflows/{}/execute", workflow), {{"inputs", std::move(inputs)}});
  return std::string(run.at("id").as_string());
}

json::value Fleet::ended(const std::string& run, std::chrono::seconds most,
                         std::string_view job) const {
  const auto until = std::chrono::steady_clock::now() + most;
  for (;;) {
    auto view = get(fmt::format("/api/gpt-workflows/runs/{}?wait={}", run, job.empty() ? 10 : 1));
    if (!view.is_object() || view.at("state") == "finished") return view;
    if (!job.empty() && view.at("jobs").at(job).at("state") == "approval") return view;
    if (std::chrono::steady_clock::now() >= until) return view;
  }
}

void Fleet::approve(const std::string& run, std::string_view job) const {
  post(fmt::format("/api/gpt-workflows/runs/{}/steps/{}/approve", run, job),
       {{"decision", "approve"}});
}

json::value Fleet::run_to_its_end(std::string_view workflow, json::object inputs) const {
  create(workflow);
  return ended(execute(workflow, std::move(inputs)));
}

std::vector<Chat> Fleet::chats_of(std::string_view gpt) const {
  std::vector<Chat> chats;
  for (const auto& id : site->conversations()) {
    if (site->address(id).find(fmt::format("-{}/c/", gpt)) == std::string::npos) continue;
    auto& chat = chats.emplace_back();
    chat.posts = site->ledger(id).accepted();
    for (const auto& message : site->transcript(id)) {
      const bool is_shown = !message.hidden && message.channel == "final";
      if (message.role == "assistant" && is_shown) {
        chat.answers.push_back(without_end_marker(message.text));
      }
    }
  }
  return chats;
}

Chat Fleet::only_chat_of(std::string_view gpt) const {
  auto chats = chats_of(gpt);
  EXPECT_EQ(chats.size(), 1u) << gpt;
  if (chats.size() != 1) return {{{}}, {""}};
  EXPECT_EQ(chats[0].posts.size(), 1u) << gpt;
  EXPECT_EQ(chats[0].answers.size(), 1u) << gpt;
  chats[0].posts.resize(1);
  chats[0].answers.resize(1);
  return chats[0];
}

std::string Fleet::text_of(const json::value& run, std::string_view job) {
  const auto& outputs = run.at("jobs").at(job).at("outputs");
  return outputs.is_object() ? std::string(outputs.at("text").as_string()) : "";
}

std::string result_of(const json::value& run, std::string_view job) {
  const auto& of = job.empty() ? run : run.at("jobs").at(job);
  const auto& result = of.at("result");
  return std::string(result.is_string() ? result.as_string() : of.at("state").as_string());
}

}  // namespace e2e
