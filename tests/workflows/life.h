// Workflows over a real store, queue and runners, in virtual time; jobs are done at once.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/base/hash.h"
#include "bridge/base/random.h"
#include "bridge/base/scope.h"
#include "bridge/engine/crew.h"
#include "bridge/engine/schema.h"
#include "bridge/services/actions.h"
#include "bridge/services/agents.h"
#include "bridge/services/exchange.h"
#include "bridge/services/keys.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/messages.h"
#include "bridge/services/posts.h"
#include "bridge/services/schedules.h"
#include "bridge/services/workflows/action_steps.h"
#include "bridge/services/workflows/agent_steps.h"
#include "bridge/services/workflows/workflows.h"
#include "bridge/services/workflows/yaml.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services {

namespace json = boost::json;
using namespace std::chrono_literals;

// One life of the program. gpt/<name>, where the registry knows no such agent, is work for `does`,
// which is given the filled `with`.
class Life {
 public:
  // With `fatal`, which the store asks at its commits, everything is done in the caller.
  explicit Life(std::string path = ":memory:", int lanes = 1, int depth_max = 10'000,
                base::Faults* fatal = nullptr, std::size_t ballast_bytes = 4096)
      : is_quiet([is_quiet = path == ":memory:" || fatal != nullptr] { return is_quiet; }) {
    open(path, fatal, ballast_bytes);
    build_queue(depth_max);
    build_services();
    for (int i = 0; i < lanes; ++i) names.push_back({fmt::format("work:{}", i)});
    const auto ready = run(store->write([&](store::Tx& tx) -> base::Result<> {
      for (const auto& lane : names) TRY_OK(queue->declare_lane(tx, lane, "nobody"));
      TRY_OK(queue->declare_lane(tx, lane_of("http://127.0.0.1:9/c/1"), "account"));
      TRY_OK(queue->recover(tx, store->incarnation(), store->generation(), timeline.now()));
      // Those who begin runs with actions, and who decides on them.
      for (const auto* id : {"1", "2", "8", "9"}) TRY_OK(add_good_key(tx, id));
      return {};
    }));
    BRIDGE_ASSERT(ready);
    handlers["work"] = [this](engine::Claim claim,
                              engine::LaneContext&) -> base::Task<engine::Outcome> {
      done.push_back(std::string(claim.job.payload.at("step").as_string()));
      co_return does(claim.job.payload.at("with").as_object());
    };
    handlers[std::string(inbox_query_kind)] = ask_by_inbox(*letters);
    handlers[std::string(letter_kind)] = write_letters(*letters);
    handlers[std::string(actions::action_kind)] = [this](engine::Claim claim,
                                                         engine::LaneContext& lane) {
      return acts->handle(std::move(claim), lane);
    };
    engine.emplace(
        engine::Engine{*store, *queue, clock, timeline, bells, faults, store->incarnation()});
  }
  ~Life() { end(); }

