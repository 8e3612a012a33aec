#include "tests/events/fixture.h"

#include "bridge/services/keys.h"

#include <algorithm>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace events_test {

namespace asio = boost::asio;
using base::Code;
using base::Result;
using base::Task;

Task<std::vector<events::Address>> SmallInternet::resolve(std::string host) {
  std::vector<events::Address> found;
  for (const auto& text : names[host]) found.push_back(asio::ip::make_address(text));
  if (found.empty())
    co_return base::fail(Code::unavailable, host + " has no address", "no_address");
  co_return found;
}

Task<OutboundAnswer> SmallInternet::send(OutboundRequest request) {
  BRIDGE_ASSERT(!request.addresses.empty() && request.limit.count() > 0);
  for (const auto& address : request.addresses) {
    const auto server = servers.find(address.to_string());
    if (server == servers.end()) continue;
    connections.push_back(address.to_string());
    const auto limit = request.limit;
    co_return co_await base::with_deadline(clock_, server->second(request), limit,
                                           "ask " + request.target.host);
  }
  co_return base::fail(Code::unavailable, "nothing listens at " + request.target.host);
}

void SmallInternet::add(const std::string& host, const std::string& address, Server server) {
  names[host] = {address};
  servers[address] = std::move(server);
}

SmallInternet::Server Receiver::server(base::Clock& clock) {
  return [this, &clock](const OutboundRequest& request) -> Task<OutboundAnswer> {
    if (request.method == "OPTIONS") co_return handshake.value_or(OutboundAnswer{.status = 405});
    co_await clock.sleep_until(clock.now() + takes);
    const OutboundAnswer made{.headers = request.headers};
    std::map<std::string, std::string> headers(request.headers.begin(), request.headers.end());
    EXPECT_EQ(headers["Content-Type"], "application/cloudevents+json; charset=utf-8");
    got.push_back({.time = clock.wall(),
                   .headers = {.id = headers["webhook-id"],
                               .timestamp = headers["webhook-timestamp"],
                               .signature = headers["webhook-signature"]},
                   .event = json::parse(request.body).as_object(),
                   .body = request.body});
    if (answers.empty()) co_return OutboundAnswer{.status = 204};
    auto answer = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return answer;
  };
}

std::vector<std::string> Receiver::subjects() const {
  std::vector<std::string> found;
  for (const auto& one : got) found.emplace_back(one.event.at("subject").as_string());
  return found;
}

Bench::Bench(int depth_max) {
  bells.emplace(loop.get_executor());
  std::vector<store::Migration> steps;
  for (const auto part : {engine::migrations(), services::key_migrations(), events::migrations()}) {
    steps.insert(steps.end(), part.begin(), part.end());
  }
  auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
  BRIDGE_ASSERT(opened);
  store = *std::move(opened);
  build_queue(depth_max);
  start();
}

Bench::~Bench() { stop(); }

void Bench::build_queue(int depth_max) {
  engine::QueueOptions options;
  options.depth_max = depth_max;
  options.retries[std::string(events::webhook_kind)] = events::webhook_retries();
  options.ring = [this](const std::string& bell) { bells->ring(bell); };
  options.on_change = [this](store::Tx&, const engine::Change&, const engine::Now&) -> Result<> {
    if (--commits_left < 0) return {};
    return base::fail(Code::unavailable, "the power went");
  };
  queue.emplace(std::move(options), random);
}

