// The whole journal verified, in as many answers of the daemon as that takes.
#pragma once

#include "bridge/base/result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace app {

// The answer of /api/audit/verify for what comes after this entry.
using AskVerification = std::function<base::Task<boost::json::value>(std::int64_t after)>;

// One answer in the place of all: the last, with the checkpoints of every one. `tell` hears how far
// it is. internal: an answer is none, or the daemon comes no further.
base::Task<boost::json::object> verify_journal(AskVerification ask,
                                               std::function<void(std::string_view)> tell);
// 0 only for a journal that was looked at to its end and is what was written.
int exit_status_of_verification(const boost::json::object& verification);

}  // namespace app
