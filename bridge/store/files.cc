#include "bridge/store/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace store {
namespace {

namespace fs = std::filesystem;
using base::Code;

std::string folder_of(const std::string& path) {
  const auto folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

base::Result<> checked(int status, std::string doing) {
  if (status == 0) return {};
  return std::unexpected(system_error(errno, std::move(doing)));
}

base::Result<> sync(const std::string& path, int flags) {
  TRY(auto file, open_file(path, flags));
  return checked(::fsync(file.descriptor()), "sync " + path);
}

}  // namespace

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

base::Error system_error(int number, std::string doing) {
  const std::string message = fmt::format("{}: {}", doing, std::strerror(number));
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return {Code::unavailable, message, "readonly"};
    case ENOSPC:
    case EDQUOT:
      return {Code::unavailable, message, "full"};
    case EIO:
      return {Code::unavailable, message, "io"};
    default:
      return {Code::unavailable, message, "connection"};
  }
}

base::Result<File> open_file(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (descriptor < 0) return std::unexpected(system_error(errno, "open " + path));
  return File(descriptor);
}

base::Result<> make_folder_of(const std::string& path) {
  std::vector<std::string> missing;
  for (std::string folder = folder_of(path); !fs::exists(folder); folder = folder_of(folder)) {
    missing.push_back(folder);
    if (folder == folder_of(folder)) break;
  }
  for (auto folder = missing.rbegin(); folder != missing.rend(); ++folder) {
    if (::mkdir(folder->c_str(), 0700) != 0 && errno != EEXIST) {
      return std::unexpected(system_error(errno, "make folder " + *folder));
    }
    TRY_OK(sync_folder_of(*folder));
  }
  return {};
}

base::Result<> sync_file(const std::string& path) { return sync(path, O_RDONLY); }

base::Result<> sync_folder_of(const std::string& path) {
  return sync(folder_of(path), O_RDONLY | O_DIRECTORY);
}

base::Result<> rename_file(const std::string& from, const std::string& to) {
  return checked(::rename(from.c_str(), to.c_str()), fmt::format("rename {} to {}", from, to));
}

base::Result<> rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EEXIST) {
    return base::fail(Code::conflict, fmt::format("write {}: it exists already", to), "exists");
  }
  return std::unexpected(system_error(errno, fmt::format("rename {} to {}", from, to)));
}

void remove_file(const std::string& path) { ::unlink(path.c_str()); }

}  // namespace store
