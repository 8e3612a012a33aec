#include "bridge/engine/bells.h"

namespace engine {

Bells::Bell& Bells::bell(const std::string& name) {
  return bells_.try_emplace(name, executor_).first->second;
}

void Bells::ring(const std::string& name) {
  Bell& rung = bell(name);
  ++rung.count;
  rung.notice.notify();
}

std::uint64_t Bells::count(const std::string& name) const {
  const auto found = bells_.find(name);
  return found == bells_.end() ? 0 : found->second.count;
}

boost::asio::awaitable<void> Bells::wait(std::string name, std::uint64_t seen, base::Clock& clock,
                                         base::Instant deadline) {
  Bell& awaited = bell(name);
  while (awaited.count <= seen && clock.now() < deadline) {
    co_await awaited.notice.wait(clock, deadline);
  }
}

}  // namespace engine
