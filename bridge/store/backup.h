// Whole stores as files: copying, checking and putting back.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/store/connection.h"

#include <functional>
#include <string>

namespace store {

// True: what is under way is to end, with reason closed, and to leave nothing behind. Asked often.
using Stops = std::function<bool()>;

// Copies what `source`'s transaction sees to the new file `destination`, which is a whole store and
// durable, or absent. conflict with reason exists: there is such a file; with reason foreign: the
// source is no store. internal with reason corrupt: it is damaged. What writers that were killed
// have left of this file is removed.
base::Result<> write_backup(Connection& source, const std::string& destination, const Stops& stops);

// internal with reason corrupt: the first damage found. Reads all of the database.
base::Result<> check_integrity(Connection& connection);

struct Restored {
  std::int64_t generation = 0;
  // Where the store lies that was there before, or what was left of its logs; empty if there was
  // nothing.
  std::string replaced;
};

struct Restoring {
  // What is done to the copy before it takes its place.
  std::function<base::Result<>(Connection&)> prepare = [](Connection&) { return base::Result<>(); };
  Stops stops = [] { return false; };
};

// Puts the backup `source` in the place of the store `destination`, as a generation later than
// both. Nothing is changed unless `source` is a whole store and can be prepared. busy with reason
// locked: the store is open. The store that was there is kept beside it under a name with the time
// `now`.
base::Result<Restored> restore(const std::string& source, const std::string& destination,
                               base::WallTime now, const Restoring& how = {});

}  // namespace store
