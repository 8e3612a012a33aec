#include "cdp/crash_handlers.h"

#include "cdp/children.h"

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

fs::path folder_of(int process) { return fs::path("/proc") / std::to_string(process); }

bool is_handler(int process, const fs::path& crash_directory) {
  auto status = read_file(folder_of(process) / "stat");
  auto name = status.find(handler_name);
  if (name == status.npos) return false;
  if (status.substr(name + handler_name.size(), 2) == " Z") return true;
  return read_file(folder_of(process) / "cmdline").find(crash_directory.string()) !=
         std::string::npos;
}

}  // namespace

bool is_crash_handler(int process) {
  return read_file(folder_of(process) / "stat").find(handler_name) != std::string::npos;
}

std::vector<int> find_crash_handlers(const fs::path& crash_directory) {
  auto handlers = children();
  std::erase_if(handlers, [&](int child) { return !is_handler(child, crash_directory); });
  return handlers;
}

}  // namespace cdp
