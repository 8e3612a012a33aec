// The addresses of a host's name.
#pragma once

#include "bridge/base/result.h"

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

namespace http {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
using LookedUp = std::function<void(boost::system::error_code, Endpoints)>;
// Starts a look-up and returns; tells its outcome on the executor, if ever.
using StartLookup = std::function<void(const boost::asio::any_io_executor& executor,
                                       std::string host, std::string port, LookedUp then)>;

// getaddrinfo, which nothing interrupts, in one of limits::http_lookups_max threads.
void start_system_lookup(const boost::asio::any_io_executor& executor, std::string host,
                         std::string port, LookedUp then);

// Waits for a look-up. Who is cancelled leaves it behind, however long it takes. unavailable: the
// message is the system's.
base::Task<Endpoints> look_up(std::string host, std::string port,
                              StartLookup start = start_system_lookup);

}  // namespace http
