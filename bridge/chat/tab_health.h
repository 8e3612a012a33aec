// Decides from what a tab shows which state is worth telling. Pure: no browser, no clock.
#pragma once

#include "bridge/chat/live_browser.h"

#include <optional>

namespace chat {

enum class Use { idle, leased };

// What blocks is told at once. What may pass by itself is told when it has lasted, what only looks
// odd when the page has had time to be built, and until then the state before stands. What belongs
// to an exchange that runs, such as its own text in the composer, is the same as ready.
class TabHealth {
 public:
  // True if another state is decided now than before.
  bool take(const Glance& glance, Use use, base::Instant now);
  // The page is loaded anew: nothing is decided until the next look that decides.
  void restart();

  // When the same look could decide more.
  base::Instant wake() const { return wake_; }
  // Nothing is decided before the first look that decides.
  bool is_decided() const { return is_decided_; }
  // The state that stands; nothing before the first.
  const std::optional<Judgement>& judged() const { return judged_; }
  // When a look last decided so, and when the document that it saw was loaded.
  base::Instant looked() const { return looked_; }
  base::Instant loaded() const { return loaded_; }

 private:
  std::optional<Judgement> judged_;
  std::optional<base::Instant> passing_since_;
  base::Instant wake_ = base::Instant::max();
  base::Instant looked_{};
  base::Instant loaded_{};
  bool is_decided_ = false;
};

}  // namespace chat
