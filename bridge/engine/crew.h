// Works every lane that has work, each with a runner of its own for as long as there is some.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/base/notice.h"
#include "bridge/base/scope.h"
#include "bridge/engine/runner.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace engine {

inline constexpr std::size_t lanes_worked_max = 10'000;  // by one program at a time

struct CrewOptions {
  // Which lanes; others are left alone, with jobs that perhaps nobody here can handle.
  std::function<bool(const LaneId&)> works = [](const LaneId&) { return true; };
  // Called on the loop; see Runner.
  std::function<void(const LaneNotice&)> tell = {};
  // At a time; others wait until one of those has nothing left to do.
  std::size_t lanes_max = lanes_worked_max;
};

class Crew {
 public:
  // `engine` and `handlers` (by kind) outlive it.
  Crew(boost::asio::any_io_executor executor, Engine& engine,
       const std::map<std::string, Handler>& handlers, CrewOptions options = {});
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  // `join` must have ended, or `start` never have been called.
  ~Crew() = default;

  // Begins with the lanes that have work; from now on the others begin when their bells ring.
  base::Task<> start();
  // To be told of every bell (QueueOptions::ring), after those who listen to it.
  void rung(std::string_view bell);

  // See Runner. No other lane is begun any more.
  void stop();
  // See Runner. Lanes that get work meanwhile are worked too.
  void drain();
  // No lane is being worked.
  bool is_idle() const { return lanes_.empty(); }
  // Returns when that is so, or at the deadline.
  boost::asio::awaitable<void> idle(base::Clock& clock, base::Instant deadline);
  // Cancels what still runs.
  boost::asio::awaitable<void> join() { return tasks_.join(); }

 private:
  void begin(const LaneId& lane);
  boost::asio::awaitable<void> work(LaneId lane, std::shared_ptr<Runner> runner);

  Engine& engine_;
  const std::map<std::string, Handler>& handlers_;
  CrewOptions options_;
  std::map<LaneId, std::shared_ptr<Runner>> lanes_;
  std::set<LaneId> waiting_;  // have work and no runner yet
  base::Notice ended_;
  bool is_started_ = false;
  bool is_stopping_ = false;
  bool is_draining_ = false;
  base::Scope tasks_;
};

}  // namespace engine
