// Runs one command's coroutine to its end, or until a person interrupts it.
#pragma once

#include "bridge/app/console.h"

#include <functional>

#include <boost/asio/awaitable.hpp>

namespace app {

// The exit status that `story` gives, or exit_interrupted after SIGINT or SIGTERM: the story is
// cancelled, cleans up and its result is dropped. A second signal ends the process at once.
int run_to_end(Console& console, const std::function<boost::asio::awaitable<int>()>& story);

}  // namespace app
