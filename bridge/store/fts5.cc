#include "bridge/store/fts5.h"

#include <sqlite3.h>

namespace store {

base::Result<fts5_api*> fts5_of(sqlite3* database) {
  fts5_api* api = nullptr;
  sqlite3_stmt* asking = nullptr;
  if (sqlite3_prepare_v2(database, "SELECT fts5($1)", -1, &asking, nullptr) == SQLITE_OK) {
    sqlite3_bind_pointer(asking, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
    sqlite3_step(asking);
    sqlite3_finalize(asking);
  }
  if (api == nullptr) {
    return base::fail(base::Code::unavailable, "open store: SQLite has no full-text search (FTS5)");
  }
  return api;
}

}  // namespace store
