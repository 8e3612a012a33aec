// What a program of an action leaves behind.
#include "bridge/services/actions/program.h"

#include "cdp/children.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace services::actions {
namespace {

// As in the daemon, which reaps what its browser leaves.
class Reaper {
 public:
  Reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~Reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
};

bool has_no_child() {
  errno = 0;
  return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

// It has ended, and what is left of it nobody waits for.
void expect_orphan(pid_t id) {
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(cdp::reap_orphans(), 1);
  EXPECT_TRUE(has_no_child());
}

// Runs it to its end.
base::Result<Ran> outcome_of(boost::asio::io_context& loop, const Program& program, Means means) {
  std::optional<base::Result<Ran>> ran;
  boost::asio::co_spawn(loop, run(program, program.argv, std::move(means)),
                        [&](const std::exception_ptr& error, base::Result<Ran> result) {
                          EXPECT_FALSE(error);
                          ran = std::move(result);
                        });
  loop.run();
  BRIDGE_ASSERT(ran.has_value());
  return *std::move(ran);
}

Ran ran_of(const Program& program, Means means = {}) {
  boost::asio::io_context loop;
  const auto ran = outcome_of(loop, program, std::move(means));
  EXPECT_TRUE(ran) << (ran ? "" : ran.error().message);
  return ran.value_or(Ran());
}

// A program that has become another user's for a while.
struct Unkillable {
  Means means() {
    return {.kill = [this](pid_t whom, int signal) {
      EXPECT_EQ(signal, SIGKILL);
      id = std::abs(whom);
      told();
      errno = EPERM;
      return -1;
    }};
  }
  // In the end it is killed after all.
  void end() const {
    ASSERT_GT(id, 1);
    EXPECT_EQ(::waitpid(id, nullptr, WNOHANG), 0) << "it still runs";
    ::kill(id, SIGKILL);
    expect_orphan(id);
  }

  pid_t id = 0;
  std::function<void()> told = [] {};
};

TEST(Program, WhatItLeftInTheBackgroundIsNeitherAliveNorAZombie) {
  const Reaper reaper;
  Program program;
  program.argv = {"/bin/sh", "-c", "(sleep 1000 & sleep 1000) & echo done"};
  const Ran ran = ran_of(program);
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "done\n");
  EXPECT_TRUE(has_no_child());
}

TEST(Program, WhoLeftItsGroupAndWritesOnHoldsNobodyUp) {
  const Reaper reaper;
  for (const std::size_t most : {std::size_t{1000}, std::size_t{1} << 30}) {
    Program program;
    // It ends once the straggler, a group of its own, has written more than a pipe holds.
    program.argv = {"/bin/sh", "-c",
                    "setsid yes & until { read a b && read c d; } < /proc/$!/io && "
                    "[ $d -gt 200000 ]; do :; done; echo $! >&2"};
    program.output_bytes_max = most;
    const Ran ran = ran_of(program);
    EXPECT_EQ(ran.status, 0);
    EXPECT_TRUE(ran.out.starts_with("y\n"));
    EXPECT_EQ(ran.is_clipped, most == 1000);
    const pid_t straggler = std::atoi(ran.err.c_str());
    ASSERT_GT(straggler, 1) << ran.err;
    ::kill(straggler, SIGKILL);
    expect_orphan(straggler);
  }
}

TEST(Program, HasTheLimitOfOpenFilesThatItIsGiven) {
  Program program;
  // Its limit comes a moment after its start.
  program.argv = {"/bin/sh", "-c", "while [ $(ulimit -Sn) != 77 ]; do :; done; ulimit -Sn"};
  program.timeout_s = 20;
  const Ran ran = ran_of(program, {.open_files = 77});
  EXPECT_EQ(ran.out, "77\n");
}

TEST(Program, OneThatCannotBeKilledHoldsTheLoopUpNeitherThenNorLater) {
  boost::asio::io_context loop;
  Unkillable program;
  bool goes_on = false;
  program.told = [&] { boost::asio::post(loop, [&] { goes_on = true; }); };
  const auto ran =
      outcome_of(loop, {.argv = {"/bin/sleep", "1000"}, .timeout_s = 0}, program.means());
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().code, base::Code::timeout);
  EXPECT_EQ(ran.error().reason, still_runs);
  EXPECT_TRUE(goes_on);
  program.end();
}

TEST(Program, OneThatCannotBeKilledHoldsACancellationUpNeither) {
  boost::asio::io_context loop;
  Unkillable program;
  const Program sleeper{.argv = {"/bin/sleep", "1000"}};
  boost::asio::cancellation_signal cancel;
  bool is_cancelled = false;
  boost::asio::co_spawn(
      loop, run(sleeper, sleeper.argv, program.means()),
      boost::asio::bind_cancellation_slot(
          cancel.slot(), [&](const std::exception_ptr& error, const base::Result<Ran>&) {
            is_cancelled = error != nullptr;
          }));
  loop.poll();
  ASSERT_EQ(program.id, 0) << "it has begun and nobody ends it";
  cancel.emit(boost::asio::cancellation_type::terminal);
  loop.run();
  EXPECT_TRUE(is_cancelled);
  program.end();
}

TEST(Program, OneThatLeftTheGroupThatItLedIsKilledToo) {
  const Reaper reaper;
  boost::asio::io_context loop;
  Program program;
  // Our own group takes it in.
  program.argv = {"/usr/bin/perl", "-e", "setpgrp(0, getpgrp(getppid())); sleep 1000"};
  program.timeout_s = 1;
  const auto ran = outcome_of(loop, program, {});
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().reason, "");
  EXPECT_TRUE(has_no_child());
}

}  // namespace
}  // namespace services::actions
