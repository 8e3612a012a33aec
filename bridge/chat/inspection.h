// One look at a page with all that is written there, for people who want to know what the bridge
// sees.
#pragma once

#include "bridge/chat/state.h"

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace chat {

struct Inspection {
  Sighting seen;
  Judgement judged;
  std::string digest = {};  // the shape of an unknown page, without anything written on it
};

// What both the program and its HTTP interface show. `conversation` is the address asked for.
boost::json::object view_of(const Inspection& inspection, std::string_view conversation);

}  // namespace chat