  // The lanes are worked and time does its part.
  void begin() {
    tasks.emplace(loop.get_executor());
    crew.emplace(loop.get_executor(), *engine, handlers);
    BRIDGE_ASSERT(run(crew->start()));
    BRIDGE_ASSERT(run(flows->start(*tasks)));
  }
  // What runs stays where it is, as when the program is killed.
  void end() {
    if (!tasks) return;
    bool has_ended = false;
    const auto both = [this]() -> boost::asio::awaitable<void> {
      co_await crew->join();
      co_await tasks->join();
    };
    boost::asio::co_spawn(loop, both(), [&](const std::exception_ptr&) { has_ended = true; });
    BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return has_ended; }, is_quiet));
    tasks.reset();
    crew.reset();
  }
  std::string add_agent(std::string name, agents::Kind kind, std::string link,
                        agents::Tier tier = agents::Tier::citizen) {
    const Caller root{.principal = "key:0", .name = "root", .is_admin = true};
    auto added = run(registry->add(
        root, {.name = std::move(name), .kind = kind, .link = std::move(link), .tier = tier}, {}));
    BRIDGE_ASSERT(added);
    return added->agent.id;
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return result.has_value(); }, is_quiet));
    return *std::move(result);
  }
  template <class Until>
  bool until(Until until) {
    return test::run_virtually(loop, clock, std::move(until), is_quiet, 1000h);
  }
  void pass(base::Instant::duration time) {
    const auto end = clock.now() + time;
    test::run_virtually(loop, clock, [&] { return clock.now() >= end; }, [] { return true; }, time);
    clock.advance_to(end);
    loop.restart();
    loop.poll();
  }

  protocol::Checked<Workflows::Created> try_create(std::string_view yaml, Caller who = ann,
                                                   std::string key = {}) {
    auto parsed = workflow::parse_yaml(yaml);
    BRIDGE_ASSERT(parsed);
    auto definition = workflow::Definition::from_json(parsed->value);
    EXPECT_TRUE(definition) << (definition ? "" : definition.error().message);
    return run(flows->create(std::move(who), *std::move(definition), std::move(key)));
  }
  json::object create(std::string_view yaml) {
    auto made = try_create(yaml);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? made->view : json::object();
  }
  // The run's id.
  std::string execute(const std::string& which, json::object inputs = {}, Caller who = ann) {
    auto made = run(flows->execute(std::move(who), which, std::move(inputs), ""));
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? made->run : std::string();
  }
  json::object view(const std::string& id) {
    auto shown = run(flows->run(ann, id));
    EXPECT_TRUE(shown) << (shown ? "" : shown.error().message);
    return shown ? *shown : json::object();
  }
  // The run once it has ended.
  json::object ended(const std::string& id) {
    auto shown = run(flows->wait(ann, id, clock.now() + 1000h));
    EXPECT_TRUE(shown);
    EXPECT_EQ(shown->at("state"), "finished");
    return *shown;
  }
  // "plan=success" for every job of a run.
  static std::vector<std::string> results(const json::object& view) {
    std::vector<std::string> found;
    for (const auto& [id, job] : view.at("jobs").as_object()) {
      const auto& result = job.at("result").is_string() ? job.at("result") : job.at("state");
      found.push_back(fmt::format("{}={}", std::string(id), std::string(result.as_string())));
    }
    return found;
  }
  std::vector<engine::Entry> entries(std::string type) {
    std::vector<engine::Entry> found;
    std::int64_t after = 0;
    for (bool is_end = false; !is_end;) {
      auto page = run(
          store->read([&](store::Tx& tx) { return journal.page(tx, after, 500, {.type = type}); }));
      BRIDGE_ASSERT(page);
      found.insert(found.end(), page->entries.begin(), page->entries.end());
      after = page->last;
      is_end = page->is_end;
    }
    return found;
  }
  // "step_started plan" and so on.
  std::vector<std::string> story(const std::string& run_id) {
    std::vector<std::string> told;
    for (const auto& entry : entries("workflow.")) {
      if (entry.thread != run_id) continue;
      const auto* step = entry.data.if_contains("step");
      told.push_back(entry.type.substr(std::string_view("workflow.").size()) +
                     (step ? " " + std::string(step->as_string()) : ""));
    }
    return told;
  }

  bool is_deaf = false;  // nobody tells of jobs
  // Listens as the workflows do.
  std::function<base::Result<>(store::Tx&, const engine::Change&, const engine::Now&)> also_told =
      [](auto&&...) { return base::Result<>(); };
  // A store in a file works on a thread of its own: time stands still then.
  std::function<bool()> is_quiet;
  static Caller caller(std::string key, std::string name) {
    return {.principal = "key:" + key,
            .name = std::move(name),
            .may_act = true,
            .may_post = true,
            .may_write = true};
  }
  static inline const Caller ann = caller("1", "ann");
  static inline const Caller elder{.principal = "key:9", .name = "elder", .is_admin = true};
  boost::asio::io_context loop{1};
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  engine::Bells bells{loop.get_executor()};
  engine::Journal journal;
  // No two lives draw the same ids.
  static inline std::uint64_t lives = 0;
  base::SeededRandom random{++lives};
  base::Faults faults;
  protocol::MessageTypes types = protocol::MessageTypes::built_in();
  std::unique_ptr<store::SqliteStore> store;
  std::optional<engine::Queue> queue;
  std::optional<Packets> packets;
  std::optional<Agents> registry;
  std::optional<Messages> letters;
  std::unique_ptr<Actions> acts;
  std::vector<json::value> acted;  // the parameters of each action, as it was done
  std::function<base::Task<json::value>(const actions::Asked&)> act =
      [](const actions::Asked& asked) -> base::Task<json::value> { co_return asked.params; };
  std::optional<Workflows> flows;
  std::vector<engine::LaneId> names;
  std::map<std::string, engine::Handler> handlers;
  std::vector<std::string> done;  // steps, as their jobs were handled
  std::function<base::Result<engine::Outcome>(const json::object&)> does = [](const auto& with) {
    return engine::Outcome{engine::Outcome::Done{
        json::object{{"text", with.contains("query") ? with.at("query") : json::value("done")}}}};
  };
  std::optional<engine::Engine> engine;
  std::optional<engine::Crew> crew;
  std::optional<base::Scope> tasks;

 private:
  static base::Result<> add_good_key(store::Tx& tx, const std::string& id) {
    TRY_OK(tx.execute(R"sql(
      INSERT INTO api_keys (id, name, agent, scopes, digest, creator, request_hash, created_at)
      VALUES ($1, 'somebody', '', '["packets", "messages", "actions"]', $2, 'test', '', 0)
      ON CONFLICT (id) DO NOTHING
    )sql",
                      {id, base::sha256_hex(id)}));
    return {};
  }
  void open(const std::string& path, base::Faults* fatal, std::size_t ballast_bytes) {
    std::vector<store::Migration> steps;
    for (const auto part :
         {engine::migrations(), post_migrations(), packet_migrations(), key_migrations(),
          agents::migrations(), messages::migrations(), actions::migrations(),
          workflow_migrations(), schedule_migrations(), memory::migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    const auto threading = fatal ? store::Threading::in_caller : store::Threading::own_threads;
    auto opened = store::SqliteStore::open(
        {.path = path, .threading = threading, .ballast_bytes = ballast_bytes, .faults = fatal},
        loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
  }
  void build_services() {
    packets.emplace(*store, *queue, journal, timeline, bells, clock, types,
                    Packets::Settings{.url = "http://127.0.0.1:9/c/1", .senders = {}});
    registry.emplace(Agents::Needs{*store, journal, clock},
                     Agents::Settings{.origins = {"http://127.0.0.1:9"}});
    letters.emplace(Messages::Needs{*store, *queue, journal, timeline, bells, clock},
                    Messages::Settings{.account = "account", .origin = "http://127.0.0.1:9"});
    letters->tell_ends(
        [this](store::Tx& tx, const messages::Message& query, const engine::Now& now) {
          return flows->errand_ended(tx, query.principal, query.id, now);
        });
    build_actions();
    StepKinds kinds;
    kinds["gpt"] = either(gpt_steps(*letters), work_kind());
    kinds["packet"] = packet_steps(*packets, types);
    kinds["message"] = message_steps(*queue);
    kinds["action"] = action_steps(*acts, *queue);
    flows.emplace(loop.get_executor(),
                  Workflows::Needs{*store, *queue, journal, timeline, bells, clock},
                  std::move(kinds));
  }
  void build_actions() {
    std::map<std::string, Actions::BuiltIn> builtins;
    for (const auto* name : {"message.send", "agent.deregister", "memory.purge"}) {
      builtins[name] = [this](const actions::Asked& asked, Caller) {
        acted.push_back(asked.params);
        return act(asked);
      };
    }
    auto made =
        Actions::create({*store, *queue, journal, timeline, bells, clock}, {}, std::move(builtins));
    BRIDGE_ASSERT(made);
    acts = *std::move(made);
    acts->tell_ends([this](store::Tx& tx, const actions::Asked& asked, const engine::Now& now) {
      return flows->errand_ended(tx, asked.principal, asked.id, now);
    });
  }
  void build_queue(int depth_max) {
    engine::QueueOptions options;
    options.depth_max = depth_max;
    options.retries["work"] = {.failures_max = 1};
    options.ring = [this](const std::string& bell) {
      bells.ring(bell);
      if (crew) crew->rung(bell);
    };
    options.on_change = [this](store::Tx& tx, const engine::Change& change,
                               const engine::Now& now) -> base::Result<> {
      TRY_OK(also_told(tx, change, now));
      if (is_deaf) return {};
      TRY_OK(acts->on_change(tx, change, now));
      return flows->on_job_change(tx, change, now);
    };
    queue.emplace(std::move(options), random);
  }
  // Agents of the registry are asked; any other name is work to be done here.
  static StepKind either(StepKind asked, StepKind worked) {
    const auto is_agent = [](store::Tx& tx, const std::string& name) {
      const auto found = agents::look(tx, name);
      return found && found->has_value();
    };
    return {.check =
                [=](store::Tx& tx, const workflow::Step& step) {
                  return is_agent(tx, step.target) ? asked.check(tx, step) : worked.check(tx, step);
                },
            .errand = asked.errand,
            .job_of =
                [=](store::Tx& tx, const StepStart& start) {
                  return is_agent(tx, start.target) ? asked.job_of(tx, start)
                                                    : worked.job_of(tx, start);
                },
            .outputs_of =
                [=](const engine::Job& job) {
                  return job.kind == "work" ? worked.outputs_of(job) : asked.outputs_of(job);
                }};
  }
  StepKind work_kind() {
    return {.check =
                [](store::Tx&, const workflow::Step& step) {
                  std::vector<protocol::Violation> wrong;
                  if (step.target == "nobody") wrong.push_back({"/uses", "uses", "no such agent"});
                  return wrong;
                },
            .job_of = [this](store::Tx&, const StepStart& start) -> base::Result<engine::NewJob> {
              if (start.target == "gone") {
                return base::fail(base::Code::not_found, "the agent is gone", "unknown_agent");
              }
              const auto lane = std::hash<std::string>()(start.step) % names.size();
              return engine::NewJob{.kind = "work",
                                    .lane = names[lane],
                                    .sender = start.caller.name,
                                    .payload = {{"step", start.step}, {"with", start.with}}};
            },
            .outputs_of = [](const engine::Job& job) -> base::Result<json::value> {
              return *job.result;
            }};
  }
};

}  // namespace services
