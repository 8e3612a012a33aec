#include "bridge/app/console.h"

#include "bridge/app/foreign_text.h"
#include "bridge/base/limits.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace app {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

void print(Console& console, std::string_view color, std::string_view prefix,
           std::string_view text) {
  const auto lines = text.empty() ? "\n" : shown_lines(text);
  if (console.has_color) {
    console.err << "\x1b[" << color << 'm' << prefix << "\x1b[0m" << lines;
  } else {
    console.err << prefix << lines;
  }
}

std::unexpected<base::Error> not_read(Code code, std::string_view name, std::string_view why) {
  return fail(code, fmt::format("read {}: {}", name, why), "file_failed");
}

base::Result<std::string> read(std::istream& stream, std::string_view name, std::size_t bytes_max) {
  std::string text;
  constexpr std::size_t piece_size = 64 * 1024;
  while (stream && text.size() <= bytes_max) {
    const std::size_t old_size = text.size();
    text.resize(old_size + piece_size);
    stream.read(text.data() + old_size, piece_size);
    text.resize(old_size + std::size_t(stream.gcount()));
  }
  if (stream.bad()) return not_read(Code::unavailable, name, "input error");
  if (text.size() > bytes_max) {
    return fail(Code::invalid, fmt::format("read {}: longer than {} bytes", name, bytes_max));
  }
  return text;
}

std::unexpected<base::Error> not_written(const fs::path& path, std::string_view why) {
  return fail(Code::unavailable, fmt::format("write {}: {}", path.string(), why), "file_failed");
}

// Links there name what a process has open, and replacing that by name would miss it.
bool is_in_proc(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  struct statfs about{};
  return ::statfs(folder.c_str(), &about) == 0 && about.f_type == PROC_SUPER_MAGIC;
}

// The regular file that the path leads to, or would lead to; nothing if it leads to something that
// can only be written into, such as a device or a pipe.
base::Result<std::optional<fs::path>> file_to_replace(const fs::path& path) {
  // Asked of the kernel first: it refuses to follow some links, and then nobody here does.
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (error && type != fs::file_type::not_found) return not_written(path, error.message());
  if (type != fs::file_type::regular && type != fs::file_type::not_found) return std::nullopt;
  fs::path place = path;
  for (int links = 0; links < limits::links_followed_max; ++links) {
    if (fs::symlink_status(place, error).type() != fs::file_type::symlink) return place;
    if (is_in_proc(place)) return std::nullopt;
    const fs::path target = fs::read_symlink(place, error);
    if (error) return not_written(path, error.message());
    place = place.parent_path() / target;
  }
  return not_written(path, std::strerror(ELOOP));
}

base::Result<> write_into(const fs::path& path, std::string_view text) {
  errno = 0;
  // At its end: what others have written there stays.
  std::ofstream stream(path, std::ios::binary | std::ios::app);
  if (!stream) return not_written(path, std::strerror(errno));
  stream << text;
  stream.close();
  return stream ? base::Result<>() : not_written(path, "output error");
}

// `path`: what the caller calls the place.
base::Result<> replace(const fs::path& place, const fs::path& path, std::string_view text) {
  std::error_code ignored;
  const bool is_new = !fs::exists(place, ignored);
  fs::path draft = place;
  draft += fmt::format(".{}.tmp", getpid());
  const auto failed = [&](std::string_view why) {
    fs::remove(draft, ignored);
    auto error = not_written(path, why);
    if (is_new) error.error().reason = "file_not_created";
    return error;
  };
  errno = 0;
  std::ofstream stream(draft, std::ios::binary);
  if (!stream) return failed(std::strerror(errno));
  stream << text;
  stream.close();
  if (!stream) return failed("output error");
  std::error_code error;
  fs::rename(draft, place, error);
  if (error) return failed(error.message());
  return {};
}

}  // namespace

void print_error(Console& console, std::string_view text) {
  print(console, "31", "flywheel: ", text);
}

void print_warning(Console& console, std::string_view text) {
  print(console, "33", "warning: ", text);
}

void print_notice(Console& console, std::string_view text) { print(console, "36", "note: ", text); }

void print_progress(Console& console, std::string_view text) {
  if (console.is_err_terminal) console.err << text << std::endl;
}

void print_json(Console& console, const boost::json::value& value) {
  console.out << boost::json::serialize(value) << std::endl;
}

base::Result<std::string> read_input(Console& console, const std::string& path,
                                     std::size_t bytes_max) {
  if (path == "-") return read(console.in, "standard input", bytes_max);
  return read_file(path, bytes_max);
}

base::Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return not_read(Code::unavailable, path.string(), "it is a folder");
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return not_read(errno == ENOENT ? Code::not_found : Code::unavailable, path.string(),
                    std::strerror(errno));
  }
  return read(stream, path.string(), bytes_max);
}

base::Result<> write_file(const std::filesystem::path& path, std::string_view text) {
  TRY(const auto place, file_to_replace(path));
  return place ? replace(*place, path, text) : write_into(path, text);
}

}  // namespace app
