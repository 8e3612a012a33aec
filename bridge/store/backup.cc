#include "bridge/store/backup.h"

#include "bridge/base/limits.h"
#include "bridge/store/files.h"
#include "bridge/store/lock_file.h"
#include "bridge/store/migrations.h"
#include "bridge/store/sqlite_error.h"
#include "bridge/store/sqlite_tx.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

namespace store {
namespace {

namespace fs = std::filesystem;
using base::Code;

// Removes an unfinished file and what SQLite leaves beside it.
class Unfinished {
 public:
  explicit Unfinished(std::string path) : path_(std::move(path)) { clear(); }
  ~Unfinished() { clear(); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  const std::string& path() const { return path_; }

 private:
  void clear() const {
    for (const auto* ending : {"", "-journal", "-wal", "-shm"}) remove_file(path_ + ending);
  }

  std::string path_;
};

base::Result<> copy_pages(Connection& source, Connection& copy,
                          const std::atomic<bool>& is_closing) {
  struct Finish {
    void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
  };
  std::unique_ptr<sqlite3_backup, Finish> backup(
      sqlite3_backup_init(copy.handle(), "main", source.handle(), "main"));
  const auto failed = [&] {
    const int status = sqlite3_extended_errcode(copy.handle());
    return std::unexpected(sqlite_error(copy.handle(), status, "copy store"));
  };
  if (!backup) return failed();
  int status = SQLITE_OK;
  while (status == SQLITE_OK) {
    if (is_closing) return base::fail(Code::unavailable, "copy store: it is closed", "closed");
    status = sqlite3_backup_step(backup.get(), limits::store_backup_pages);
  }
  sqlite3_backup_finish(backup.release());
  if (status != SQLITE_DONE) {
    return std::unexpected(sqlite_error(copy.handle(), status, "copy store"));
  }
  return {};
}

// A file of its own, without a log beside it, durable.
base::Result<> copy_store(Connection& source, const std::string& path,
                          const std::atomic<bool>& is_closing) {
  TRY_OK(open_file(path, O_RDWR | O_CREAT | O_EXCL));
  {
    TRY(auto copy, Connection::open(path, Access::write));
    TRY_OK(copy_pages(source, *copy, is_closing));
    TRY_OK(copy->control("PRAGMA journal_mode = DELETE"));
  }
  return sync_file(path);
}

// A store that need not be ours to write. One with a log beside it is read with its log.
base::Result<std::unique_ptr<Connection>> open_source(const std::string& path) {
  if (!fs::exists(path)) {
    return base::fail(Code::not_found, fmt::format("open {}: no such file", path));
  }
  auto connection = fs::exists(path + "-wal") ? Connection::open(path, Access::read)
                                              : Connection::open_unchanging(path);
  if (!connection) return connection;
  TRY_OK(check_is_store(**connection));
  if (is_empty(**connection)) {
    return base::fail(Code::conflict, fmt::format("open {}: it is empty", path), "foreign");
  }
  TRY_OK(check_integrity(**connection));
  return connection;
}

// The generation of the store that is to be replaced, with its log copied into it; 0 if it cannot
// be read, for that may be why it is replaced.
std::int64_t settle(const std::string& path) {
  auto connection = Connection::open(path, Access::write);
  if (!connection || !check_is_store(**connection) || is_empty(**connection)) return 0;
  return generation(**connection).value_or(0);
}

// What SQLite reads together with a store of this path, as if it were that store's.
constexpr std::array logs = {"-wal", "-journal"};

bool is_free(const std::string& name) {
  return !fs::exists(name) &&
         std::ranges::none_of(logs, [&](const char* log) { return fs::exists(name + log); });
}

std::string free_name(const std::string& path, base::WallTime now) {
  std::string time = base::rfc3339(now).substr(0, 19);
  std::erase_if(time, [](char c) { return c == ':' || c == '-'; });
  std::string name = fmt::format("{}.replaced-{}", path, time);
  for (int i = 2; !is_free(name); ++i) name = fmt::format("{}.replaced-{}-{}", path, time, i);
  return name;
}

// The old store gets a second name before the new one takes its first: at every moment there is a
// store at `path`. Its logs are kept also where the store itself has gone, for what is left of them
// must not be read with the new one.
base::Result<std::string> replace(const std::string& path, const std::string& by,
                                  base::WallTime now) {
  const std::string name = free_name(path, now);
  std::string kept;
  if (fs::exists(path)) {
    if (::link(path.c_str(), name.c_str()) != 0) {
      return std::unexpected(system_error(errno, fmt::format("keep {} as {}", path, name)));
    }
    kept = name;
  }
  for (const auto* log : logs) {
    if (!fs::exists(path + log)) continue;
    TRY_OK(rename_file(path + log, name + log));
    if (kept.empty()) kept = name + log;
  }
  remove_file(path + "-shm");
  TRY_OK(sync_folder_of(path));
  TRY_OK(rename_file(by, path));
  TRY_OK(sync_folder_of(path));
  return kept;
}

}  // namespace

base::Result<> write_backup(Connection& source, const std::string& destination,
                            const std::atomic<bool>& is_closing) {
  if (fs::exists(destination)) {
    return base::fail(Code::conflict, fmt::format("write {}: it exists already", destination),
                      "exists");
  }
  TRY_OK(make_folder_of(destination));
  // The transaction takes its snapshot with its first statement, and keeps it between the copied
  // pages.
  TRY_OK(source.number("SELECT count(*) FROM sqlite_schema"));
  const Unfinished unfinished(fmt::format("{}.part-{}", destination, ::getpid()));
  TRY_OK(copy_store(source, unfinished.path(), is_closing));
  TRY_OK(rename_new(unfinished.path(), destination));
  return sync_folder_of(destination);
}

base::Result<> check_integrity(Connection& connection) {
  TRY(const auto rows, connection.ask("PRAGMA integrity_check(1)"));
  const std::string found = rows.empty() ? "no answer" : rows.front().at(0).text();
  if (found == "ok") return {};
  return base::fail(Code::internal, "check store: " + found, "corrupt");
}

base::Result<> check_file(const std::string& path) {
  TRY_OK(open_source(path));
  return {};
}

base::Result<Restored> restore(const std::string& source, const std::string& destination,
                               base::WallTime now) {
  TRY_OK(make_folder_of(destination));
  TRY(const auto lock, LockFile::acquire(destination + ".lock", "flywheel restore"));
  TRY(auto backup, open_source(source));
  const Unfinished unfinished(fmt::format("{}.part-{}", destination, ::getpid()));
  TRY(const auto snapshot, Transaction::begin(*backup, Access::read));
  TRY(auto next, generation(*backup));
  const std::atomic<bool> is_closing = false;
  TRY_OK(copy_store(*backup, unfinished.path(), is_closing));
  if (fs::exists(destination)) next = std::max(next, settle(destination));
  ++next;
  {
    TRY(auto copy, Connection::open(unfinished.path(), Access::write));
    TRY_OK(set_generation(*copy, next));
  }
  TRY_OK(sync_file(unfinished.path()));
  TRY(auto replaced, replace(destination, unfinished.path(), now));
  return Restored{next, std::move(replaced)};
}

}  // namespace store
