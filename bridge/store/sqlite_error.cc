#include "bridge/store/sqlite_error.h"

#include <cerrno>
#include <string>

#include <fmt/format.h>
#include <sqlite3.h>

namespace store {
namespace {

using base::Code;

struct Class {
  Code code;
  std::string_view reason;
};

Class constraint(int status) {
  switch (status) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return {Code::conflict, "unique"};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {Code::conflict, "foreign_key"};
    case SQLITE_CONSTRAINT_NOTNULL:
      return {Code::conflict, "not_null"};
    case SQLITE_CONSTRAINT_DATATYPE:
      return {Code::internal, "type"};
    default:
      return {Code::conflict, "check"};
  }
}

Class io(sqlite3* database, int status) {
  // A disk that is full while syncing may have lost what was written before: that is no mere
  // refusal.
  const bool is_sync = status == SQLITE_IOERR_FSYNC || status == SQLITE_IOERR_DIR_FSYNC;
  const int system = database ? sqlite3_system_errno(database) : 0;
  if (!is_sync && (system == ENOSPC || system == EDQUOT)) return {Code::unavailable, "full"};
  return {Code::unavailable, "io"};
}

Class classify(sqlite3* database, int status) {
  switch (status & 0xff) {
    case SQLITE_CONSTRAINT:
      return constraint(status);
    case SQLITE_BUSY:
      return {Code::busy, status == SQLITE_BUSY_SNAPSHOT ? "serialization" : "busy"};
    case SQLITE_LOCKED:
      return {Code::busy, "busy"};
    case SQLITE_FULL:
      return {Code::unavailable, "full"};
    case SQLITE_IOERR:
      return io(database, status);
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return {Code::unavailable, "readonly"};
    case SQLITE_CANTOPEN:
      return {Code::unavailable, "connection"};
    case SQLITE_NOMEM:
      return {Code::unavailable, "memory"};
    case SQLITE_CORRUPT:
      return {Code::internal, "corrupt"};
    case SQLITE_NOTADB:
      return {Code::conflict, "foreign"};
    case SQLITE_TOOBIG:
      return {Code::invalid, "too_big"};
    case SQLITE_MISMATCH:
      return {Code::internal, "type"};
    default:
      return {Code::internal, "syntax"};
  }
}

}  // namespace

base::Error sqlite_error(sqlite3* database, int status, std::string_view doing) {
  constexpr std::size_t doing_bytes_max = 120;
  const auto [code, reason] = classify(database, status);
  // Only the message of this very error; a handle may hold that of an earlier one.
  const bool is_own = database && sqlite3_extended_errcode(database) == status;
  const char* why = is_own ? sqlite3_errmsg(database) : sqlite3_errstr(status);
  const bool is_long = doing.size() > doing_bytes_max;
  return {code,
          fmt::format("{}{}: {} (SQLite {})", doing.substr(0, doing_bytes_max), is_long ? "…" : "",
                      why, status),
          std::string(reason)};
}

bool is_constraint(const base::Error& error) {
  return error.code == Code::conflict && error.reason != "foreign";
}

bool is_fatal(const base::Error& error) {
  return error.reason == "io" || error.reason == "corrupt" || error.reason == "foreign";
}

}  // namespace store
