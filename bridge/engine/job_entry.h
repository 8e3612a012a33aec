// What the journal says of a job.
#pragma once

#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"

#include <string_view>

namespace engine {

// The entry for a change: "<noun>.<verb>", about the job, done by who wanted it.
NewEntry job_entry(const Change& change, std::string_view noun);

}  // namespace engine
