// What is known of the session or of a page, as chat::view_of and the daemon tell it.
#pragma once

#include "bridge/app/console.h"

#include <ostream>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace app {

// The state, its evidence and what to do about it; the whole view with --json.
void print_check(Console& console, const boost::json::object& view);
// What keeps packets or queries from being sent, however well the page looks.
void print_breakers(std::ostream& out, const boost::json::object& view);
// The same as print_check with the composer and every turn.
void print_inspection(Console& console, const boost::json::object& view);
// Into the file, or to standard output for "-".
int print_screenshot(Console& console, const std::string& file, std::string_view png);
// exit_ok only if packets can be sent.
int status_of_session(const boost::json::object& view);
// True while something in it waits for a person, though packets may be sent.
bool waits_for_person(const boost::json::object& view);

}  // namespace app
