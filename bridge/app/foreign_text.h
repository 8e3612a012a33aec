// What others wrote, for a terminal: nothing of it is obeyed, and nothing of it looks like a line
// of ours.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace app {

// On one line. What a terminal would obey, or what turns the direction of writing, is a space.
std::string shown(std::string_view text);
// The same over several lines, each behind `indent`, with their tabs.
std::string shown_lines(std::string_view text, std::string_view indent = {});
// A member of what a daemon answered, on one line.
std::string line_in(const boost::json::object& object, std::string_view key);
// "  [untrusted]" of a member for which the daemon says that nobody vouches, else empty. It stands
// before what it is about, which could say anything of itself.
std::string trust_in(const boost::json::object& object, std::string_view member);
// JSON, with escapes for what a terminal would obey.
std::string shown_json(std::string_view json);

}  // namespace app
