#include "bridge/app/daemon_client.h"

#include "bridge/app/browser_session.h"
#include "bridge/app/daemon_file.h"
#include "bridge/app/loop.h"

#include <cstdlib>

#include <fmt/format.h>

namespace app {

namespace fs = std::filesystem;
using base::Code;

namespace {

constexpr std::size_t key_file_bytes_max = 1024;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// What to do about a key that the daemon refuses.
std::string_view whence_the_key() {
  if (!variable("FLYWHEEL_KEY").empty()) return "; it is the key in FLYWHEEL_KEY";
  return "; it is the key in admin.key, where the daemon puts a good one when it is started again";
}

base::Error no_key(const std::string& url, const base::Error& why) {
  return {Code::denied,
          fmt::format("there is no key to ask the daemon at {} with: set FLYWHEEL_KEY, or run this "
                      "as its user ({})",
                      url, why.message),
          "no_key"};
}

}  // namespace

bool names_daemon_elsewhere() { return !variable("FLYWHEEL_URL").empty(); }

http::Client client_of(const DaemonPlace& place) {
  return http::Client(place.url, place.token, {}, place.certificate);
}

base::Result<fs::path> state_folder(const BridgeOptions& options) {
  std::error_code error;
  if (options.state) return fs::absolute(*options.state, error);
  auto config = config_for(options);
  if (config) return config->state;
  if (config.error().code != Code::not_found || options.config) {
    return std::unexpected(config.error());
  }
  return state_of_user();
}

base::Result<std::optional<DaemonPlace>> find_daemon(const BridgeOptions& options) {
  DaemonPlace place{.url = variable("FLYWHEEL_URL"), .token = variable("FLYWHEEL_KEY")};
  if (!place.url.empty() && !place.token.empty()) return std::optional(std::move(place));
  TRY(const fs::path state, state_folder(options));
  if (place.url.empty()) {
    const auto daemon = read_daemon_file(state);
    if (!daemon) return std::optional<DaemonPlace>();
    place.url = daemon->url;
    place.store = daemon->store;
    place.state = state;
    place.pid = daemon->pid;
    place.attached = daemon->attached;
    place.certificate = daemon->certificate;
  }
  if (place.token.empty()) {
    auto key = read_file(state / "admin.key", key_file_bytes_max);
    if (!key) return std::unexpected(no_key(place.url, key.error()));
    place.token = *std::move(key);
    while (place.token.ends_with('\n')) place.token.pop_back();
  }
  return std::optional(std::move(place));
}

int print_failed(Console& console, const base::Error& failed, const boost::json::object& about) {
  base::Error error = failed;
  if (error.reason == "invalid_token") error.message += whence_the_key();
  if (console.is_json) {
    const std::string code =
        error.reason.empty() ? std::string(base::name(error.code)) : error.reason;
    boost::json::object object = about;
    object["error"] = {
        {"code", code}, {"detail", error.message}, {"retryable", base::is_retryable(error.code)}};
    print_json(console, object);
  }
  print_error(console, error.message);
  return exit_status_of(error);
}

int run_with_daemon(Console& console, const BridgeOptions& options,
                    const std::function<boost::asio::awaitable<int>(http::Client&)>& story) {
  auto place = find_daemon(options);
  if (!place) return print_failed(console, place.error());
  if (!*place) {
    const auto state = state_folder(options);
    return print_failed(console, {Code::unavailable,
                                  fmt::format("no daemon works {}; start one with flywheel serve, "
                                              "or name one that runs elsewhere with FLYWHEEL_URL "
                                              "and FLYWHEEL_KEY",
                                              state ? state->string() : "here"),
                                  "no_daemon"});
  }
  return run_to_end(console, [&]() -> boost::asio::awaitable<int> {
    http::Client client = client_of(**place);
    co_return co_await story(client);
  });
}

}  // namespace app
