// The parts of `flywheel session` that ask a running daemon, whose browser has the profile.
#pragma once

#include "bridge/app/bridge_options.h"
#include "bridge/app/console.h"
#include "bridge/http/client.h"

#include <string>

#include <boost/asio/awaitable.hpp>

namespace app::remote_session {

boost::asio::awaitable<int> check(Console& console, http::Client& client);
// `url` empty: the page that shows the session's state.
boost::asio::awaitable<int> inspect(Console& console, http::Client& client, std::string url);
// Has the daemon open a window, and waits until the session is ready.
boost::asio::awaitable<int> login(Console& console, http::Client& client);
boost::asio::awaitable<int> screenshot(Console& console, http::Client& client, std::string file);

}  // namespace app::remote_session
