#include "bridge/app/bridge_options.h"

#include "bridge/app/project.h"
#include "bridge/store/files.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace app {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

namespace {

constexpr std::size_t key_file_bytes_max = 4096;

// Writes the key once: of two that start at the same time, one wins and both use its key.
base::Result<> make_key(const fs::path& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno == EEXIST) return {};
  if (file < 0) {
    return fail(Code::unavailable, fmt::format("make {}: {}", path.string(), strerror(errno)),
                "file_not_created");
  }
  const bool is_written =
      ::write(file, text.data(), text.size()) == ssize_t(text.size()) && ::fsync(file) == 0;
  ::close(file);
  // What is signed with it must not outlive it.
  if (is_written) return store::sync_folder_of(path.string());
  ::unlink(path.c_str());
  return fail(Code::unavailable, fmt::format("write {}: {}", path.string(), strerror(errno)),
              "file_not_created");
}

// Enough for a page that is named. The project around the working directory, if there is one, has
// its pages and its message types all the same.
base::Result<Config> config_of_no_file(const BridgeOptions& options) {
  const boost::json::object defaults{
      {"crt_url", "http://localhost/"}, {"mcp_server", "default"}, {"writer_agent", "flywheel"}};
  std::error_code error;
  const auto project = find_project(fs::current_path(error));
  const fs::path file = project ? *project / ".flywheel" / "chatgpt.json" : fs::path();
  TRY(auto config, parse_config(boost::json::serialize(defaults), file));
  config.file.clear();
  if (!options.state) {
    TRY(const fs::path state, state_of_user());
    set_state(config, state);
  }
  return config;
}

}  // namespace

void add_config(CLI::App& command, std::optional<std::string>& config, const std::string& text) {
  command.add_option("--config", config, text)->envname("FLYWHEEL_CONFIG")->type_name("FILE");
}

void add_place(CLI::App& command, BridgeOptions& options) {
  add_config(command, options.config,
             "The configuration (default: .flywheel/chatgpt.json of the project)");
  command.add_option("--state-dir,--state", options.state, "The state directory")
      ->envname("FLYWHEEL_STATE")
      ->type_name("DIR");
}

void add_bridge_options(CLI::App& command, BridgeOptions& options) {
  add_place(command, options);
  command.add_option("--url", options.url, "Another conversation than the configured one")
      ->type_name("URL");
  command
      .add_option("--attach", options.attach,
                  "Use a running browser: its ws://127.0.0.1:PORT/devtools/browser/ID, or the "
                  "absolute path of its profile directory")
      ->type_name("WS_URL");
  auto* headless = command.add_flag("--headless", options.is_headless, "Show no window");
  command.add_flag("--headed", options.is_headed, "Show a window")->excludes(headless);
}

base::Result<fs::path> state_of_user() {
  const auto folder = [](const char* variable) {
    const char* value = std::getenv(variable);
    return fs::path(value ? value : "");
  };
  const fs::path state = folder("XDG_STATE_HOME");
  if (!state.empty()) return state / "flywheel";
  const fs::path home = folder("HOME");
  if (!home.empty()) return home / ".local" / "state" / "flywheel";
  return fail(Code::not_found,
              "find the state directory: there is no configuration, and neither XDG_STATE_HOME nor "
              "HOME is set; name one with --state",
              "configuration");
}

base::Result<Config> config_for(const BridgeOptions& options) {
  std::optional<fs::path> file;
  if (options.config) file = *options.config;
  std::error_code error;
  auto config = find_config(file, fs::current_path(error));
  if (!config && config.error().code == Code::not_found && options.url && !options.config) {
    config = config_of_no_file(options);
  }
  if (!config) {
    config.error().reason = "configuration";
    return config;
  }
  if (options.url) config->crt_url = *options.url;
  if (options.state) set_state(*config, fs::absolute(*options.state, error));
  return config;
}

BrowserSettings browser_settings(const Config& config, const BridgeOptions& options) {
  BrowserSettings settings;
  settings.launch.executable = config.browser.executable;
  settings.launch.profile_dir = config.browser.profile_dir;
  settings.launch.width = config.browser.window_width;
  settings.launch.height = config.browser.window_height;
  settings.launch.window = config.browser.is_headless ? cdp::Window::headless : window_here();
  if (options.is_headless) settings.launch.window = cdp::Window::headless;
  if (options.is_headed) settings.launch.window = cdp::Window::headed;
  settings.attach_url = options.attach.value_or("");
  settings.page_profiles = config.page_profiles;
  settings.chat.url = config.crt_url;
  settings.chat.drafts = config.draft;
  settings.chat.ready_limit = config.timeouts.ready;
  settings.chat.send_limit = config.timeouts.send;
  settings.chat.silence_limit = config.timeouts.silence;
  settings.launch.start_limit = config.timeouts.start;
  return settings;
}

base::Result<> make_state_folder(const Config& config) {
  std::error_code error;
  const bool is_new = fs::create_directories(config.state, error);
  if (error) {
    return fail(
        Code::unavailable,
        fmt::format("make the state directory {}: {}", config.state.string(), error.message()),
        "file_not_created");
  }
  if (is_new) fs::permissions(config.state, fs::perms::owner_all, error);
  return {};
}

base::Result<std::string> key_file(const fs::path& path, const std::function<std::string()>& make) {
  std::error_code error;
  if (!fs::exists(path, error)) TRY_OK(make_key(path, make()));
  return read_file(path, key_file_bytes_max);
}

}  // namespace app
