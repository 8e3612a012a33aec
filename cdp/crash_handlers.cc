#include "cdp/crash_handlers.h"

#include <fstream>
#include <iterator>
#include <string>

namespace cdp {

namespace fs = std::filesystem;

namespace {

// The kernel keeps 15 characters of chrome_crashpad_handler.
constexpr std::string_view handler_name = "(chrome_crashpad)";

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_handler(int process, const fs::path& crash_directory) {
  auto folder = fs::path("/proc") / std::to_string(process);
  auto status = read_file(folder / "stat");
  auto name = status.find(handler_name);
  if (name == status.npos) return false;
  if (status.substr(name + handler_name.size(), 2) == " Z") return true;
  return read_file(folder / "cmdline").find(crash_directory.string()) != std::string::npos;
}

}  // namespace

std::vector<int> find_crash_handlers(const fs::path& crash_directory) {
  std::vector<int> handlers;
  std::error_code error;
  for (const auto& thread : fs::directory_iterator("/proc/self/task", error)) {
    std::ifstream children(thread.path() / "children");
    for (int child = 0; children >> child;) {
      if (is_handler(child, crash_directory)) handlers.push_back(child);
    }
  }
  return handlers;
}

}  // namespace cdp
