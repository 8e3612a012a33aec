// Who waits for a child that has ended.
#include "cdp/children.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// A child that does this first and then ends; nobody has waited for it.
pid_t ended_child(const std::function<void()>& first) {
  const pid_t id = ::fork();
  if (id == 0) {
    first();
    ::_exit(0);
  }
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOWAIT), 0);
  return id;
}

void leave_group() { ::setpgid(0, 0); }
void leave_session() { ::setsid(); }
bool is_child(pid_t id) { return std::ranges::count(cdp::children(), id) == 1; }

TEST(Children, AnEndedOneInAGroupOfNobodysIsReaped) {
  for (const auto leave : {leave_group, leave_session}) {
    const pid_t orphan = ended_child(leave);
    EXPECT_TRUE(is_child(orphan));

    EXPECT_EQ(cdp::reap_orphans(), 1);

    EXPECT_FALSE(is_child(orphan));
    EXPECT_EQ(::waitpid(orphan, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
}

TEST(Children, OneWhoseGroupIsWaitedForIsLeftToItsOwner) {
  const pid_t leader = ended_child(leave_group);
  {
    const cdp::WaitedGroup one(leader), another(leader);
    EXPECT_EQ(cdp::reap_orphans(), 0);
  }
  const cdp::WaitedGroup one(leader);
  {
    const cdp::WaitedGroup another(leader);
  }
  EXPECT_EQ(cdp::reap_orphans(), 0);
  EXPECT_EQ(::waitpid(leader, nullptr, WNOHANG), leader);
}

TEST(Children, OneWhoseGroupIsNoLongerWaitedForIsReaped) {
  const pid_t leader = ended_child(leave_group);
  {
    const cdp::WaitedGroup waited(leader);
    EXPECT_EQ(cdp::reap_orphans(), 0);
  }
  EXPECT_EQ(cdp::reap_orphans(), 1);
}

TEST(Children, OneOfOurOwnGroupIsLeftToWhoStartedIt) {
  const pid_t child = ended_child([] {});
  EXPECT_EQ(cdp::reap_orphans(), 0);
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), child);
}

TEST(Children, ACrashHandlerIsLeftToItsBrowser) {
  const pid_t handler = ended_child([] {
    ::setsid();
    ::prctl(PR_SET_NAME, "chrome_crashpad_handler");
  });
  EXPECT_EQ(cdp::reap_orphans(), 0);
  EXPECT_EQ(::waitpid(handler, nullptr, WNOHANG), handler);
}

// A child in a group of its own, until this ends.
struct Running {
  Running() {
    if (id == 0) {
      ::pause();
      ::_exit(0);
    }
    ::setpgid(id, id);
  }
  ~Running() {
    ::kill(id, SIGKILL);
    EXPECT_EQ(::waitpid(id, nullptr, 0), id);
  }
  const pid_t id = ::fork();
};

TEST(Children, OneThatStillRunsIsLeftAlone) {
  const Running child;
  EXPECT_EQ(cdp::reap_orphans(), 0);
  EXPECT_TRUE(is_child(child.id));
}

TEST(Children, ALeaderThatWentOverToAnotherGroupIsLeftToItsOwner) {
  const Running other;
  const pid_t leader = ended_child([&] { ::setpgid(0, other.id); });
  {
    const cdp::WaitedGroup waited(leader);
    EXPECT_EQ(cdp::reap_orphans(), 0);
  }
  EXPECT_EQ(cdp::reap_orphans(), 1);
}

}  // namespace
