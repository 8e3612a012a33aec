// What the connections of one server share.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/base/metrics.h"
#include "bridge/http/host_policy.h"
#include "bridge/http/request.h"
#include "bridge/http/server.h"

#include <array>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace http {

class Connection;

// The memory of a request under way; idle connections have none.
struct Work {
  std::array<char, limits::http_head_bytes_max> in;
  std::size_t begin = 0;  // in[begin, end) has been read from the peer and not been used
  std::size_t end = 0;
  std::string extra;  // what was read behind a chunked body; comes after `in`
  std::string out;
  Request request;

  std::string_view unread() const { return {in.data() + begin, end - begin}; }
  std::span<char> room() { return std::span(in).subspan(end); }
  // What is unread comes to the front; views of the request before are void.
  void next_request();
  // Before it is kept for others.
  void empty();
};

class Hub {
 public:
  Hub(base::Clock& clock_given, const Router& router_given, ServerOptions options_given,
      std::vector<std::string> host_names);

  std::unique_ptr<Work> borrow();
  void give_back(std::unique_ptr<Work> work);

  // The Date header's value, renewed every second.
  std::string_view date();
  std::string new_request_id();
  void answered(const Request& request, int status, std::uint64_t bytes_sent, base::Instant began);
  void refused_connection();
  void opened(const std::string& address);
  void closed(const std::string& address);
  bool has_room_for(const std::string& address) const;

  base::Clock& clock;
  const Router& router;
  const ServerOptions options;
  const HostPolicy hosts;
  std::list<Connection*> connections;
  bool is_stopping = false;

 private:
  struct Seen {
    base::Counter* count;
    base::Histogram* seconds;
  };

  std::vector<std::unique_ptr<Work>> spare_;
  std::map<std::string, std::size_t, std::less<>> by_address_;
  // By route, method and status: few, since a route is a pattern.
  std::map<std::tuple<std::string_view, Method, int>, Seen> seen_;
  base::Gauge* open_ = nullptr;
  base::Counter* refused_ = nullptr;
  base::Instant date_until_{};
  std::string date_;
  std::string id_start_;
  std::uint64_t id_count_ = 0;
};

}  // namespace http
