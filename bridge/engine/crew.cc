#include "bridge/engine/crew.h"

namespace engine {

namespace asio = boost::asio;

Crew::Crew(asio::any_io_executor executor, Engine& engine,
           const std::map<std::string, Handler>& handlers, CrewOptions options)
    : engine_(engine),
      handlers_(handlers),
      options_(std::move(options)),
      ended_(executor),
      tasks_(executor) {}

base::Task<> Crew::start() {
  // From before the look: a bell that rings meanwhile is not missed.
  is_started_ = true;
  CO_TRY(const auto lanes, co_await engine_.store.read([queue = &engine_.queue](store::Tx& tx) {
    return queue->lanes_with_work(tx);
  }));
  for (const auto& lane : lanes) begin(lane);
  co_return base::Result<>();
}

void Crew::rung(std::string_view bell) {
  if (!is_started_) return;
  if (const auto lane = lane_of_bell(bell)) begin(*lane);
}

void Crew::begin(const LaneId& lane) {
  if (is_stopping_ || lanes_.contains(lane) || !options_.works(lane)) return;
  if (lanes_.size() >= options_.lanes_max) {
    waiting_.insert(lane);
    return;
  }
  auto runner = std::make_shared<Runner>(engine_, lane, handlers_, options_.tell);
  runner->rest_when_idle();
  if (is_draining_) runner->drain();
  lanes_.emplace(lane, runner);
  tasks_.spawn(work(lane, std::move(runner)));
}

asio::awaitable<void> Crew::work(LaneId lane, std::shared_ptr<Runner> runner) {
  do {
    co_await runner->run();
  } while (runner->is_called());
  lanes_.erase(lane);
  if (!waiting_.empty()) begin(waiting_.extract(waiting_.begin()).value());
  ended_.notify();
}

void Crew::stop() {
  is_stopping_ = true;
  waiting_.clear();
  for (const auto& [lane, runner] : lanes_) runner->stop();
}

void Crew::drain() {
  is_draining_ = true;
  for (const auto& [lane, runner] : lanes_) runner->drain();
}

asio::awaitable<void> Crew::idle(base::Clock& clock, base::Instant deadline) {
  while (!is_idle() && clock.now() < deadline) co_await ended_.wait(clock, deadline);
}

}  // namespace engine
