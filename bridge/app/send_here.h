// One packet sent and answered inside this process, for commands that find no daemon.
#pragma once

#include "bridge/app/bridge_options.h"
#include "bridge/app/console.h"
#include "bridge/services/exchange.h"

#include <functional>
#include <optional>

namespace app {

struct SendHere {
  BridgeOptions bridge;
  std::optional<int> wait_s;  // for the reply, instead of the configured limit
};

// Posts the packet into the configured conversation, says on `console` that and how it goes, and
// prints a failure. `on_answer` is called the moment there is a valid reply, while the page still
// settles; it gives the exit status.
int send_here(Console& console, const protocol::Packet& packet, const SendHere& options,
              const std::function<int(const services::Answered&)>& on_answer);

// The error, and the exit status that reports it.
int print_failed(Console& console, const base::Error& error);

}  // namespace app
