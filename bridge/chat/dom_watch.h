// Watches our own turn in the page while the network is read: the second route to the answer, and
// the only one to error cards, dialogs and what else the page shows a person.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/chat/eyes.h"
#include "bridge/chat/state.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/cancellation_signal.hpp>

namespace chat {

struct DomNews {
  enum class Kind { end, finished, failed, stopped, sign } kind;
  std::optional<Turn> answer;  // the last answer to our turn
  Sighting seen;               // empty for `end`, where only the answer matters
};

// One task inside the tab's loop; ends with this object.
class DomWatch {
 public:
  struct Wanted {
    std::string shell;
    std::vector<std::string> message_ids;
    std::string marker;
    std::string end_marker;
    std::chrono::milliseconds quiet{0};  // the least time between two looks at the answer
    std::chrono::milliseconds slice = limits::page_wait_slice;  // the longest without a look
  };
  DomWatch(std::shared_ptr<Eyes> eyes, Wanted wanted);
  DomWatch(const DomWatch&) = delete;
  DomWatch& operator=(const DomWatch&) = delete;
  ~DomWatch();

  // News since the last call; wakes eyes->news(). The same kind is told again only after `again`.
  std::optional<DomNews> take();
  // News of an end that was told before may come again, and every change is looked at: the page is
  // the only route left.
  void ends_again();
  // How often the answer that the page shows was another than at the look before: it lives.
  std::uint64_t changes() const { return shared_->changes; }
  // The page's own dialog that blocks every look into it, if one does.
  const std::optional<base::Error>& blocked() const { return shared_->blocked; }

 private:
  struct Shared {
    Wanted wanted;
    std::set<std::string> ignored;
    std::optional<DomNews> news;
    std::optional<base::Error> blocked;
    std::size_t shown = 0;  // of the answer's words and code
    std::uint64_t changes = 0;
    boost::asio::cancellation_signal cancel;
    bool is_over = false;
  };
  static boost::asio::awaitable<void> watch(std::shared_ptr<Eyes> eyes,
                                            std::shared_ptr<Shared> shared);

  std::shared_ptr<Eyes> eyes_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace chat
