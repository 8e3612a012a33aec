#include "tests/app/process.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace app {

Finished run_program(const std::vector<std::string>& command, std::string_view input,
                     const std::filesystem::path& folder) {
  const TestFolder files;  // Files instead of pipes: nothing can fill up and block.
  const std::string in = files.write("in", input);
  const std::string out = files.write("out", "");
  const std::string err = files.write("err", "");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY, 0);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  // A program that hangs is ended and has status 124.
  const std::vector<std::string> limit{"timeout", "--kill-after=5", "60"};
  std::vector<char*> words;
  for (const std::string& word : limit) words.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t process = 0;
  const int error = posix_spawnp(&process, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  Finished finished;
  if (error != 0) return finished;
  int status = 0;
  if (waitpid(process, &status, 0) != process) return finished;
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  finished.out = files.read("out");
  finished.err = files.read("err");
  return finished;
}

Finished flywheel(std::vector<std::string> arguments, std::string_view input,
                  const std::filesystem::path& folder) {
  arguments.insert(arguments.begin(), FLYWHEEL_PROGRAM);
  return run_program(arguments, input, folder);
}

TestFolder::TestFolder() {
  std::string name = ::testing::TempDir() + "flywheel-test-XXXXXX";
  path_ = mkdtemp(name.data());
}

TestFolder::~TestFolder() {
  // A browser that was killed may still write into its profile while it is taken away.
  std::error_code failed;
  for (int tries = 0; tries < 100; ++tries) {
    std::filesystem::remove_all(path_, failed);
    if (!failed) return;
  }
  ADD_FAILURE() << path_ << ": " << failed.message();
}

std::string TestFolder::write(std::string_view name, std::string_view text) const {
  const std::filesystem::path file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
  return file.string();
}

std::string TestFolder::read(std::string_view name) const {
  std::ifstream stream(path_ / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace app
