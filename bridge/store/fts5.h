// SQLite's full-text search, for what the store adds to it. Internal.
#pragma once

#include "bridge/base/result.h"

struct fts5_api;
struct sqlite3;

namespace store {

// unavailable: SQLite was built without it.
base::Result<fts5_api*> fts5_of(sqlite3* database);

}  // namespace store
