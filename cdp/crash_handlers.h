// The browser's crash handlers: they leave its process group and session, so killing the group
// misses them, and as orphans they become children of ours.
#pragma once

#include <filesystem>
#include <vector>

namespace cdp {

// True for those of every browser, dead or alive.
bool is_crash_handler(int process);

// Crash handlers among our children: the living ones that write to `crash_directory`, and dead ones
// of any browser of ours.
std::vector<int> find_crash_handlers(const std::filesystem::path& crash_directory);

}  // namespace cdp
