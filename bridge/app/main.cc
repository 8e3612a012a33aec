#include "bridge/app/cli.h"

#include <cstdlib>
#include <iostream>

#include <unistd.h>

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  std::cin.tie(nullptr);
  const bool is_err_terminal = isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  app::Console console{std::cin, std::cout, std::cerr};
  console.is_err_terminal = is_err_terminal;
  console.has_color = is_err_terminal && (!no_color || !*no_color);
  return app::run_command_line(argc, argv, console);
}
