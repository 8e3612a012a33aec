// What the routes of the API share. Internal.
#pragma once

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

// The check of a Route: everything that a JSON Schema finds wrong with a body. A text that is no
// schema is a bug. A missing body, where it is optional, is right.
std::function<std::vector<BodyError>(const json::value&)> body_check(std::string_view schema);

// The Idempotency-Key header, as a structured string ("…") or bare; empty without. invalid, reason
// bad_request: neither, or too long.
base::Result<std::string> idempotency_key(const Request& request);

std::vector<BodyError> errors_of(protocol::Refusal refusal);
// The problem with all that is wrong with a document.
Response refusal_response(protocol::Refusal refusal);

// Who asks, for services.
services::Caller caller_of(const Principal& principal);

// A member of a body that was checked; empty without.
std::string text_in(const json::value& body, std::string_view name);

double seconds(std::chrono::milliseconds time);
json::value time_or_null(const std::optional<base::WallTime>& time);

// "Accept" names the media type itself, and not with q=0.
bool accepts(const Request& request, std::string_view media_type);

}  // namespace http
