#include "bridge/services/beads/files.h"

#include "bridge/base/hash.h"
#include "bridge/base/limits.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace beads {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

std::unexpected<base::Error> failed(std::string_view doing, const fs::path& path) {
  const int error = errno;
  const Code code = error == ENOENT ? Code::not_found : Code::unavailable;
  return fail(code, fmt::format("{} {}: {}", doing, path.string(), std::strerror(error)),
              "file_failed");
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

base::Result<std::string> read_once(int file, const fs::path& path, std::size_t bytes_max) {
  std::string text;
  constexpr std::size_t piece = 256 * 1024;
  for (;;) {
    const std::size_t size = text.size();
    text.resize(size + piece);
    const ssize_t count = ::pread(file, text.data() + size, piece, off_t(size));
    if (count < 0 && errno != EINTR) return failed("read", path);
    text.resize(size + std::size_t(std::max<ssize_t>(count, 0)));
    if (count == 0) return text;
    if (text.size() > bytes_max) {
      return fail(Code::invalid,
                  fmt::format("read {}: longer than {} bytes", path.string(), bytes_max));
    }
  }
}

base::Result<> write_whole(const fs::path& path, std::string_view text) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.number() < 0) return failed("create", path);
  while (!text.empty()) {
    const ssize_t count = ::write(file.number(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write", path);
    text.remove_prefix(std::size_t(count));
  }
  if (::fsync(file.number()) != 0) return failed("write", path);
  return {};
}

base::Result<> sync_folder(const fs::path& folder) {
  const Descriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.number() < 0 || ::fsync(file.number()) != 0) return failed("write", folder);
  return {};
}

// Writes a draft beside `path` and lets `publish` give it its name.
base::Result<> write_through_draft(const fs::path& path, std::string_view text,
                                   int (*publish)(const char* draft, const char* path)) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    return fail(Code::unavailable,
                fmt::format("make {}: {}", path.parent_path().string(), error.message()),
                "file_not_created");
  }
  fs::path draft = path;
  draft += fmt::format(".{}.tmp", base::hex(base::random_bytes(8)));
  auto written = write_whole(draft, text);
  const bool is_published = written && publish(draft.c_str(), path.c_str()) == 0;
  const int why = errno;
  ::unlink(draft.c_str());  // Gone already where publishing renames it.
  if (!written) return written;
  if (!is_published && why == EEXIST) {
    return fail(Code::conflict, fmt::format("create {}: it is there already", path.string()));
  }
  errno = why;
  if (!is_published) return failed("write", path);
  return sync_folder(path.parent_path());
}

}  // namespace

base::Result<std::string> read_file(const fs::path& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.number() < 0) return failed("read", path);
  for (int i = 0; i < limits::beads_reads_max; ++i) {
    struct stat before{};
    struct stat after{};
    if (::fstat(file.number(), &before) != 0) return failed("read", path);
    if (!S_ISREG(before.st_mode)) {
      return fail(Code::unavailable, fmt::format("read {}: it is no file", path.string()),
                  "file_failed");
    }
    TRY(std::string text, read_once(file.number(), path, bytes_max));
    if (::fstat(file.number(), &after) != 0) return failed("read", path);
    if (is_same(before, after)) return text;
  }
  return fail(Code::busy, fmt::format("read {}: it is being written", path.string()));
}

base::Result<> create_file(const fs::path& path, std::string_view text) {
  // Unlike a rename, a link never takes the place of another file.
  return write_through_draft(path, text,
                             [](const char* draft, const char* to) { return ::link(draft, to); });
}

base::Result<> replace_file(const fs::path& path, std::string_view text) {
  return write_through_draft(path, text,
                             [](const char* draft, const char* to) { return ::rename(draft, to); });
}

}  // namespace beads
