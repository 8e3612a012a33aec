// One packet sent and answered: by the daemon if one runs, else inside this process.
#pragma once

#include "bridge/app/bridge_options.h"
#include "bridge/app/console.h"
#include "bridge/protocol/packet.h"

#include <functional>
#include <optional>

#include <boost/json/object.hpp>

namespace app {

struct SendOptions {
  BridgeOptions bridge;
  std::optional<int> wait_s;  // how long to wait for the end; without, as long as it takes
  bool waits = true;          // false only queues it, which needs a daemon
};

// "--wait" or "--wait=SECONDS"; `options` lives as long as the command.
CLI::Option* add_end_wait(CLI::App& command, SendOptions& options, const std::string& text);

// `on_end` gets the job's view when it has ended, is held, or was waited for long enough, and gives
// the exit status. Of a packet that was handed in before under the same key it is that job's view,
// with "replayed": true. Of one that this process sent itself it has "in_process": true. Errors
// before there is a job are printed here.
int send_packet(Console& console, const protocol::Packet& packet, const SendOptions& options,
                const std::function<int(const boost::json::object& view)>& on_end);

}  // namespace app
