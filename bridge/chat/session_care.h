// Watches over the session: tells every change of its state, looks from time to time, and lets a
// person in.
#pragma once

#include "bridge/base/random.h"
#include "bridge/base/scope.h"
#include "bridge/chat/session.h"
#include "bridge/chat/tab_pool.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace chat {

struct CareOptions {
  std::string home_url;  // looked at while no conversation is open
  std::chrono::seconds check_pause = std::chrono::minutes(10);
  bool may_take_screenshots = false;
};

class SessionCare final : public Session {
 public:
  // All outlive it.
  SessionCare(boost::asio::any_io_executor executor, BrowserKeeper& keeper, TabPool& pool,
              base::Clock& clock, base::Random& random, Changes& changes, CareOptions options,
              SessionListener& listener);
  SessionCare(const SessionCare&) = delete;
  SessionCare& operator=(const SessionCare&) = delete;
  // `close` must have ended.
  ~SessionCare() override = default;

  SessionView account() const override;
  std::vector<SessionView> conversations() const override;
  base::Task<SessionView> check() override;
  base::Task<std::string> screenshot() override;
  base::Task<Inspection> inspect(std::string url) override;
  base::Task<> show_window() override;
  base::Task<> hide_window() override;

  // From now on checks look at the pages at these addresses too, whether or not a tab shows them:
  // those that are open are loaded anew even if they look well, of the others a few are opened each
  // time, in turn. In place of those named before.
  void doubt(std::vector<std::string> urls) { doubted_ = std::move(urls); }

  // A tab's state has changed.
  void on_report(const TabPool::Report& report);
  // Ends all looking and telling; checks that others wait for must have ended.
  boost::asio::awaitable<void> close();

 private:
  boost::asio::awaitable<void> run();
  base::Task<> look();
  boost::asio::awaitable<void> look_at_doubted();
  void refresh();
  SessionView view_of(const TabPool::Report& report) const;
  SessionView judge_account() const;
  void plan_next_check();

  BrowserKeeper& keeper_;
  TabPool& pool_;
  base::Clock& clock_;
  base::Random& random_;
  Changes& changes_;
  CareOptions options_;
  SessionListener& listener_;
  base::Instant next_check_{};
  base::WallTime next_check_wall_{};
  SessionView account_;
  std::vector<std::string> doubted_;
  std::size_t next_doubted_ = 0;  // of which the turn begins
  std::uint64_t looked_at_generation_ = 0;
  std::uint64_t windows_asked_for_ = 0;
  bool is_looking_ = false;
  bool shall_look_ = false;
  bool is_closed_ = false;
  base::Scope tasks_;
};

}  // namespace chat
