// What commands that talk to a browser have in common: which project, which profile, which window.
#pragma once

#include "bridge/app/browser_session.h"
#include "bridge/app/config.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/App.hpp>

namespace app {

struct BridgeOptions {
  std::optional<std::string> config;
  std::optional<std::string> state;
  std::optional<std::string> url;  // instead of the configured conversation
  std::optional<std::string> attach;
  bool is_headless = false;
  bool is_headed = false;
};

// What --config is for where nothing else of it is read.
inline constexpr std::string_view types_of_config =
    "The configuration whose project's message types are known (default: the one of the project)";
// Adds --config, with what it is for.
void add_config(CLI::App& command, std::optional<std::string>& config, const std::string& text);
// Adds --config and --state. FLYWHEEL_CONFIG and FLYWHEEL_STATE say the same for every command.
void add_place(CLI::App& command, BridgeOptions& options);
// Those, and which conversation, browser and window.
void add_bridge_options(CLI::App& command, BridgeOptions& options);

// The project's configuration; errors have the reason "configuration". With `url` given and no
// configuration around, the defaults for that page; `file` is empty then, and the state is the
// user's.
base::Result<Config> config_for(const BridgeOptions& options);
// The state directory of whoever has no configuration: $XDG_STATE_HOME/flywheel, or what that is by
// default.
base::Result<std::filesystem::path> state_of_user();
BrowserSettings browser_settings(const Config& config, const BridgeOptions& options);

// The file's text, made by `make` at the first call (mode 0600).
base::Result<std::string> key_file(const std::filesystem::path& path,
                                   const std::function<std::string()>& make);

// Makes the state directory if it is missing (mode 0700).
base::Result<> make_state_folder(const Config& config);

}  // namespace app
