// Runs a program to its end, as a shell would.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace app {

struct Finished {
  int status = -1;  // the exit status, 128 + the signal, or 124 after a minute
  std::string out;
  std::string err;
};

// The environment is the test's own. Standard streams are files, never a terminal.
Finished run_program(const std::vector<std::string>& command, std::string_view input = {},
                     const std::filesystem::path& folder = {});

// `flywheel` with these arguments.
Finished flywheel(std::vector<std::string> arguments, std::string_view input = {},
                  const std::filesystem::path& folder = {});

// A folder that is removed with everything in it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The path of a new file below the folder, its parents created.
  std::string write(std::string_view name, std::string_view text) const;
  std::string read(std::string_view name) const;

 private:
  std::filesystem::path path_;
};

}  // namespace app
