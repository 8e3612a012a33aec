// How many files this process may have open at once: callers' connections first of all.
#pragma once

#include "bridge/http/server.h"

#include <cstddef>

namespace app {

struct OpenFiles {
  std::size_t before = 0;  // the soft limit that this process was started with
  std::size_t now = 0;
};

// Raises the soft limit as far as this program can use it and the hard limit allows.
OpenFiles raise_open_files();

// As many connections as leave files for the store, the browser and whoever else is called, and so
// many of one address that others get in.
http::ServerLimits connections_within(std::size_t open_files);

}  // namespace app
