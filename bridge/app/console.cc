#include "bridge/app/console.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace app {
namespace {

using base::Code;
using base::fail;

void print(Console& console, std::string_view color, std::string_view prefix,
           std::string_view text) {
  if (console.has_color) {
    console.err << "\x1b[" << color << 'm' << prefix << "\x1b[0m" << text << '\n';
  } else {
    console.err << prefix << text << '\n';
  }
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
  if (stream.bad()) return fail(Code::unavailable, fmt::format("read {}: input error", name));
  if (text.size() > bytes_max) {
    return fail(Code::invalid, fmt::format("read {}: longer than {} bytes", name, bytes_max));
  }
  return text;
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
    return fail(Code::unavailable, fmt::format("read {}: it is a folder", path.string()));
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return fail(errno == ENOENT ? Code::not_found : Code::unavailable,
                fmt::format("read {}: {}", path.string(), std::strerror(errno)));
  }
  return read(stream, path.string(), bytes_max);
}

base::Result<> write_file(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::path draft = path;
  draft += fmt::format(".{}.tmp", getpid());
  const auto failed = [&](std::string_view why) {
    std::error_code ignored;
    std::filesystem::remove(draft, ignored);
    return fail(Code::unavailable, fmt::format("write {}: {}", path.string(), why));
  };
  errno = 0;
  std::ofstream stream(draft, std::ios::binary);
  if (!stream) return failed(std::strerror(errno));
  stream << text;
  stream.close();
  if (!stream) return failed("output error");
  std::error_code error;
  std::filesystem::rename(draft, path, error);
  if (error) return failed(error.message());
  return {};
}

}  // namespace app
