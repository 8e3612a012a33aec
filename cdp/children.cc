#include "cdp/children.h"

#include "cdp/crash_handlers.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

namespace cdp {

namespace {

// Children are the whole process's, and so is the knowledge of who waits for them: a group that
// was missing here would lose its status.
std::multiset<int>& waited_groups() {
  static std::multiset<int> groups;
  return groups;
}

bool is_orphan(int child) {
  siginfo_t info{};
  const bool has_ended =
      ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == child;
  if (!has_ended) return false;
  // Until it is waited for, it keeps its number, its group and its name.
  const int group = ::getpgid(child);
  if (group <= 0 || group == ::getpgrp() || is_crash_handler(child)) return false;
  // A leader that went over to another group is still waited for.
  return !waited_groups().contains(group) && !waited_groups().contains(child);
}

}  // namespace

std::vector<int> children() {
  std::vector<int> found;
  std::error_code error;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream in(thread.path() / "children");
    for (int child = 0; in >> child;) found.push_back(child);
  }
  return found;
}

WaitedGroup::WaitedGroup(int group) : group_(group) { waited_groups().insert(group_); }

WaitedGroup::~WaitedGroup() { waited_groups().erase(waited_groups().find(group_)); }

int reap_orphans() {
  int reaped = 0;
  for (const int child : children()) {
    if (is_orphan(child) && ::waitpid(child, nullptr, WNOHANG) == child) ++reaped;
  }
  return reaped;
}

}  // namespace cdp
