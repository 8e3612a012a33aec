#include "bridge/store/connection.h"

#include "bridge/base/limits.h"
#include "bridge/store/passage.h"
#include "bridge/store/relevance.h"
#include "bridge/store/sqlite_error.h"

#include <charconv>
#include <chrono>
#include <cstring>
#include <limits>

#include <fmt/format.h>
#include <sqlite3.h>

namespace store {
namespace {

using base::Code;

std::unexpected<base::Error> failed(sqlite3* database, int status, std::string_view doing) {
  return std::unexpected(sqlite_error(database, status, doing));
}

int bind_value(sqlite3_stmt* statement, int at, const Value& value) {
  // The value outlives the step, so SQLite need not copy it.
  struct Binder {
    sqlite3_stmt* statement;
    int at;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, at); }
    int operator()(std::int64_t number) const { return sqlite3_bind_int64(statement, at, number); }
    int operator()(double number) const { return sqlite3_bind_double(statement, at, number); }
    int operator()(const std::string& text) const {
      return sqlite3_bind_text64(statement, at, text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    }
    int operator()(const Blob& blob) const {
      // A null pointer would bind NULL instead of no bytes.
      const char* bytes = blob.bytes.empty() ? "" : blob.bytes.data();
      return sqlite3_bind_blob64(statement, at, bytes, blob.bytes.size(), SQLITE_STATIC);
    }
  };
  return value.visit(Binder{statement, at});
}

Value column(sqlite3_stmt* statement, int at) {
  switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, at);
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, at);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, at));
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, at)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, at));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, at));
      return Blob{size == 0 ? std::string() : std::string(bytes, size)};
    }
    default:
      return {};
  }
}

// Of texts and binary data; what else there is of a row is small.
std::size_t bytes_of(const Value& value) {
  struct Counter {
    std::size_t operator()(std::monostate) const { return 0; }
    std::size_t operator()(std::int64_t) const { return 0; }
    std::size_t operator()(double) const { return 0; }
    std::size_t operator()(const std::string& text) const { return text.size(); }
    std::size_t operator()(const Blob& blob) const { return blob.bytes.size(); }
  };
  return value.visit(Counter());
}

// Lets statements through that work may not run.
class Unguarded {
 public:
  explicit Unguarded(bool& is_guarded) : is_guarded_(is_guarded) { is_guarded_ = false; }
  ~Unguarded() { is_guarded_ = true; }
  Unguarded(const Unguarded&) = delete;
  Unguarded& operator=(const Unguarded&) = delete;

 private:
  bool& is_guarded_;
};

// The number of a parameter "$n", or 0.
std::size_t parameter_number(const char* name) {
  const std::string_view text = name ? name : "";
  std::size_t number = 0;
  if (!text.starts_with('$')) return 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : 0;
}

// The name of a path as an URI.
std::string uri(std::string_view path, std::string_view query) {
  std::string out = "file:";
  for (const char c : path) {
    const bool is_plain = c != '%' && c != '?' && c != '#' && static_cast<unsigned char>(c) > ' ';
    if (is_plain)
      out += c;
    else
      out += fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return out.append("?").append(query);
}

}  // namespace

void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

base::Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, Access access,
                                                           const std::string& vfs) {
  const int flags =
      access == Access::write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  TRY(auto connection, open_with(path, flags, vfs));
  if (access == Access::read) connection->close_without_checkpoint();
  return connection;
}

base::Result<std::unique_ptr<Connection>> Connection::open_unchanging(const std::string& path) {
  return open_with(uri(path, "immutable=1"), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, {});
}

