// What web pages and models add to plain text, taken off again.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace protocol {

// The line without spaces, invisible characters, citation marks and Markdown emphasis around it;
// empty for a closing "```" or ":::".
std::string bare_line(std::string_view line);

// A complete JSON object without the invisible characters and citation marks that JsonScanner puts
// up with outside strings.
std::string without_invisible(std::string_view object);

// JSON over several lines, two spaces a level, members in their own order.
std::string pretty_json(const boost::json::value& value);

}  // namespace protocol
