// What a program of an action leaves behind.
#include "bridge/services/actions/program.h"

#include "cdp/children.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
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
Ran ran_of(const Program& program, std::optional<std::size_t> open_files = {}) {
  boost::asio::io_context loop;
  std::optional<base::Result<Ran>> ran;
  boost::asio::co_spawn(loop, run(program, program.argv, open_files),
                        [&](const std::exception_ptr& error, base::Result<Ran> result) {
                          EXPECT_FALSE(error);
                          ran = std::move(result);
                        });
  loop.run();
  BRIDGE_ASSERT(ran.has_value());
  EXPECT_TRUE(*ran) << (*ran ? "" : ran->error().message);
  return ran->value_or(Ran());
}

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
  const Ran ran = ran_of(program, 77);
  EXPECT_EQ(ran.out, "77\n");
}

}  // namespace
}  // namespace services::actions
