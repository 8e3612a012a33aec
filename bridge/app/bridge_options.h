// What commands that talk to a browser have in common: which project, which profile, which window.
#pragma once

#include "bridge/app/browser_session.h"
#include "bridge/app/config.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

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

// Adds --config and --state. FLYWHEEL_CONFIG and FLYWHEEL_STATE say the same for every command.
void add_place(CLI::App& command, BridgeOptions& options);
// Those, and which conversation, browser and window.
void add_bridge_options(CLI::App& command, BridgeOptions& options);

// The project's configuration; errors have the reason "configuration". With `url` given and no
// project around, the defaults for that page.
base::Result<Config> config_for(const BridgeOptions& options);
BrowserSettings browser_settings(const Config& config, const BridgeOptions& options);

// The file's text, made by `make` at the first call (mode 0600).
base::Result<std::string> key_file(const std::filesystem::path& path,
                                   const std::function<std::string()>& make);

// Makes the state directory if it is missing (mode 0700).
base::Result<> make_state_folder(const Config& config);

}  // namespace app
