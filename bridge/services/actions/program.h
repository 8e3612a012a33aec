// A program of this machine, run without a shell.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/services/actions/definition.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace services::actions {

struct Ran {
  int status = 0;           // 128 plus the signal that killed it
  std::string out, err;     // the beginning of what it wrote
  bool is_clipped = false;  // it wrote more
};

// The words of the program with the parameters in their places. A string stays as it is, other
// values are JSON; one word stays one word whatever it holds.
std::vector<std::string> words_of(const Program& program, const base::json::value& params);

// Runs it in a process group of its own, with nothing but its own environment, and ends the whole
// group afterwards. unavailable: it cannot be started, and nothing was done. timeout: it was killed
// after its time; what it did until then is done. Cancelling kills it. `open_files` is the soft
// limit of what it may have open; none: the one of this process.
base::Task<Ran> run(const Program& program, std::vector<std::string> words,
                    std::optional<std::size_t> open_files = {});

}  // namespace services::actions
