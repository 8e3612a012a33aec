#include "bridge/store/survey.h"

#include "bridge/base/limits.h"
#include "bridge/store/connection.h"
#include "bridge/store/files.h"
#include "bridge/store/migrations.h"
#include "bridge/store/sqlite_tx.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace store {
namespace {

namespace fs = std::filesystem;

// See LockFile: the system knows whether it is held, the text only says by whom.
std::optional<std::string> holder_of(const std::string& path) {
  const auto file = open_file(path, O_RDONLY);
  if (!file) return std::nullopt;
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(file->descriptor(), F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) {
    return std::nullopt;
  }
  std::string text(limits::store_lock_bytes_max, '\0');
  const auto size = ::pread(file->descriptor(), text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text.empty() ? "an unknown process" : text;
}

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
  Survey found{.holder = holder_of(path + ".lock"),
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
                         {}, &rows, Access::read));
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
