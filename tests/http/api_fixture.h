// The API on loopback, over a real queue and journal on a store in memory; the session is a fake.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/base/scope.h"
#include "bridge/engine/crew.h"
#include "bridge/http/api_routes.h"
#include "bridge/http/client.h"
#include "bridge/http/outbound.h"
#include "bridge/services/actions.h"
#include "bridge/services/agents.h"
#include "bridge/services/events/subscriptions.h"
#include "bridge/services/fleets.h"
#include "bridge/services/keys.h"
#include "bridge/services/memory/replies.h"
#include "bridge/services/messages.h"
#include "bridge/services/packets.h"
#include "bridge/services/schedules.h"
#include "bridge/services/sign_in.h"
#include "bridge/services/workflows/workflows.h"
#include "bridge/store/sqlite_store.h"
#include "tests/http/fixture.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http_test {

inline constexpr std::string_view marker_key = "the key of the markers";

class FakeSession final : public chat::Session {
 public:
  chat::SessionView account() const override { return view; }
  std::vector<chat::SessionView> conversations() const override { return {view}; }
  base::Task<chat::SessionView> check() override {
    ++checks;
    co_return view;
  }
  base::Task<std::string> screenshot() override { co_return std::string("\x89PNG\r\n\x1a\n"); }
  base::Task<chat::Inspection> inspect(std::string url) override {
    chat::Inspection inspection;
    inspection.seen.url = url.empty() ? view.conversation : url;
    inspection.seen.turns = {{.role = "user", .turn = "t-1", .text = "What first?"}};
    inspection.judged = {.state = view.state, .evidence = view.evidence};
    co_return inspection;
  }
  base::Task<> show_window() override {
    if (has_display) windows.push_back("shown");
    if (has_display) co_return base::Result<>();
    co_return base::fail(base::Code::unavailable, "start the browser: there is no display");
  }
  base::Task<> hide_window() override {
    windows.push_back("hidden");
    co_return base::Result<>();
  }

  chat::SessionView view;
  int checks = 0;
  bool has_display = true;
  std::vector<std::string> windows;
};

struct Call {
  std::optional<json::value> body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class ApiFixture {
 public:
  explicit ApiFixture(int depth_max = 100);
  ~ApiFixture();

  // Starts the server, runs the story to its end and stops the server.
  void run(std::function<Story()> story);
  // A key's text.
  asio::awaitable<std::string> key(std::string name, std::vector<std::string> scopes,
                                   std::string agent = "");
  // Before `run`: more actions than the usual ones, run with `program_means`.
  void build_actions(json::object more);
  // One call with the admin's key, or with another.
  asio::awaitable<http::ClientReply> call(std::string method, std::string target, Call more = {});
  asio::awaitable<http::ClientReply> call_as(std::string token, std::string method,
                                             std::string target, Call more = {});
  asio::awaitable<RawClient> connect();

  // Hands a packet in and gives its id.
  asio::awaitable<std::string> submit(json::value packet);
  // Claims the next packet and goes up to `stage`.
  asio::awaitable<engine::Lease> start(engine::Stage stage);
  // Ends the next packet with this reply.
  Story finish(json::object reply);
  // Until the journal has an entry of this type; gives its sequence.
  asio::awaitable<std::int64_t> written(std::string type);

  template <class Work>
  auto write(Work work) {
    return store->write(std::move(work));
  }

  asio::io_context loop{1};
  TestClock clock;
  engine::Timeline timeline{clock, "boot"};
  engine::Bells bells{loop.get_executor()};
  engine::JournalTail tail{loop.get_executor()};
  engine::Journal journal{&tail};
  base::SeededRandom random{7};
  base::Metrics metrics;
  protocol::MessageTypes types = protocol::MessageTypes::built_in();
  engine::NoteSigner signer = engine::NoteSigner::generate("flywheel/test");
  FakeSession session;
  std::unique_ptr<store::SqliteStore> store;
  std::optional<engine::Queue> queue;
  std::optional<services::Packets> packets;
  std::optional<services::Keys> keys;
  std::optional<services::Agents> agents;
  std::optional<services::Messages> messages;
  std::unique_ptr<http::Internet> internet;
  services::actions::Means program_means;
  std::unique_ptr<services::Actions> actions;
  std::optional<services::Fleets> fleets;
  std::optional<services::memory::Memory> memory;
  std::optional<services::memory::Replies> replies;
  std::optional<services::Schedules> schedules;
  std::optional<services::Workflows> workflows;
  std::optional<services::SignIn> sign_in;
  events::WebhookSettings webhooks{.instance = "flywheel/test", .origin = "flywheel-test"};
  std::optional<events::Subscriptions> subscriptions;
  std::optional<http::Authenticator> authenticator;
  std::optional<http::Router> router;
  std::unique_ptr<http::JournalEvents> events;
  std::optional<http::ApiNeeds> needs;
  std::unique_ptr<http::Server> server;
  std::string admin;  // the admin's key
  std::vector<http::NotReady> reasons;
  std::vector<services::Closure> closures;
  std::function<void(const std::string&)> on_ring = [](const auto&) {};  // after the bells
  int drains = 0;
  bool has_screenshots = false;

 private:
  Story serve(std::function<Story()> story);
  void build_subscriptions();
  std::map<std::string, engine::Handler> handlers_;
  base::Faults faults_;
  std::optional<engine::Engine> engine_;
  std::optional<engine::Crew> crew_;
  void build_queue(int depth_max);
  void build_workflows();
  // Webhooks are worked by a crew of their own.
  Story work_webhooks(base::Scope& tasks);
};

// A valid RFP_PLAN.
json::object packet(std::string_view question = "What first?", std::string_view sender = "planner",
                    std::string_view bead = "bd-12");
std::string text(const json::value& object, std::string_view name);
// The pointers of a problem's errors.
std::vector<std::string> pointers(const json::value& problem);

}  // namespace http_test
