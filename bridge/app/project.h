// The project a command runs in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace app {

// The nearest folder from `start` upward that has a .flywheel folder.
std::optional<std::filesystem::path> find_project(const std::filesystem::path& start);

// The project of a configuration file, given by its absolute path: the folder that has it in its
// .flywheel folder, else the folder it lies in.
std::filesystem::path project_of(const std::filesystem::path& configuration);

// A project's own message types; may be missing.
std::filesystem::path schemas_in(const std::filesystem::path& project);

// Those of the project of `configuration` if one is named, else of the project around the working
// directory, else an empty path.
std::filesystem::path own_schemas(const std::optional<std::string>& configuration);

}  // namespace app
