// What the routes of the API share. Internal.
#pragma once

#include "bridge/http/api_declared.h"
#include "bridge/http/api_routes.h"
#include "bridge/protocol/violation.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace http {

using Act = base::Task<Response> (*)(ApiNeeds&, Request&);
Handler with(ApiNeeds& needs, Act act);

// The check of a Route, with the schema that it tells others.
struct BodyCheck {
  std::string schema;
  std::function<std::vector<BodyError>(const json::value&)> check;

  std::vector<BodyError> operator()(const json::value& body) const { return check(body); }
};

// Everything that a JSON Schema finds wrong with a body, else what `more` finds. A text that is no
// schema is a bug. A missing body, where it is optional, is right.
BodyCheck body_check(std::string_view schema,
                     std::vector<BodyError> (*more)(const json::value&) = nullptr);

// The document of all routes, for OpenAPI 3.1. After all others have been added.
json::object openapi(const Router& router, const std::string& version,
                     const protocol::MessageTypes& types);
void add_openapi_routes(Router& router, ApiNeeds& needs);

// The Idempotency-Key header, as a structured string ("…") or bare; empty without. invalid, reason
// bad_request: neither, or too long.
base::Result<std::string> idempotency_key(const Request& request);

// What a request asks for, whatever its key: the same hash is the same wish.
struct AskedFor {
  std::string key;  // of the header or the body; empty: none
  std::string hash;
};
// Of the body without `idempotency_key` and `wait`, and of the parameter of the route that is a
// part of what is asked, if one is named.
base::Result<AskedFor> asked_with(const Request& request, std::string_view param = {});

std::vector<BodyError> errors_of(protocol::Refusal refusal);
// The problem with all that is wrong with a document.
Response refusal_response(protocol::Refusal refusal);

// Who asks, for services.
services::Caller caller_of(const Principal& principal);

// A member of a body that was checked; empty without.
std::string text_in(const json::value& body, std::string_view name);

json::value text_or_null(std::string_view text);
double seconds(std::chrono::milliseconds time);
json::value time_or_null(const std::optional<base::WallTime>& time);

// "Accept" names the media type itself, and not with q=0.
bool accepts(const Request& request, std::string_view media_type);

}  // namespace http
