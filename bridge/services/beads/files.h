// Files that others read and write at the same time. What the system refuses has the reason
// "file_failed", a folder that cannot be made "file_not_created".
#pragma once

#include "bridge/base/result.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace beads {

// The whole file as it was at one moment, as far as its size and time of change can tell.
// not_found, unavailable; invalid if it is longer than `bytes_max`; busy if it never keeps still.
base::Result<std::string> read_file(const std::filesystem::path& path, std::size_t bytes_max);

// Makes a file that has all its text or is not there, durable when this returns. conflict: it is
// there already.
base::Result<> create_file(const std::filesystem::path& path, std::string_view text);

// The same, in the place of what is there.
base::Result<> replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace beads
