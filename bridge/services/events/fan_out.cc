#include "bridge/services/events/fan_out.h"

#include "bridge/services/events/event_limits.h"
#include "bridge/services/events/subscription_rows.h"

#include <algorithm>

namespace events {

using base::Result;

namespace {

class Stretch {
 public:
  explicit Stretch(const Act& act) : act_(act), backlog_max_(backlog_max(act.queue)) {}

  Result<FanOut> walk() {
    TRY(const auto last, act_.journal.last(act_.tx));
    TRY(auto behind, rows::behind(act_.tx, last));
    for (auto& one : behind) TRY_OK(catch_up(one, last));
    const auto is_full = [&](const Subscription& one) { return one.pending >= backlog_max_; };
    done_.is_full = std::erase_if(behind, is_full) > 0;
    if (behind.empty()) return done_;
    const auto from = std::ranges::min(behind, {}, &Subscription::cursor).cursor;
    TRY(const auto page, act_.journal.page(act_.tx, from, limits::fan_out_entries));
    done_.is_more = !page.is_end;
    for (const auto& one : behind) {
      // Those that are further on have their turn when the others have come so far.
      if (one.cursor >= page.last) continue;
      if (begun_ >= limits::fan_out_deliveries) {
        done_.is_more = true;
        break;
      }
      TRY_OK(spread(page, one));
    }
    return done_;
  }

 private:
  Result<> catch_up(Subscription& one, std::int64_t last) {
    const auto oldest = last - limits::webhook_behind_max;
    if (one.cursor >= oldest) return {};
    TRY_OK(pass_over(act_, one, one.cursor + 1, oldest));
    one.cursor = oldest;
    return rows::set_cursor(act_.tx, one.id, one.cursor);
  }

  Result<> spread(const engine::EntryPage& page, const Subscription& one) {
    int room = backlog_max_ - one.pending;
    auto cursor = page.last;
    bool has_begun = false;
    for (const auto& entry : page.entries) {
      if (entry.sequence <= one.cursor || !one.wish.matches(entry) || is_about(entry, one)) {
        continue;
      }
      // A range that was replayed may have brought it forward.
      TRY(const auto known, rows::delivery_of(act_.tx, one.id, entry.sequence));
      if (known) continue;
      if (room == 0) {
        cursor = entry.sequence - 1;
        done_.is_full = true;
        break;
      }
      TRY_OK(begin(act_, one, entry));
      has_begun = true;
      ++begun_;
      --room;
    }
    if (has_begun) TRY_OK(forget_old(act_, one));
    return rows::set_cursor(act_.tx, one.id, cursor);
  }

  const Act& act_;
  int backlog_max_;
  int begun_ = 0;
  FanOut done_;
};

}  // namespace

Result<FanOut> fan_out(const Act& act) { return Stretch(act).walk(); }

}  // namespace events
