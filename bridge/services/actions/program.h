// A program of this machine, run without a shell.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/services/actions/definition.h"

#include <csignal>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace services::actions {

struct Ran {
  int status = 0;           // 128 plus the signal that killed it
  std::string out, err;     // the beginning of what it wrote
  bool is_clipped = false;  // it wrote more
};

// The words of the program with the parameters in their places. A string stays as it is, other
// values are JSON; one word stays one word whatever it holds.
std::vector<std::string> words_of(const Program& program, const base::json::value& params);

// As kill(2).
using Kill = std::function<int(pid_t whom, int signal)>;

// What programs are run with.
struct Means {
  // The soft limit of what one may have open; none: the one of this process.
  std::optional<std::size_t> open_files = {};
  Kill kill = ::kill;
};

// The reason of the timeout of a program that could not be killed: nobody knows what it still does.
inline constexpr std::string_view still_runs = "still_runs";

// Runs it in a process group of its own, with nothing but its own environment, and ends the whole
// group afterwards. unavailable: it cannot be started, and nothing was done. timeout: it was killed
// after its time, and what it did until then is done; but see `still_runs`. Cancelling kills it and
// does not wait for its end.
base::Task<Ran> run(const Program& program, std::vector<std::string> words, Means means = {});

}  // namespace services::actions
