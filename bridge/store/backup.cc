#include "bridge/store/backup.h"

#include "bridge/base/limits.h"
#include "bridge/store/files.h"
#include "bridge/store/lock_file.h"
#include "bridge/store/migrations.h"
#include "bridge/store/sqlite_error.h"
#include "bridge/store/sqlite_tx.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

namespace store {
namespace {

namespace fs = std::filesystem;
using base::Code;

// An unfinished file, and what SQLite has beside it.
constexpr std::array unfinished_endings = {"", "-journal", "-wal", "-shm"};
constexpr std::string_view part_mark = ".part-";

// While the copy of a file is not whole it has a name of the process that writes it.
std::string part_of(const std::string& path) {
  return fmt::format("{}{}{}", path, part_mark, ::getpid());
}

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
    for (const auto* ending : unfinished_endings) remove_file(path_ + ending);
  }

  std::string path_;
};

// Whether a part's name, from the number on, is one of a process that has gone.
bool is_abandoned(std::string_view rest) {
  pid_t process = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), process);
  if (error != std::errc() || process <= 0) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return std::ranges::find(unfinished_endings, rest) != unfinished_endings.end() &&
         ::kill(process, 0) != 0 && errno == ESRCH;
}

// Who was killed could not take its own away.
void remove_abandoned(const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  const std::string begins = whole.filename().string() + std::string(part_mark);
  std::vector<std::string> abandoned;
  for (fs::directory_iterator file(whole.parent_path(), error), end; !error && file != end;
       file.increment(error)) {
    const std::string name = file->path().filename().string();
    if (!name.starts_with(begins)) continue;
    if (is_abandoned(std::string_view(name).substr(begins.size()))) {
      abandoned.push_back(file->path().string());
    }
  }
  for (const auto& file : abandoned) remove_file(file);
}

base::Result<> go_on(const Stops& stops) {
  if (!stops()) return {};
  return base::fail(Code::unavailable, "copy store: it was ended before it was done", "closed");
}

base::Result<> copy_pages(Connection& source, Connection& copy, const Stops& stops) {
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
    TRY_OK(go_on(stops));
    status = sqlite3_backup_step(backup.get(), limits::store_backup_pages);
  }
  sqlite3_backup_finish(backup.release());
  if (status != SQLITE_DONE) {
    return std::unexpected(sqlite_error(copy.handle(), status, "copy store"));
  }
  return {};
}

// Has whatever it is asked end early once that is wanted. `stops` outlives the connection.
void heed(Connection& connection, const Stops& stops) {
  sqlite3_progress_handler(
      connection.handle(), limits::store_check_steps,
      [](void* asked) { return (*static_cast<const Stops*>(asked))() ? 1 : 0; },
      const_cast<Stops*>(&stops));
}

// A file of its own, without a log beside it, durable.
base::Result<> copy_store(Connection& source, const std::string& path, const Stops& stops) {
  TRY_OK(open_file(path, O_RDWR | O_CREAT | O_EXCL));
  {
    TRY(auto copy, Connection::open(path, Access::write));
    TRY_OK(copy_pages(source, *copy, stops));
    TRY_OK(copy->control("PRAGMA journal_mode = DELETE"));
  }
  return sync_file(path);
}

base::Result<> check_whole(Connection& connection, const std::string& path) {
  TRY_OK(check_is_store(connection));
  if (is_empty(connection)) {
    return base::fail(Code::conflict, fmt::format("open {}: it is empty", path), "foreign");
  }
  return check_integrity(connection);
}

// Whether the copy `part` may be called `path`: a page that is damaged was copied as it is.
base::Result<> check_copy(const std::string& part, const std::string& path, const Stops& stops) {
  TRY(const auto copy, Connection::open_unchanging(part));
  heed(*copy, stops);
  auto whole = check_whole(*copy, path);
  TRY_OK(go_on(stops));
  if (!whole) {
    whole.error().message =
        fmt::format("write {}: nothing is written, for what was to be copied is no whole store: {}",
                    path, whole.error().message);
  }
  return whole;
}

// A store that need not be ours to write. One with a log beside it is read with its log.
base::Result<std::unique_ptr<Connection>> open_source(const std::string& path, const Stops& stops) {
  if (!fs::exists(path)) {
    return base::fail(Code::not_found, fmt::format("open {}: no such file", path));
  }
  auto connection = fs::exists(path + "-wal") ? Connection::open(path, Access::read)
                                              : Connection::open_unchanging(path);
  if (!connection) return connection;
  heed(**connection, stops);
  const auto whole = check_whole(**connection, path);
  TRY_OK(go_on(stops));
  TRY_OK(whole);
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
                            const Stops& stops) {
  if (fs::exists(destination)) {
    return base::fail(Code::conflict, fmt::format("write {}: it exists already", destination),
                      "exists");
  }
  TRY_OK(make_folder_of(destination));
  // The transaction takes its snapshot with its first statement, and keeps it between the copied
  // pages.
  TRY_OK(source.number("SELECT count(*) FROM sqlite_schema"));
  remove_abandoned(destination);
  const Unfinished unfinished(part_of(destination));
  TRY_OK(copy_store(source, unfinished.path(), stops));
  TRY_OK(check_copy(unfinished.path(), destination, stops));
  TRY_OK(rename_new(unfinished.path(), destination));
  return sync_folder_of(destination);
}

base::Result<> check_integrity(Connection& connection) {
  TRY(const auto rows, connection.ask("PRAGMA integrity_check(1)"));
  const std::string found = rows.empty() ? "no answer" : rows.front().at(0).text();
  if (found == "ok") return {};
  return base::fail(Code::internal, "check store: " + found, "corrupt");
}

base::Result<Restored> restore(const std::string& source, const std::string& destination,
                               base::WallTime now, const Restoring& how) {
  TRY_OK(make_folder_of(destination));
  TRY(const auto lock, LockFile::acquire(destination + ".lock", "flywheel restore"));
  TRY(auto backup, open_source(source, how.stops));
  remove_abandoned(destination);
  const Unfinished unfinished(part_of(destination));
  TRY(const auto snapshot, Transaction::begin(*backup, Access::read));
  TRY(auto next, generation(*backup));
  TRY_OK(copy_store(*backup, unfinished.path(), how.stops));
  if (fs::exists(destination)) next = std::max(next, settle(destination));
  ++next;
  {
    TRY(auto copy, Connection::open(unfinished.path(), Access::write));
    TRY_OK(set_generation(*copy, next));
    TRY_OK(how.prepare(*copy));
  }
  TRY_OK(sync_file(unfinished.path()));
  TRY_OK(go_on(how.stops));
  TRY(auto replaced, replace(destination, unfinished.path(), now));
  return Restored{next, std::move(replaced)};
}

}  // namespace store
