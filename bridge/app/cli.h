// The command line from its first word to the exit status.
#pragma once

#include "bridge/app/console.h"

namespace app {

int run_command_line(int argc, const char* const* argv, Console& console);

}  // namespace app
