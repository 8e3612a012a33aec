#include "tests/http/api_fixture.h"

#include "bridge/engine/job_entry.h"
#include "bridge/engine/schema.h"
#include "bridge/services/action_targets.h"
#include "bridge/services/events/deliveries.h"
#include "bridge/services/events/registered.h"
#include "bridge/services/exchange.h"
#include "bridge/services/messages/query_question.h"
#include "bridge/services/posts.h"
#include "bridge/services/workflows/action_steps.h"
#include "bridge/services/workflows/agent_steps.h"
#include "bridge/services/workflows/scheduled.h"

#include <algorithm>

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

namespace http_test {

namespace {

constexpr std::string_view conversation = "http://127.0.0.1:9/c/1";

std::vector<store::Migration> migrations() {
  std::vector<store::Migration> all;
  for (const auto part :
       {engine::migrations(), services::post_migrations(), services::packet_migrations(),
        services::key_migrations(), services::agents::migrations(),
        services::messages::migrations(), services::actions::migrations(),
        services::workflow_migrations(), services::schedule_migrations(),
        services::memory::migrations(), events::migrations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

ApiFixture::ApiFixture(int depth_max) {
  session.view = {.state = chat::State::ready,
                  .can_send = true,
                  .evidence = "the composer is there",
                  .advice = {},
                  .shell = "B",
                  .browser = "Chrome/1",
                  .conversation = std::string(conversation),
                  .since = clock.wall(),
                  .next_check = clock.wall() + std::chrono::minutes(5)};
  const auto steps = migrations();
  auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
  BRIDGE_ASSERT(opened);
  store = *std::move(opened);
  build_queue(depth_max);
  packets.emplace(
      *store, *queue, journal, timeline, bells, clock, types,
      services::Packets::Settings{
          .url = std::string(conversation), .senders = {}, .marker_key = std::string(marker_key)});
  packets->add_address(std::string(services::messages::query_kind),
                       services::Messages::questions().address);
  keys.emplace(*store, journal, clock);
  const services::Agents::Needs registry{.store = *store, .journal = journal, .clock = clock};
  agents.emplace(registry, services::Agents::Settings());
  fleets.emplace(registry, agents->settings().catalogue);
  messages.emplace(
      services::Messages::Needs{.store = *store,
                                .queue = *queue,
                                .journal = journal,
                                .timeline = timeline,
                                .bells = bells,
                                .clock = clock},
      services::Messages::Settings{.account = "account", .origin = "https://chatgpt.com"});
  agents->on_removal([this](const services::agents::Act& act,
                            const services::agents::Agent& agent) -> base::Result<> {
    TRY_OK(actions->on_removal(act, agent));
    return messages->on_removal(act, agent);
  });
  internet = *http::Internet::create();
  build_actions({});
  memory.emplace(*store, journal, clock);
  build_workflows();
  schedules.emplace(loop.get_executor(),
                    services::Schedules::Needs{.store = *store,
                                               .queue = *queue,
                                               .journal = journal,
                                               .timeline = timeline,
                                               .clock = clock,
                                               .packets = *packets,
                                               .session = session,
                                               .flows = services::starts_of(*workflows)});
  const auto is_shut = [this] {
    return std::ranges::any_of(closures, services::waits_for_evidence, &services::Closure::shut);
  };
  sign_in.emplace(loop.get_executor(),
                  services::SignIn::Needs{session, *store, journal, clock, is_shut},
                  services::SignIn::Usual::no_window);
  authenticator.emplace(http::find_in(*keys), std::nullopt, clock);
  router.emplace(&*authenticator);
}

void ApiFixture::build_workflows() {
  services::StepKinds kinds;
  kinds["packet"] = services::packet_steps(*packets, types);
  kinds["gpt"] = services::gpt_steps(*messages);
  kinds["message"] = services::message_steps(*queue);
  kinds["action"] = services::action_steps(*actions, *queue);
  actions->tell_ends(
      [this](store::Tx& tx, const services::actions::Asked& asked, const engine::Now& now) {
        return workflows->errand_ended(tx, asked.principal, asked.id, now);
      });
  messages->tell_ends(
      [this](store::Tx& tx, const services::messages::Message& query, const engine::Now& now) {
        return workflows->errand_ended(tx, query.principal, query.id, now);
      });
  workflows.emplace(loop.get_executor(),
                    services::Workflows::Needs{*store, *queue, journal, timeline, bells, clock},
                    std::move(kinds));
}

ApiFixture::~ApiFixture() = default;

void ApiFixture::build_queue(int depth_max) {
  engine::QueueOptions options;
  options.depth_max = depth_max;
  options.accounts["account"] = {.caps = {{80, std::chrono::hours(3)}}};
  options.ring = [this](const std::string& bell) {
    bells.ring(bell);
    on_ring(bell);
    if (crew_) crew_->rung(bell);
  };
  options.retries[std::string(events::webhook_kind)] = events::webhook_retries();
  options.on_change = [this](store::Tx& tx, const engine::Change& change,
                             const engine::Now& now) -> base::Result<> {
    if (change.job.kind == events::webhook_kind) return {};
    const bool is_packet = change.job.kind == services::packet_kind;
    TRY_OK(journal.append(
        tx, is_packet ? services::packet_entry(change) : engine::job_entry(change, change.job.kind),
        now.wall));
    TRY_OK(workflows->on_job_change(tx, change, now));
    tx.after_commit([this, bell = services::bell_of_job(change.job.id)] { bells.ring(bell); });
    TRY_OK(messages->on_change(tx, change, now));
    TRY_OK(actions->on_change(tx, change, now));
    return replies->on_change(tx, change, now);
  };
  queue.emplace(std::move(options), random);
  replies.emplace(*queue, journal);
}

void ApiFixture::build_actions(json::object more) {
  std::map<std::string, services::Actions::BuiltIn> builtins;
  builtins["message.send"] = [this](const services::actions::Asked& asked,
                                    services::Caller as) -> base::Task<json::value> {
    const auto& params = asked.params.as_object();
    CO_TRY(const auto sent,
           co_await messages->send(std::move(as),
                                   {.to = std::string(params.at("to").as_string()),
                                    .text = std::string(params.at("text").as_string())},
                                   {.key = asked.id, .hash = asked.hash}));
    co_return json::object{{"message", sent.message.id}};
  };
  builtins["memory.purge"] = [](const services::actions::Asked&,
                                services::Caller) -> base::Task<json::value> {
    co_return json::object{{"purged", true}};
  };
  builtins["agent.deregister"] = [this](const services::actions::Asked& asked,
                                        services::Caller as) {
    return services::deregister(*agents, asked, std::move(as));
  };
  auto configured = *base::parse_json(R"json({
    "greet": {"kind": "program", "description": "Says hello.", "risk": 10, "min_tier": "citizen",
              "argv": ["/bin/echo", "hello", "{name}", "$HOME;"],
              "params": {"type": "object", "required": ["name"], "additionalProperties": false,
                         "properties": {"name": {"type": "string"}}},
              "raise": [{"when": {"properties": {"name": {"const": "root"}}}, "add": 60}]},
    "wipe": {"kind": "program", "description": "Wipes.", "risk": 90, "min_tier": "operator",
             "argv": ["/bin/echo", "wiped"], "params": {"type": "object"}},
    "mark": {"kind": "program", "description": "Waits for a file.", "risk": 60,
             "min_tier": "operator",
             "argv": ["/bin/sh", "-c", "until [ -e $0 ]; do /bin/sleep 0.01; done; echo x >> $0",
                      "{file}"],
             "params": {"type": "object", "required": ["file"],
                        "properties": {"file": {"type": "string"}}}},
    "crown": {"kind": "program", "description": "Crowns.", "risk": 10, "min_tier": "founder",
              "argv": ["/bin/echo", "crowned"], "params": {"type": "object"}},
    "slow": {"kind": "program", "description": "Never ends.", "risk": 0, "min_tier": "visitor",
             "argv": ["/bin/sleep", "1000"], "timeout_seconds": 1, "params": {"type": "object"}},
    "fail": {"kind": "program", "description": "Fails.", "risk": 0, "min_tier": "visitor",
             "argv": ["/bin/false"], "params": {"type": "object"}}
  })json");
  for (auto& [name, action] : more) configured.as_object()[name] = action;
  auto made = services::Actions::create({.store = *store,
                                         .queue = *queue,
                                         .journal = journal,
                                         .timeline = timeline,
                                         .bells = bells,
                                         .clock = clock,
                                         .outbound = internet.get(),
                                         .allowed_networks = webhooks.allow_private,
                                         .program_means = program_means},
                                        configured.as_object(), std::move(builtins));
  BRIDGE_ASSERT(made);
  actions = *std::move(made);
  actions->find_targets(services::action_targets());
}

void ApiFixture::run(std::function<Story()> story) {
  asio::co_spawn(loop, serve(std::move(story)), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  loop.run();
}

void ApiFixture::build_subscriptions() {
  subscriptions.emplace(events::Subscriptions::Needs{.executor = loop.get_executor(),
                                                     .store = *store,
                                                     .queue = *queue,
                                                     .journal = journal,
                                                     .tail = tail,
                                                     .timeline = timeline,
                                                     .clock = clock,
                                                     .outbound = *internet,
                                                     .find_agent = events::find_registered},
                        webhooks);
}

Story ApiFixture::serve(std::function<Story()> story) {
  build_subscriptions();
  const auto lane = services::lane_of(conversation);
  const auto prepared = co_await write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(queue->declare_lane(tx, lane, "account"));
    TRY_OK(queue->recover(tx, "life", 1, timeline.now()));
    return {};
  });
  BRIDGE_ASSERT(prepared);
  admin = co_await key("root", {"admin"});
  auto opened = co_await http::JournalEvents::open(
      loop.get_executor(), {journal, *store, tail, clock, metrics, "flywheel/test"});
  BRIDGE_ASSERT(opened);
  events = *std::move(opened);
  needs.emplace(http::ApiNeeds{.packets = *packets,
                               .keys = *keys,
                               .agents = *agents,
                               .messages = *messages,
                               .actions = *actions,
                               .fleets = *fleets,
                               .memory = *memory,
                               .subscriptions = *subscriptions,
                               .schedules = *schedules,
                               .workflows = *workflows,
                               .sign_in = *sign_in,
                               .types = types,
                               .store = *store,
                               .queue = *queue,
                               .journal = journal,
                               .signer = signer,
                               .timeline = timeline,
                               .session = session,
                               .events = *events,
                               .authenticator = *authenticator,
                               .clock = clock,
                               .metrics = metrics,
                               .instance = "flywheel/test",
                               .version = "1.2.3",
                               .drain = [this] { ++drains; },
                               .not_ready = [this] { return reasons; },
                               .closures = [this] { return closures; },
                               .screenshots = has_screenshots});
  http::add_api(*router, *needs);
  auto started = http::Server::start(loop.get_executor(), clock, *router,
                                     {.listen = "127.0.0.1:0", .metrics = &metrics});
  BRIDGE_ASSERT(started);
  server = *std::move(started);
  base::Scope tasks(loop.get_executor());
  tasks.spawn(events->run());
  const auto running = co_await schedules->start(tasks);
  BRIDGE_ASSERT(running);
  const auto flowing = co_await workflows->start(tasks);
  BRIDGE_ASSERT(flowing);
  agents->start(tasks);
  messages->start(tasks);
  actions->start(tasks);
  co_await work_webhooks(tasks);
  tasks.spawn(sign_in->run());
  co_await story();
  events->close();
  co_await server->stop(std::chrono::seconds(10));
  co_await crew_->join();
  co_await tasks.join();
  server.reset();
}

Story ApiFixture::work_webhooks(base::Scope& tasks) {
  handlers_[std::string(events::webhook_kind)] = subscriptions->handler();
  engine_.emplace(engine::Engine{*store, *queue, clock, timeline, bells, faults_, "life"});
  crew_.emplace(loop.get_executor(), *engine_, handlers_,
                engine::CrewOptions{.works = [](const engine::LaneId& lane) {
                  return lane.text.starts_with("webhook:");
                }});
  const auto worked = co_await crew_->start();
  BRIDGE_ASSERT(worked);
  const auto followed = co_await subscriptions->start(tasks);
  BRIDGE_ASSERT(followed);
}

asio::awaitable<std::string> ApiFixture::key(std::string name, std::vector<std::string> scopes,
                                             std::string agent) {
  auto text = http::new_api_key();
  auto created = co_await keys->create({.name = std::move(name),
                                        .agent = std::move(agent),
                                        .scopes = std::move(scopes),
                                        .digest = *http::api_key_digest(text),
                                        .creator = "test"});
  BRIDGE_ASSERT(created);
  co_return text;
}

asio::awaitable<http::ClientReply> ApiFixture::call(std::string method, std::string target,
                                                    Call more) {
  co_return co_await call_as(admin, std::move(method), std::move(target), std::move(more));
}

asio::awaitable<http::ClientReply> ApiFixture::call_as(std::string token, std::string method,
                                                       std::string target, Call more) {
  http::Client client(server->url(), std::move(token));
  http::ClientRequest request{.method = std::move(method),
                              .target = std::move(target),
                              .body = std::move(more.body),
                              .headers = std::move(more.headers)};
  auto reply = co_await client.call(std::move(request));
  EXPECT_TRUE(reply) << (reply ? "" : reply.error().message);
  co_return reply ? *std::move(reply) : http::ClientReply();
}

asio::awaitable<RawClient> ApiFixture::connect() {
  asio::ip::tcp::socket socket(loop.get_executor());
  co_await socket.async_connect({asio::ip::address_v4::loopback(), server->port()},
                                asio::use_awaitable);
  co_return RawClient(std::move(socket));
}

asio::awaitable<std::string> ApiFixture::submit(json::value body) {
  const auto reply = co_await call("POST", "/api/packets", {.body = std::move(body)});
  EXPECT_EQ(reply.status, 202) << reply.body;
  co_return text(reply.json(), "id");
}

asio::awaitable<engine::Lease> ApiFixture::start(engine::Stage stage) {
  auto lease = co_await write([&](store::Tx& tx) -> base::Result<engine::Lease> {
    const auto now = timeline.now();
    TRY(const auto turn, queue->claim(tx, services::lane_of(conversation), "life", now));
    const auto* claim = std::get_if<engine::Claim>(&turn);
    BRIDGE_ASSERT(claim);
    for (auto next = engine::Stage::intent; next <= stage;
         next = static_cast<engine::Stage>(static_cast<int>(next) + 1)) {
      TRY_OK(queue->set_stage(tx, claim->lease, next, now));
    }
    return claim->lease;
  });
  EXPECT_TRUE(lease) << (lease ? "" : lease.error().message);
  co_return *lease;
}

Story ApiFixture::finish(json::object reply) {
  const auto lease = co_await start(engine::Stage::replied);
  const auto done = co_await write([&](store::Tx& tx) {
    return queue->complete(tx, lease, json::object{{"response", reply}}, timeline.now());
  });
  EXPECT_TRUE(done);
}

asio::awaitable<std::int64_t> ApiFixture::written(std::string type) {
  engine::Follower follower(journal, *store, tail, clock, 0);
  for (;;) {
    const auto entries = co_await follower.next(base::Instant::max());
    BRIDGE_ASSERT(entries);
    for (const auto& entry : *entries) {
      if (entry->type == type) co_return entry->sequence;
    }
  }
}

json::object packet(std::string_view question, std::string_view sender, std::string_view bead) {
  return {
      {"proto", "flywheel.chatgpt.v1"},
      {"bead_id", bead},
      {"msg_type", "RFP_PLAN"},
      {"sender", sender},
      {"ts", "2026-11-21T05:06:07Z"},
      {"context",
       json::object{
           {"repo", "r"}, {"branch", "main"}, {"goal", "a plan"}, {"constraints", json::array()}}},
      {"inputs", json::object{{"artifacts", json::array()}, {"questions", json::array{question}}}},
      {"requested_output",
       json::object{{"format", "json"}, {"fields", json::array{"plan", "risks"}}}}};
}

std::string text(const json::value& object, std::string_view name) {
  const auto* members = object.if_object();
  const auto* value = members ? members->if_contains(name) : nullptr;
  EXPECT_TRUE(value && value->is_string()) << name;
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::vector<std::string> pointers(const json::value& problem) {
  std::vector<std::string> found;
  const auto* members = problem.if_object();
  const auto* errors = members ? members->if_contains("errors") : nullptr;
  if (!errors) return found;
  for (const auto& error : errors->as_array()) found.push_back(text(error, "pointer"));
  return found;
}

}  // namespace http_test
