#include "bridge/app/open_files.h"

#include "bridge/base/limits.h"

#include <algorithm>

#include <sys/resource.h>

namespace app {

namespace {
constexpr std::size_t customary = 1024;  // the soft limit of most systems
}  // namespace

OpenFiles raise_open_files() {
  constexpr rlim_t wanted = limits::http_connections_max + limits::open_files_reserved;
  rlimit allowed{};
  if (::getrlimit(RLIMIT_NOFILE, &allowed) != 0) return {customary, customary};
  const rlim_t before = allowed.rlim_cur;
  if (before >= wanted) return {before, before};
  allowed.rlim_cur = std::min(allowed.rlim_max, wanted);
  if (::setrlimit(RLIMIT_NOFILE, &allowed) != 0) return {before, before};
  return {before, allowed.rlim_cur};
}

http::ServerLimits connections_within(std::size_t open_files) {
  http::ServerLimits allowed;
  const std::size_t room = open_files - std::min(limits::open_files_reserved, open_files / 2);
  if (room >= allowed.connections_max) return allowed;
  allowed.connections_per_address_max = std::max<std::size_t>(
      1, room * allowed.connections_per_address_max / allowed.connections_max);
  allowed.connections_max = room;
  return allowed;
}

}  // namespace app
