#include "bridge/app/project.h"

namespace app {

std::optional<std::filesystem::path> find_project(const std::filesystem::path& start) {
  std::error_code error;
  for (std::filesystem::path folder = start;; folder = folder.parent_path()) {
    if (std::filesystem::is_directory(folder / ".flywheel", error)) return folder;
    if (folder == folder.parent_path()) return {};
  }
}

std::filesystem::path own_schemas() {
  std::error_code error;
  const auto project = find_project(std::filesystem::current_path(error));
  return project ? *project / ".flywheel" / "schemas" : std::filesystem::path();
}

}  // namespace app
