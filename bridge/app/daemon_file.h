// How a command finds the daemon that works a state directory: daemon.json, with the address. A
// daemon that was killed leaves the file behind, and another process may have its number by then:
// the file is believed while the process it names holds the lock of the store it names.
#pragma once

#include "bridge/base/result.h"

#include <filesystem>
#include <optional>
#include <string>

namespace app {

struct DaemonFile {
  std::string url;
  int pid = 0;
  std::string incarnation;       // this life of the daemon
  std::string store;             // the path of the file it works
  std::string attached = {};     // the browser that it uses and does not run; empty: its own
  std::string certificate = {};  // the file of the one that it shows; empty: it does without TLS
};

// Written when the daemon answers, mode 0600; replaced in one step.
base::Result<> write_daemon_file(const std::filesystem::path& state, const DaemonFile& daemon);
// Nothing: there is none, or it is not to be believed. Whether it answers is another matter.
std::optional<DaemonFile> read_daemon_file(const std::filesystem::path& state);
// Takes it away, if it is this daemon's.
void remove_daemon_file(const std::filesystem::path& state, const std::string& incarnation);

}  // namespace app
