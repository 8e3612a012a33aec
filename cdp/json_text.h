// JSON as the browser writes it.
#pragma once

#include "cdp/result.h"

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

namespace cdp {

namespace json = boost::json;

// An object of at most json_depth_max levels. Chrome passes a page's lone surrogates on as escapes
// (a string cut inside an emoji has one); they are read as U+FFFD. Anything else is invalid.
Result<json::object> parse_object(std::string_view text);

bool is_utf8(std::string_view text);

// A field's text; empty if there is none.
std::string text_in(const json::object& object, std::string_view key);
// A field's object; null if there is none.
const json::object* object_in(const json::object& object, std::string_view key);

// Foreign text for a message: in quotes, escaped, cut at quoted_bytes_max.
std::string quote(std::string_view text);

}  // namespace cdp
