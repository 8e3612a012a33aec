#include "bridge/store/survey.h"

#include "bridge/base/limits.h"
#include "bridge/store/connection.h"
#include "bridge/store/files.h"
#include "bridge/store/lock_file.h"
#include "bridge/store/migrations.h"
#include "bridge/store/sqlite_tx.h"

#include <filesystem>

#include <fmt/format.h>
#include <sys/statvfs.h>

namespace store {
namespace {

namespace fs = std::filesystem;

std::uint64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

base::Result<std::unique_ptr<Connection>> open(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    return base::fail(base::Code::not_found, fmt::format("look at store {}: there is none", path));
  }
  return Connection::open(path, Access::read);
}

}  // namespace

base::Result<Survey> survey(const std::string& path) {
  TRY(const auto connection, open(path));
  TRY_OK(check_is_store(*connection));
  const auto holder = LockFile::holder(path + ".lock");
  Survey found{.holder = holder ? std::optional(holder->text) : std::nullopt,
               .versions = {},
               .bytes = size_of(path) + size_of(path + "-wal"),
               .has_ballast = size_of(path + ".ballast") > 0};
  struct statvfs disk = {};
  const std::string folder = fs::path(path).parent_path() / ".";
  if (::statvfs(folder.c_str(), &disk) == 0) found.disk_free = disk.f_bavail * disk.f_frsize;
  if (is_empty(*connection)) return found;
  TRY(found.generation, generation(*connection));
  std::vector<Row> rows;
  TRY_OK(connection->run("SELECT component, MAX(version) FROM store_migrations GROUP BY component",
                         {}, {.rows = &rows}, Access::read));
  for (const auto& row : rows) found.versions[row[0].text()] = row[1].integer();
  return found;
}

base::Result<> look_into(const std::string& path, const std::function<base::Result<>(Tx&)>& work) {
  TRY(const auto connection, open(path));
  TRY(const auto transaction, Transaction::begin(*connection, Access::read));
  SqliteTx tx(*connection, Access::read);
  return tx.run(work);
}

}  // namespace store
