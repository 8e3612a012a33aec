// One SQLite connection with its prepared statements.
#pragma once

#include "bridge/base/result.h"
#include "bridge/store/gathering_vfs.h"
#include "bridge/store/store.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace store {

enum class Access {
  read,   // cannot write and never checkpoints
  write,  // also creates the file
};

// Which rows of a statement are kept, and where.
struct Wanted {
  std::vector<Row>* rows = nullptr;  // they are added; null: none is kept
  // For the first of them only. With one of the two reached the statement ends.
  std::size_t rows_max = 0;
  std::size_t bytes_max = 0;
  bool* is_end = nullptr;  // becomes false if there is a row behind them; null: all are wanted
};

// Used by one thread at a time.
class Connection {
 public:
  // `vfs` is empty for SQLite's own. Nothing but settings of the connection is changed.
  static base::Result<std::unique_ptr<Connection>> open(const std::string& path, Access access,
                                                        const std::string& vfs = {});
  // The same of a file that nobody changes and that may lie in a folder that cannot be written.
  static base::Result<std::unique_ptr<Connection>> open_unchanging(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The number of rows that one statement changed. May not begin or end a transaction nor change
  // settings.
  base::Result<std::int64_t> run(std::string_view sql, std::span<const Value> values,
                                 const Wanted& wanted, Access access);
  // Several statements under the same rules.
  base::Result<> script(std::string_view sql);
  // One statement that begins or ends a transaction or changes a setting.
  base::Result<> control(std::string_view sql);
  // The rows of one such statement.
  base::Result<std::vector<Row>> ask(std::string_view sql);
  // The first column of its first row as an integer; 0 if there is none.
  base::Result<std::int64_t> number(std::string_view sql);

  bool is_in_transaction() const;
  // How many statements of `run` may have changed something.
  std::int64_t writes() const { return writes_; }
  // True if a foreign key is broken that is checked only at the end of the transaction.
  bool has_broken_reference() const;
  bool is_read_only() const;

  // Copies finished pages from the log into the database, as far as readers allow, if it has grown
  // by `log_pages_max` since the last time; the next transaction then begins it anew. A log of
  // store_log_growth_max times as many also waits for the readers, store_readers long.
  base::Result<> checkpoint(int log_pages_max);
  // Leaves the log as it is when the connection is closed.
  void close_without_checkpoint();

  sqlite3* handle() const { return database_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct Statement {
    std::unique_ptr<sqlite3_stmt, Finalize> prepared;
    std::vector<std::size_t> numbers;  // $n of each of SQLite's parameters
    std::size_t number_max = 0;
    bool is_read_only = false;
  };
  using Statements = std::unordered_map<std::string, Statement, Hash, std::equal_to<>>;
  // Statements by where their text lay in memory, which is mostly a literal's place.
  struct Recent {
    std::string_view text;  // in `statements_`
    Statement* statement = nullptr;
  };

  Connection() = default;
  static base::Result<std::unique_ptr<Connection>> open_with(const std::string& name, int flags,
                                                             const std::string& vfs);
  base::Result<Statement> prepare(std::string_view sql);
  base::Result<Statement*> cached(Statements& statements, std::string_view sql);
  base::Result<Statement*> recent(std::string_view sql);
  base::Result<> bind(Statement& statement, std::span<const Value> values, std::string_view sql);
  base::Result<std::int64_t> step(Statement& statement, const Wanted& wanted, std::string_view sql);
  static int authorize(void* self, int action, const char* first, const char* second,
                       const char* database, const char* trigger);

  std::unique_ptr<GatheringVfs> layer_;  // of a connection that writes
  sqlite3* database_ = nullptr;
  Statements statements_;
  Statements controls_;
  std::array<Recent, 128> recent_;
  bool is_guarded_ = true;
  int log_pages_ = 0;    // in the log after the last commit
  int tried_pages_ = 0;  // when they were last copied
  std::int64_t writes_ = 0;
};

}  // namespace store
