// How an agent looks to callers. Internal to the API.
#pragma once

#include "bridge/http/api_routes.h"

#include <boost/json/object.hpp>

namespace http {

json::object agent_view(const ApiNeeds& needs, const services::agents::Agent& agent);

}  // namespace http