base::Result<std::unique_ptr<Connection>> Connection::open_with(const std::string& name, int flags,
                                                                const std::string& vfs) {
  // Counting every allocation of every thread in one place costs more than it tells.
  static const int counts_memory = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(counts_memory);  // Refused where SQLite is in use already: then it counts.
  std::unique_ptr<Connection> connection(new Connection());
  if ((flags & SQLITE_OPEN_READWRITE) != 0) connection->layer_ = GatheringVfs::over(vfs);
  sqlite3* database = nullptr;
  const int status =
      sqlite3_open_v2(name.c_str(), &database, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                      connection->layer_ ? connection->layer_->name()
                      : vfs.empty()      ? nullptr
                                         : vfs.c_str());
  connection->database_ = database;
  const std::string doing = "open store " + name;
  if (status != SQLITE_OK) return failed(database, status, doing);
  sqlite3_busy_timeout(database,
                       static_cast<int>(std::chrono::milliseconds(limits::store_busy).count()));
  sqlite3_limit(database, SQLITE_LIMIT_LENGTH, static_cast<int>(limits::store_value_bytes_max));
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_set_authorizer(database, &Connection::authorize, connection.get());
  // The log is copied back when the answers are out, not inside a commit: this takes the place of
  // SQLite's own hook. PRAGMA wal_autocheckpoint would take this one's.
  sqlite3_wal_hook(
      database,
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<Connection*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      connection.get());
  for (const auto* setting :
       {"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -4000", "PRAGMA trusted_schema = OFF"}) {
    TRY_OK(connection->control(setting));
  }
  TRY_OK(add_relevance(database));
  TRY_OK(add_passage(database));
  return connection;
}

Connection::~Connection() {
  statements_.clear();
  controls_.clear();
  sqlite3_close(database_);
}

int Connection::authorize(void* self, int action, const char* first, const char*, const char*,
                          const char*) {
  if (!static_cast<Connection*>(self)->is_guarded_) return SQLITE_OK;
  switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return SQLITE_DENY;
    case SQLITE_PRAGMA:
      // Full-text search asks for it by itself.
      return std::strcmp(first, "data_version") == 0 ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_OK;
  }
}

base::Result<Connection::Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  if (sql.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    return failed(nullptr, SQLITE_TOOBIG, sql);
  }
  const int status = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &prepared, &rest);
  Statement statement;
  statement.prepared.reset(prepared);
  if (status != SQLITE_OK) return failed(database_, status, sql);
  const std::string_view left = sql.substr(static_cast<std::size_t>(rest - sql.data()));
  if (!prepared || left.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return base::fail(Code::internal, fmt::format("{}: is not one statement", sql), "syntax");
  }
  for (int i = 1; i <= sqlite3_bind_parameter_count(prepared); ++i) {
    const char* name = sqlite3_bind_parameter_name(prepared, i);
    const std::size_t number = parameter_number(name);
    if (number == 0) {
      return base::fail(Code::internal,
                        fmt::format("{}: parameter {} is not $n", sql, name ? name : "?"),
                        "syntax");
    }
    statement.numbers.push_back(number);
    statement.number_max = std::max(statement.number_max, number);
  }
  statement.is_read_only = sqlite3_stmt_readonly(prepared) != 0;
  return statement;
}

base::Result<Connection::Statement*> Connection::cached(Statements& statements,
                                                        std::string_view sql) {
  if (auto found = statements.find(sql); found != statements.end()) return &found->second;
  if (statements.size() >= limits::store_statements_max) statements.clear();
  TRY(auto statement, prepare(sql));
  return &statements.emplace(std::string(sql), std::move(statement)).first->second;
}

// Comparing a text costs less than hashing it.
base::Result<Connection::Statement*> Connection::recent(std::string_view sql) {
  auto& place = recent_[reinterpret_cast<std::uintptr_t>(sql.data()) / 16 % recent_.size()];
  if (place.statement != nullptr && place.text == sql) return place.statement;
  if (statements_.size() >= limits::store_statements_max) recent_ = {};
  TRY(auto* statement, cached(statements_, sql));
  place = {statements_.find(sql)->first, statement};
  return statement;
}

base::Result<> Connection::bind(Statement& statement, std::span<const Value> values,
                                std::string_view sql) {
  if (values.size() != statement.number_max) {
    return base::fail(
        Code::internal,
        fmt::format("{}: {} values for ${}", sql, values.size(), statement.number_max), "syntax");
  }
  for (std::size_t i = 0; i < statement.numbers.size(); ++i) {
    const int status = bind_value(statement.prepared.get(), static_cast<int>(i) + 1,
                                  values[statement.numbers[i] - 1]);
    if (status != SQLITE_OK) return failed(database_, status, sql);
  }
  return {};
}

