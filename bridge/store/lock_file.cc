#include "bridge/store/lock_file.h"

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

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

constexpr std::string_view pid_begins = " (pid ";

std::string describe(const std::string& holder) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("{}{}{} on {}, since {})\n", holder, pid_begins, ::getpid(), host,
                     base::rfc3339(base::SystemClock().wall()));
}

// The last one: before it the holder may call itself anything.
int pid_in(std::string_view text) {
  const auto begin = text.rfind(pid_begins);
  int pid = 0;
  if (begin == text.npos) return pid;
  text.remove_prefix(begin + pid_begins.size());
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid;
}

struct flock whole_file() {
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return whole;
}

}  // namespace

base::Result<LockFile> LockFile::acquire(const std::string& path, const std::string& holder) {
  TRY(auto file, open_file(path, O_RDWR | O_CREAT));
  auto whole = whole_file();
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

std::optional<LockHolder> LockFile::holder(const std::string& path) {
  const auto file = open_file(path, O_RDONLY);
  if (!file) return std::nullopt;
  // The system knows whether it is held; the text only says by whom.
  auto whole = whole_file();
  if (::fcntl(file->descriptor(), F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) {
    return std::nullopt;
  }
  LockHolder holder{.text = read_holder(file->descriptor())};
  holder.pid = pid_in(holder.text);
  return holder;
}

LockFile::~LockFile() {
  if (!file_) return;
  // The file stays: removing it could let two processes lock two files of the same name.
  [[maybe_unused]] const int emptied = ::ftruncate(file_.descriptor(), 0);
}

}  // namespace store
