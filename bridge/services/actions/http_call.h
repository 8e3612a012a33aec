// A call over HTTP. Method, host and headers are the configuration's; parameters fill their places
// in path, query and body, and nothing that they hold reaches beyond its place.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/services/events/outbound.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace services::actions {

struct HttpCall {
  std::string method;
  events::Target target;  // its path is a template
  base::json::object query;
  base::json::value body;                                    // null: none
  std::vector<std::pair<std::string, std::string>> headers;  // with the secrets in them
  std::vector<std::string> secrets;
  int timeout_s = 15;
  std::size_t answer_bytes_max = 64u << 10;

  // True if doing it twice does what doing it once does.
  bool is_read() const { return method == "GET" || method == "HEAD"; }
};

// Of an action's configuration, or of its `undo` with headers and bounds of the action. The message
// begins with the pointer of what is wrong, and tells no secret.
base::Result<HttpCall> http_call_of(const base::json::object& given);
base::Result<HttpCall> http_undo_of(const base::json::object& given, const HttpCall& call);
// The names in the path, which must all be there, and those elsewhere.
std::vector<std::string> path_places(const HttpCall& call);
std::vector<std::string> other_places(const HttpCall& call);

// Without addresses. invalid, reason invalid_params: a value that cannot stand in its place.
base::Result<events::OutboundRequest> request_of(const HttpCall& call,
                                                 const base::json::value& params);

// The text without the secrets, should the receiver send them back.
std::string without_secrets(const HttpCall& call, std::string text);
// What an answer of success gives: {status, body, clipped}, with the body as JSON where it is.
base::json::object result_of(const HttpCall& call, events::OutboundAnswer answer);

}  // namespace services::actions
