// What systemd tells a service and wants to hear from it (sd_notify(3), sd_listen_fds(3)).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace app {

// Sends "READY=1", "STATUS=…", "WATCHDOG=1", "STOPPING=1" to the service manager, if there is one.
void notify_service_manager(std::string_view state);
// How often the manager wants to hear WATCHDOG=1: half of what it allows. Nothing: never.
std::optional<std::chrono::microseconds> watchdog_period();
// The first socket the manager hands over, or -1.
int inherited_socket();

}  // namespace app
