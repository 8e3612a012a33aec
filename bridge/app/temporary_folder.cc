#include "bridge/app/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fmt/format.h>

namespace app {

base::Result<std::unique_ptr<TemporaryFolder>> TemporaryFolder::make(std::string_view prefix) {
  std::error_code error;
  const auto parent = std::filesystem::temp_directory_path(error);
  std::string pattern = (parent / prefix).string() + "-XXXXXX";
  if (error || ::mkdtemp(pattern.data()) == nullptr) {
    return base::fail(base::Code::unavailable,
                      fmt::format("make a temporary folder {}: {}", pattern, std::strerror(errno)),
                      "file_not_created");
  }
  return std::unique_ptr<TemporaryFolder>(new TemporaryFolder(pattern));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace app
