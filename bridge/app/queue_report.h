// The queue as people read it.
#pragma once

#include "bridge/app/console.h"

#include <boost/json/value.hpp>

namespace app {

// A line for the whole, one for each lane with what it waits for, one for each account's limits.
void print_queue(Console& console, const boost::json::value& view);

}  // namespace app