base::Result<std::int64_t> Connection::step(Statement& statement, const Wanted& wanted,
                                            std::string_view sql) {
  sqlite3_stmt* prepared = statement.prepared.get();
  const auto before = sqlite3_total_changes64(database_);
  std::size_t count = 0;
  std::size_t bytes = 0;
  const bool is_part = wanted.is_end != nullptr;
  int status = SQLITE_OK;
  while ((status = sqlite3_step(prepared)) == SQLITE_ROW) {
    if (!wanted.rows) continue;
    if (is_part && (count >= wanted.rows_max || bytes >= wanted.bytes_max)) {
      *wanted.is_end = false;
      return 0;
    }
    if (++count > limits::store_rows_max) {
      return base::fail(Code::internal, fmt::format("{}: too many rows", sql), "too_many_rows");
    }
    auto& row = wanted.rows->emplace_back();
    const int columns = sqlite3_column_count(prepared);
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      const auto& value = row.emplace_back(column(prepared, i));
      if (is_part) bytes += bytes_of(value);
    }
  }
  if (status != SQLITE_DONE) return failed(database_, status, sql);
  return sqlite3_total_changes64(database_) == before ? 0 : sqlite3_changes64(database_);
}

base::Result<std::int64_t> Connection::run(std::string_view sql, std::span<const Value> values,
                                           const Wanted& wanted, Access access) {
  TRY(auto* statement, recent(sql));
  if (access == Access::read && !statement->is_read_only) {
    return base::fail(Code::internal, fmt::format("{}: this transaction only reads", sql),
                      "syntax");
  }
  if (!statement->is_read_only) ++writes_;
  struct Reset {
    sqlite3_stmt* statement;
    ~Reset() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
  } reset{statement->prepared.get()};
  TRY_OK(bind(*statement, values, sql));
  return step(*statement, wanted, sql);
}

base::Result<> Connection::script(std::string_view sql) {
  const std::string text(sql);
  const int status = sqlite3_exec(database_, text.c_str(), nullptr, nullptr, nullptr);
  if (status != SQLITE_OK) return failed(database_, status, sql);
  return {};
}

base::Result<> Connection::control(std::string_view sql) {
  Unguarded unguarded(is_guarded_);
  TRY(auto* statement, cached(controls_, sql));
  auto done = step(*statement, {}, sql);
  sqlite3_reset(statement->prepared.get());
  if (!done) return std::unexpected(std::move(done).error());
  return {};
}

base::Result<std::vector<Row>> Connection::ask(std::string_view sql) {
  Unguarded unguarded(is_guarded_);
  std::vector<Row> rows;
  TRY(auto statement, prepare(sql));
  TRY_OK(step(statement, {.rows = &rows}, sql));
  return rows;
}

base::Result<std::int64_t> Connection::number(std::string_view sql) {
  TRY(const auto rows, ask(sql));
  return rows.empty() ? 0 : rows.front().at(0).integer();
}

bool Connection::is_in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

bool Connection::has_broken_reference() const {
  int current = 0;
  int highest = 0;
  sqlite3_db_status(database_, SQLITE_DBSTATUS_DEFERRED_FKS, &current, &highest, 0);
  return current != 0;
}

bool Connection::is_read_only() const { return sqlite3_db_readonly(database_, "main") == 1; }

base::Result<> Connection::checkpoint(int log_pages_max) {
  if (log_pages_ < tried_pages_) tried_pages_ = 0;  // The log was begun anew.
  if (log_pages_ - tried_pages_ < log_pages_max) return {};
  tried_pages_ = log_pages_;
  // Where reads follow one another without a gap, the log is never free to be begun anew.
  const bool waits = log_pages_ / limits::store_log_growth_max >= log_pages_max;
  const auto wait = [this](auto limit) {
    sqlite3_busy_timeout(database_, static_cast<int>(std::chrono::milliseconds(limit).count()));
  };
  if (waits) wait(limits::store_readers);
  const int status = sqlite3_wal_checkpoint_v2(
      database_, nullptr, waits ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, nullptr,
      nullptr);
  if (waits) wait(limits::store_busy);
  if (status == SQLITE_OK || (status & 0xff) == SQLITE_BUSY) return {};
  return failed(database_, status, "checkpoint store");
}

void Connection::close_without_checkpoint() {
  sqlite3_db_config(database_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

}  // namespace store
