#include "bridge/store/lock_file.h"

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace store {
namespace {

std::string read_holder(int descriptor) {
  std::string text(limits::store_lock_bytes_max, '\0');
  const auto size = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  // The file may hold anything; a message stays one line.
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text.empty() ? "an unknown process" : text;
}

std::string describe(const std::string& holder) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{} (pid {} on {}, since {})\n", holder, ::getpid(), host,
                     base::rfc3339(base::SystemClock().wall()));
}

}  // namespace

base::Result<LockFile> LockFile::acquire(const std::string& path, const std::string& holder) {
  TRY(auto file, open_file(path, O_RDWR | O_CREAT));
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(file.descriptor(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) {
      return std::unexpected(system_error(errno, "lock " + path));
    }
    return base::fail(base::Code::busy,
                      fmt::format("lock {}: held by {}", path, read_holder(file.descriptor())),
                      "locked");
  }
  const std::string text = describe(holder).substr(0, limits::store_lock_bytes_max);
  // Telling others is a courtesy: a full disk must not keep the store closed.
  if (::ftruncate(file.descriptor(), 0) == 0) {
    [[maybe_unused]] const auto written = ::pwrite(file.descriptor(), text.data(), text.size(), 0);
  }
  return LockFile(std::move(file));
}

LockFile::~LockFile() {
  if (!file_) return;
  // The file stays: removing it could let two processes lock two files of the same name.
  [[maybe_unused]] const int emptied = ::ftruncate(file_.descriptor(), 0);
}

}  // namespace store
