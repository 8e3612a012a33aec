// A browser's profile directory, seen from outside the browser.
#pragma once

#include "cdp/result.h"

#include <filesystem>
#include <string>

namespace cdp {

// Makes the directory usable for a launch: created if missing, readable by its owner alone, free of
// the DevToolsActivePort file that an earlier browser left.
// locked: a browser uses it; the message names the holder. launch: it cannot be made usable.
Result<> prepare_profile(const std::filesystem::path& directory);

// Where the browser that runs in this profile listens (ws://…), from its DevToolsActivePort file;
// waits for the file to be complete. timeout: it is not.
Task<std::string> find_debugging_url(std::filesystem::path directory, Duration limit);

}  // namespace cdp
