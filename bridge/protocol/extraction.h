// Finds the JSON object in a reply. A reply is hostile input: every bound is fixed, the work grows
// with its length, and nothing in it is repaired by guessing.
#pragma once

#include "bridge/base/result.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace protocol {

namespace json = boost::json;

// Where the object was found.
enum class Route { fenced_json, fenced, indented, prose, dom_block, dom_text };
std::string_view name(Route route);

struct Extraction {
  json::object value;
  Route route;
  // True if the end marker is the last non-empty line: the reply is complete by its own word.
  bool is_end_marked = false;
  std::vector<std::string> warnings;
};

// True for an object that answers the question. Decides between several objects of one reply.
using Accepts = std::function<bool(const json::object&)>;

// From the reply's Markdown source: the one acceptable object. Without one, the object that was
// most likely meant is returned, for its violations to be told: the only one in a block marked as
// JSON, else in any code block, else in the text. Otherwise invalid, with one of these reasons:
//   incomplete    the reply ends inside the object or the code block, without the end marker
//   invalid_json  something like an object is there, but it is no JSON; the message says where
//   ambiguous     several different objects are acceptable, or none and none stands out
//   no_json       there is no object at all
//   too_long      more than limits::reply_bytes_max
base::Result<Extraction> extract(std::string_view markdown, std::string_view end_marker,
                                 const Accepts& accepts);

// A code block as the page shows it.
struct SeenBlock {
  std::string language;  // as the page names it: "json", "JSON", "" if unknown
  std::string text;
};

// A reply as read from the page: its code blocks and the text around (or including) them.
struct SeenReply {
  std::vector<SeenBlock> blocks;
  std::string text;
};

// The same from the page's DOM, where fences are gone.
base::Result<Extraction> extract(const SeenReply& reply, std::string_view end_marker,
                                 const Accepts& accepts);

}  // namespace protocol
