// What SQLite's result codes mean to a caller.
#pragma once

#include "bridge/base/result.h"

#include <string_view>

struct sqlite3;

namespace store {

// The error of the last call on `database`, which gave the extended code `status`. `doing` names
// the statement or the act.
base::Error sqlite_error(sqlite3* database, int status, std::string_view doing);

// True if only the statement failed and its transaction may go on.
bool is_constraint(const base::Error& error);
// True if nothing on this connection can be trusted any more.
bool is_fatal(const base::Error& error);

}  // namespace store
