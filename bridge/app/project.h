// The project a command runs in.
#pragma once

#include <filesystem>
#include <optional>

namespace app {

// The nearest folder from `start` upward that has a .flywheel folder.
std::optional<std::filesystem::path> find_project(const std::filesystem::path& start);

// The project's own message types: .flywheel/schemas in the project around the working directory,
// or an empty path.
std::filesystem::path own_schemas();

}  // namespace app
