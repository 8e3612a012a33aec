// A command's way to the daemon.
#pragma once

#include "bridge/app/bridge_options.h"
#include "bridge/app/console.h"
#include "bridge/http/client.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <boost/json/object.hpp>

namespace app {

struct DaemonPlace {
  std::string url;
  std::string token;
  // The file it works, the state directory and its process; empty: only its address is known.
  std::string store = {};
  std::filesystem::path state = {};
  int pid = 0;
  std::string attached = {};  // the browser that it uses and does not run
  // The file of the one that it shows. It need be for no name, and known to nobody else.
  std::string certificate = {};
};

// Speaks to the daemon there, and to nobody who shows another certificate.
http::Client client_of(const DaemonPlace& place);

// The state directory that the options, the configuration or the environment name.
base::Result<std::filesystem::path> state_folder(const BridgeOptions& options);

// FLYWHEEL_URL is set: a daemon is asked that may run on another machine.
bool names_daemon_elsewhere();

// FLYWHEEL_URL and FLYWHEEL_KEY, else daemon.json and admin.key of the state directory. Nothing: no
// daemon runs there. With both variables nothing else is needed. denied: there is a daemon and no
// key to ask it with.
base::Result<std::optional<DaemonPlace>> find_daemon(const BridgeOptions& options);

// Talks to the daemon until `story` has ended; without a daemon, error unavailable, which says how
// to start one.
int run_with_daemon(Console& console, const BridgeOptions& options,
                    const std::function<boost::asio::awaitable<int>(http::Client&)>& story);

// Prints an error in both forms and gives its exit status. `about`: what else its JSON names.
int print_failed(Console& console, const base::Error& error, const boost::json::object& about = {});

}  // namespace app
