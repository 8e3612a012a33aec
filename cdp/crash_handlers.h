// The browser's crash handlers: they leave its process group and session, so killing the group
// misses them, and as orphans they become children of ours.
#pragma once

#include <filesystem>
#include <vector>

namespace cdp {

// Crash handlers among our children: the living ones that write to `crash_directory`, and dead ones
// of any browser of ours.
std::vector<int> find_crash_handlers(const std::filesystem::path& crash_directory);

}  // namespace cdp
