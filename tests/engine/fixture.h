// A queue on a store in memory, in virtual time.
#pragma once

#include "bridge/base/random.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/schema.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace engine {

using namespace std::chrono_literals;

inline const LaneId lane{"chat:1"};

struct Fixture {
  boost::asio::io_context loop;
  test::VirtualClock clock;
  Timeline timeline{clock, "boot"};
  base::SeededRandom random{1};
  std::unique_ptr<store::SqliteStore> store;
  Queue queue;
  std::string holder = "life-1";
  std::string boot = "boot";

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    loop.restart();
    loop.run();
    return *std::move(result);
  }
  template <class Work>
  auto write(Work work) {
    return run(store->write(std::move(work)));
  }
  explicit Fixture(QueueOptions options = {}) : queue(std::move(options), random) {
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), migrations());
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    BRIDGE_ASSERT(write([&](store::Tx& tx) { return queue.declare_lane(tx, lane, "account"); }));
    BRIDGE_ASSERT(recover(1));
  }

  void pass(Milliseconds time) { clock.advance_to(clock.now() + time); }
  Now now() const {
    Now read = timeline.now();
    read.boot = boot;
    return read;
  }

  NewJob job(std::string sender = "alice", int band = 2) const {
    NewJob made;
    made.kind = "packet";
    made.lane = lane;
    made.sender = made.principal = std::move(sender);
    made.band = band;
    return made;
  }
  base::Result<Accepted> submit(NewJob made) {
    return write([&](store::Tx& tx) { return queue.submit(tx, made, now()); });
  }
  JobId add(std::string sender = "alice", int band = 2) {
    auto accepted = submit(job(std::move(sender), band));
    BRIDGE_ASSERT(accepted);
    return accepted->job.id;
  }
  Turn turn(const LaneId& of = lane) {
    auto claimed = write([&](store::Tx& tx) { return queue.claim(tx, of, holder, now()); });
    BRIDGE_ASSERT(claimed);
    return *std::move(claimed);
  }
  Claim claim(const LaneId& of = lane) {
    auto taken = turn(of);
    BRIDGE_ASSERT(std::holds_alternative<Claim>(taken));
    return std::get<Claim>(std::move(taken));
  }
  Idle idle(const LaneId& of = lane) {
    auto taken = turn(of);
    BRIDGE_ASSERT(std::holds_alternative<Idle>(taken));
    return std::get<Idle>(std::move(taken));
  }
  base::Result<> stage(const Lease& lease, Stage to) {
    return write([&](store::Tx& tx) { return queue.set_stage(tx, lease, to, now()); });
  }
  // As far as `to` by the ordinary way.
  base::Result<> advance(const Lease& lease, Stage to) {
    for (const Stage next : {Stage::intent, Stage::armed, Stage::sent, Stage::replied}) {
      if (next > to) break;
      TRY_OK(stage(lease, next));
    }
    return {};
  }
  base::Result<> complete(const Lease& lease) {
    return write([&](store::Tx& tx) {
      return queue.complete(tx, lease, base::json::object{{"ok", true}}, now());
    });
  }
  base::Result<> fail(const Lease& lease, base::Code code, std::string reason = {}) {
    const base::Error error{code, "it did not work", std::move(reason)};
    return write([&](store::Tx& tx) { return queue.fail(tx, lease, error, now()); });
  }
  base::Result<> hold(const Lease& lease) {
    return write(
        [&](store::Tx& tx) { return queue.hold(tx, lease, {"unknown_outcome", "?"}, now()); });
  }
  base::Result<> release(const Lease& lease) {
    return write([&](store::Tx& tx) { return queue.release(tx, lease, now()); });
  }
  base::Result<> renew(const Lease& lease) {
    return write([&](store::Tx& tx) { return queue.renew(tx, lease, now()); });
  }
  base::Result<Job> cancel(const JobId& id) {
    return write([&](store::Tx& tx) { return queue.cancel(tx, id, "not wanted", now()); });
  }
  base::Result<Job> resolve(const JobId& id, Verdict verdict) {
    return write([&](store::Tx& tx) { return queue.resolve(tx, id, verdict, "I saw", now()); });
  }
  base::Result<Job> retry(const JobId& id) {
    return write([&](store::Tx& tx) { return queue.retry(tx, id, now()); });
  }
  base::Result<Queue::Recovered> recover(std::int64_t generation) {
    return write([&](store::Tx& tx) { return queue.recover(tx, holder, generation, now()); });
  }
  Job get(const JobId& id) {
    auto found = write([&](store::Tx& tx) { return queue.get(tx, id); });
    BRIDGE_ASSERT(found);
    return *std::move(found);
  }
  // Senders of the next jobs, each done at once.
  std::string served(int count) {
    std::string senders;
    for (int i = 0; i < count; ++i) {
      const auto claimed = claim();
      senders += claimed.job.sender;
      BRIDGE_ASSERT(complete(claimed.lease));
    }
    return senders;
  }
};

}  // namespace engine
