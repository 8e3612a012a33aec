// Whole stores as files: copying, checking and putting back.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/store/connection.h"

#include <atomic>
#include <string>

namespace store {

// Copies what `source`'s transaction sees to the new file `destination`, which is whole and durable
// or absent. conflict with reason exists: there is such a file. unavailable with reason closed:
// `is_closing` became true.
base::Result<> write_backup(Connection& source, const std::string& destination,
                            const std::atomic<bool>& is_closing);

// internal with reason corrupt: the first damage found. Reads all of the database.
base::Result<> check_integrity(Connection& connection);

// The same of a file that may be open elsewhere. not_found: there is none; conflict with reason
// foreign: it is no store.
base::Result<> check_file(const std::string& path);

struct Restored {
  std::int64_t generation = 0;
  // Where the store lies that was there before, or what was left of its logs; empty if there was
  // nothing.
  std::string replaced;
};

// Puts the backup `source` in the place of the store `destination`, as a generation later than
// both. Nothing is changed unless `source` is a whole store. busy with reason locked: the store is
// open. The store that was there is kept beside it under a name with the time `now`.
base::Result<Restored> restore(const std::string& source, const std::string& destination,
                               base::WallTime now);

}  // namespace store
