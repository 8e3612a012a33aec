// Whatever happens, every wanted event arrives, and becomes one delivery only.
#include "tests/events/fixture.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events_test {
namespace {

struct Life : Bench {
  explicit Life(std::uint64_t seed) : Bench(8), chance(seed) {
    internet.add("hooks.example", "8.8.8.8", receiver.server(clock));
  }
  ~Life() { stop(); }

  void flap() {
    static const std::vector<OutboundAnswer> moods = {
        {.status = 204},
        {.status = 500},
        {.status = 302},
        {.status = 503},
        {.status = 429, .headers = {{"retry-after", "30"}}}};
    receiver.answers = {moods[chance.below(moods.size())]};
    receiver.takes = chance.below(4) == 0 ? 20s : 0s;
  }
  void live() {
    switch (chance.below(6)) {
      case 0:
        flap();
        break;
      case 1:
        commits_left = static_cast<int>(chance.below(3));
        break;
      case 2:
        stop();
        start();
        break;
      case 3:
        pass(std::chrono::seconds(chance.below(600)));
        break;
      default: {
        const auto subject = "s" + std::to_string(sent.size());
        sent.insert(subject);
        happen(subject);
      }
    }
  }

  base::SeededRandom chance;
  Receiver receiver;
  std::set<std::string> sent;
};

TEST(WebhookLives, EveryEventArrivesAndIsOneDelivery) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Life life(seed);
    const auto subscription = life.webhook();
    for (int i = 0; i < 60; ++i) life.live();
    life.receiver.answers.clear();
    life.receiver.takes = 0s;
    life.commits_left = 0;
    life.pass(4 * 24h);
    const auto subjects = life.receiver.subjects();
    EXPECT_EQ(std::set(subjects.begin(), subjects.end()), life.sent);
    std::set<std::int64_t> events;
    for (const auto& delivery : life.deliveries(subscription)) {
      EXPECT_EQ(delivery.state, events::Delivery::State::delivered);
      EXPECT_TRUE(events.insert(delivery.event).second);
    }
    EXPECT_EQ(events.size(), life.sent.size());
    EXPECT_EQ(life.now(subscription).disabled, "");
  }
}

}  // namespace
}  // namespace events_test
