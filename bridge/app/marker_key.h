// The key that signs the first line of every message, in the state directory: under another one
// nothing that was sent is recognised, so a store and its key belong together.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/store/connection.h"

#include <filesystem>
#include <string>

namespace app {

// The key of this state directory, made at the first call. Errors: see check_marker_key; invalid,
// reason configuration: the file is damaged.
base::Result<std::string> marker_key(const std::filesystem::path& state, const std::string& store);

// conflict, reason configuration: the messages of this store (or of this backup of one) are signed
// with a key that is not the one in the state directory, or none is there. A store that is missing
// or older than this rule takes any.
base::Result<> check_marker_key(const std::filesystem::path& state, const std::string& store);

// From now on the store takes the key that is in the state directory, or a new one, which is made
// last of all that may fail. What may have been sent before, and without a record, is then held for
// a person. `store` is nobody else's: its tables are brought up to date. Errors: see
// store::migrate; invalid, reason configuration: the file is damaged.
base::Result<> accept_marker_key(const std::filesystem::path& state, store::Connection& store,
                                 base::WallTime now);

}  // namespace app
