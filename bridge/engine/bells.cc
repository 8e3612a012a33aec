#include "bridge/engine/bells.h"

namespace engine {

// The bells that have ears; each takes itself out when the last one goes.
struct Bells::Tower {
  std::map<std::string, std::weak_ptr<Bell>, std::less<>> bells;
};

struct Bells::Bell {
  Bell(boost::asio::any_io_executor executor, std::weak_ptr<Tower> hung, std::string called)
      : notice(std::move(executor)), tower(std::move(hung)), name(std::move(called)) {}
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() {
    if (const auto kept = tower.lock()) kept->bells.erase(name);
  }

  base::Notice notice;
  std::weak_ptr<Tower> tower;
  std::string name;
  std::uint64_t count = 0;
};

Bells::Bells(boost::asio::any_io_executor executor)
    : executor_(std::move(executor)), tower_(std::make_shared<Tower>()) {}

void Bells::ring(std::string_view name) {
  const auto found = tower_->bells.find(name);
  if (found == tower_->bells.end()) return;
  const auto bell = found->second.lock();
  ++bell->count;
  bell->notice.notify();
}

Bells::Ear::Ear(Bells& bells, std::string name) {
  auto& place = bells.tower_->bells[name];
  bell_ = place.lock();
  if (bell_) return;
  bell_ = std::make_shared<Bell>(bells.executor_, bells.tower_, std::move(name));
  place = bell_;
}

const std::string& Bells::Ear::name() const { return bell_->name; }

std::uint64_t Bells::Ear::count() const { return bell_->count; }

boost::asio::awaitable<void> Bells::Ear::wait(std::uint64_t seen, base::Clock& clock,
                                              base::Instant deadline) const {
  const auto bell = bell_;  // the ear may go first
  while (bell->count <= seen && clock.now() < deadline) {
    co_await bell->notice.wait(clock, deadline);
  }
}

}  // namespace engine
