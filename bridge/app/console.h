// Where a command reads and writes.
#pragma once

#include "bridge/base/result.h"

#include <filesystem>
#include <istream>
#include <ostream>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace app {

struct Console {
  std::istream& in;
  std::ostream& out;       // the result, and nothing else
  std::ostream& err;       // errors, warnings and progress
  bool is_json = false;    // --json was given: the result is JSON
  bool has_color = false;  // err is a terminal and NO_COLOR is not set
  bool is_err_terminal = false;
};

// "flywheel: <text>" on err.
void print_error(Console& console, std::string_view text);
void print_warning(Console& console, std::string_view text);
// What a person or a script must know that is neither: "note: <text>" on err.
void print_notice(Console& console, std::string_view text);
// Only when err is a terminal.
void print_progress(Console& console, std::string_view text);
// One line of JSON on out, flushed.
void print_json(Console& console, const boost::json::value& value);

// The file, or standard input for "-". not_found or unavailable, with the reason "file_failed", if
// it cannot be read; invalid if it is longer than `bytes_max`.
base::Result<std::string> read_input(Console& console, const std::string& path,
                                     std::size_t bytes_max);
base::Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);
// Replaces the file, or the one that a link leads to, in one step, so that nobody sees half of it.
// What is no file, such as a device or a pipe, is written into and stays what it is. unavailable:
// it cannot be; the reason is "file_not_created" where there was none before, else "file_failed".
base::Result<> write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace app
