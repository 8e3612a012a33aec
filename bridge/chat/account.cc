#include "bridge/chat/account.h"

#include <utility>

namespace chat {

Account::Account(boost::asio::any_io_executor executor, Launcher& launcher, base::Clock& clock,
                 base::Random& random, AccountOptions options, SessionListener listener)
    : listener_(std::move(listener)),
      changes_(executor),
      keeper_(executor, launcher, clock, random, changes_, options.window, options.ping_pause),
      pool_(executor, keeper_, clock, changes_,
            {.tabs_max = options.tabs_max,
             .on_report = [this](const TabPool::Report& report) { care_.on_report(report); }}),
      care_(executor, keeper_, pool_, clock, random, changes_, std::move(options.care), listener_) {
}

boost::asio::awaitable<void> Account::close(base::Instant by) {
  pool_.stop();
  co_await care_.close();
  co_await keeper_.close(by);
  co_await pool_.close();
}

}  // namespace chat
