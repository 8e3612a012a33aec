// Keeps one browser alive for months: starts it when it is needed, starts it again after a crash,
// an exit or a hang, and closes it in the end.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/base/random.h"
#include "bridge/base/result.h"
#include "bridge/base/scope.h"
#include "bridge/chat/changes.h"
#include "bridge/chat/live_browser.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace chat {

// Never two browsers at once: the next one starts only when all processes of the last have ended.
// After failures it waits longer each time, so it never starts them in a tight loop.
class BrowserKeeper {
 public:
  enum class Stage {
    idle,      // nobody has needed it yet
    starting,  //
    up,        //
    ending,    // being closed or killed
    waiting,   // it ended or did not start; the next start comes at next_start
    closed,    // for good
  };
  struct Condition {
    Stage stage = Stage::idle;
    std::string evidence;
    std::string advice;
    std::optional<base::WallTime> next_start = {};
  };

  // All outlive it; `changes` is told of every change of the condition.
  BrowserKeeper(boost::asio::any_io_executor executor, Launcher& launcher, base::Clock& clock,
                base::Random& random, Changes& changes, cdp::Window window,
                base::Instant::duration ping_pause = limits::browser_ping_pause);
  BrowserKeeper(const BrowserKeeper&) = delete;
  BrowserKeeper& operator=(const BrowserKeeper&) = delete;
  // `close` must have ended.
  ~BrowserKeeper();

  // From now on there shall be a browser.
  void want();
  // The running browser, for which it waits: for a start under way, and after a crash for the next.
  // unavailable with reason browser_unavailable: the last start failed, or it is being closed.
  base::Task<std::shared_ptr<LiveBrowser>> browser();

  // The running one, or null.
  const std::shared_ptr<LiveBrowser>& current() const { return browser_; }
  // Counts the browsers: what belongs to another generation is dead.
  std::uint64_t generation() const { return generation_; }
  const Condition& condition() const { return condition_; }
  cdp::Window window() const { return window_; }
  // When the last browser was certainly dead; nothing before one of ours has ended.
  std::optional<base::Instant> died_at() const { return died_at_; }
  // When the last browser was up, and so everything before it dead.
  base::Instant up_since() const { return up_since_; }

  // Kills the browser if it is of this generation, and returns when it is certainly dead.
  base::Task<> kill(std::uint64_t generation, std::string why);
  // Closes it and starts it in this kind of window. unavailable: it did not start so; the former
  // kind is started instead.
  base::Task<> switch_to(cdp::Window window);
  // Closes it and ends all waiting. A browser that has not closed by then is killed.
  boost::asio::awaitable<void> close(base::Instant by = base::Instant::max());

 private:
  enum class Parting { killed, closed };
  struct Ending {
    Parting how;
    std::string why;
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> start();
  boost::asio::awaitable<void> stay();
  boost::asio::awaitable<void> end();
  boost::asio::awaitable<void> close_politely();
  boost::asio::awaitable<void> patience_ends();
  boost::asio::awaitable<void> watch_end(std::shared_ptr<LiveBrowser> browser);
  boost::asio::awaitable<void> watch_hang(std::shared_ptr<LiveBrowser> browser);
  void end_it(Ending ending);
  void set(Stage stage, std::string evidence, std::string advice = {});
  void back_off();
  base::Error unavailable() const;

  Launcher& launcher_;
  base::Clock& clock_;
  base::Random& random_;
  Changes& changes_;
  cdp::Window window_;
  base::Instant::duration ping_pause_;
  boost::asio::any_io_executor executor_;

  Condition condition_;
  std::shared_ptr<LiveBrowser> browser_;
  std::uint64_t generation_ = 0;
  std::optional<Ending> ending_;
  std::optional<base::Instant> died_at_;
  base::Instant up_since_{};
  base::Instant next_start_{};
  int failures_ = 0;
  bool has_start_failed_ = false;  // at the last try
  bool is_wanted_ = false;
  bool is_closing_ = false;
  base::Instant close_by_ = base::Instant::max();
  base::Scope tasks_;
};

}  // namespace chat
