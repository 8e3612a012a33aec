#include "bridge/app/project.h"

namespace app {

namespace fs = std::filesystem;

std::optional<fs::path> find_project(const fs::path& start) {
  std::error_code error;
  for (fs::path folder = start;; folder = folder.parent_path()) {
    if (fs::is_directory(folder / ".flywheel", error)) return folder;
    if (folder == folder.parent_path()) return {};
  }
}

fs::path project_of(const fs::path& configuration) {
  const fs::path folder = configuration.parent_path();
  return folder.filename() == ".flywheel" ? folder.parent_path() : folder;
}

fs::path schemas_in(const fs::path& project) { return project / ".flywheel" / "schemas"; }

fs::path own_schemas(const std::optional<std::string>& configuration) {
  std::error_code error;
  if (configuration) {
    return schemas_in(project_of(fs::absolute(*configuration, error).lexically_normal()));
  }
  const auto project = find_project(fs::current_path(error));
  return project ? schemas_in(*project) : fs::path();
}

}  // namespace app