void Bench::start() {
  const auto holder = "life-" + std::to_string(++lives_);
  engine_.emplace(engine::Engine{*store, *queue, clock, timeline, *bells, faults, holder});
  // A life that cannot recover ends before it does anything.
  const int left = std::exchange(commits_left, 0);
  BRIDGE_ASSERT(run(
      store->write([&](store::Tx& tx) { return queue->recover(tx, holder, 1, timeline.now()); })));
  commits_left = left;
  auto find_agent = [gone = gone](store::Tx&, const std::string& which,
                                  const events::Actor& actor) -> Result<std::string> {
    if (which.starts_with("id-of-") && which != gone) return which;
    if (which != "ann" && which != "bob") return base::fail(Code::not_found, "no such agent");
    if (actor.agent.empty() || actor.agent == which) return "id-of-" + which;
    return base::fail(Code::denied, "this is another agent", "other_agent");
  };
  subscriptions = std::make_unique<events::Subscriptions>(
      events::Subscriptions::Needs{.executor = loop.get_executor(),
                                   .store = *store,
                                   .queue = *queue,
                                   .journal = journal,
                                   .tail = tail,
                                   .timeline = timeline,
                                   .clock = clock,
                                   .outbound = internet,
                                   .find_agent = find_agent},
      settings);
  handlers_[std::string(events::webhook_kind)] = subscriptions->handler();
  tasks_.emplace(loop.get_executor());
  BRIDGE_ASSERT(run(subscriptions->start(*tasks_)));
  const auto known = run(store->read([](store::Tx& tx) { return events::rows::of_agent(tx, {}); }));
  for (const auto& one : *known) {
    if (one.via == events::Via::webhook) work(one.lane());
  }
}

void Bench::stop() {
  if (!tasks_) return;
  bool has_ended = false;
  asio::co_spawn(loop, tasks_->join(), [&](const std::exception_ptr&) { has_ended = true; });
  BRIDGE_ASSERT(test::run_virtually(loop, clock, [&] { return has_ended; }));
  tasks_.reset();
  runners_.clear();
  subscriptions.reset();
}

void Bench::work(const engine::LaneId& lane) {
  auto& runner = runners_.emplace_back(*engine_, lane, handlers_);
  tasks_->spawn(runner.run());
}

void Bench::pass(base::Instant::duration time) {
  const auto end = clock.now() + time;
  test::run_virtually(loop, clock, [&] { return clock.now() >= end; }, [] { return true; }, time);
  clock.advance_to(end);
  loop.restart();
  loop.poll();
}

events::Subscription Bench::subscribe(events::NewSubscription asked, events::Actor who) {
  auto made = run(subscriptions->subscribe("ann", std::move(asked), std::move(who)));
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  if (!made) return {};
  if (made->subscription.via == events::Via::webhook) work(made->subscription.lane());
  return made->subscription;
}

events::Subscription Bench::webhook(const std::string& host) {
  return subscribe({.wish = {.types = {"thing.happened"}},
                    .via = events::Via::webhook,
                    .url = "https://" + host + "/in"});
}

base::Error Bench::refusal(events::NewSubscription asked) {
  auto made = run(subscriptions->subscribe("ann", std::move(asked), somebody()));
  EXPECT_FALSE(made);
  return made ? base::Error() : made.error();
}

std::int64_t Bench::happen(std::string subject, std::string type, json::object data) {
  auto sequence = run(store->write([&](store::Tx& tx) {
    return journal.append(tx, {.type = type, .subject = subject, .data = data}, clock.wall());
  }));
  BRIDGE_ASSERT(sequence);
  return *sequence;
}

events::Subscription Bench::now(const events::Subscription& subscription) {
  return *run(store->read([&](store::Tx& tx) { return events::rows::find(tx, subscription.id); }));
}

std::vector<events::Delivery> Bench::deliveries(const events::Subscription& subscription) {
  auto found = run(store->read([&](store::Tx& tx) {
    return events::rows::deliveries(tx, {.subscription = subscription.id}, std::nullopt, 1000);
  }));
  std::ranges::reverse(*found);
  return *found;
}

std::vector<std::string> Bench::states(const events::Subscription& subscription) {
  std::vector<std::string> found;
  for (const auto& one : deliveries(subscription)) found.emplace_back(events::name(one.state));
  return found;
}

std::int64_t Bench::jobs() {
  const auto row = run(store->read([](store::Tx& tx) {
    return tx.query_one("SELECT (SELECT COUNT(*) FROM jobs), (SELECT COUNT(*) FROM job_payloads)");
  }));
  BRIDGE_ASSERT(row && (*row)->at(0).integer() == (*row)->at(1).integer());
  return (*row)->at(0).integer();
}

std::vector<std::string> Bench::told(std::string type) {
  const auto page =
      run(store->read([&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = type}); }));
  std::vector<std::string> types;
  for (const auto& entry : page->entries) types.push_back(entry.type);
  return types;
}

}  // namespace events_test
