// Entity tags, pages of lists, and the other small headers (RFC 9110, RFC 8288).
#pragma once

#include "bridge/base/result.h"
#include "bridge/http/request.h"
#include "bridge/http/response.h"

#include <optional>
#include <string>
#include <string_view>

namespace http {

// A strong tag of these bytes: `"..."`.
std::string entity_tag(std::string_view bytes);

// conflict with reason precondition_failed (412) when If-Match is there and does not name `tag`.
base::Result<> check_if_match(const Request& request, std::string_view tag);

// Adds the ETag; a GET or HEAD whose If-None-Match names it becomes 304 without a body.
Response with_entity_tag(const Request& request, Response response, std::string_view tag);

// Opaque to callers: a position, sealed so that a foreign text is refused.
std::string cursor(std::string_view position);
// invalid: no cursor of ours.
base::Result<std::string> cursor_position(std::string_view cursor);

struct Page {
  std::size_t limit = 0;
  std::string after;  // the position behind ?cursor=; empty at the start
};
// ?limit= (1 to limits::http_page_max, else the default) and ?cursor=.
base::Result<Page> page_of(const Request& request);

// {"items": [...], "next_cursor": "..." or null} with Link rel="next", and with the members of
// `more`; `next` is the position of the last item when more follow.
Response page_response(const Request& request, json::array items,
                       const std::optional<std::string>& next, const json::object& more = {});

// The page that is asked for of a list that is short enough to be made whole. What an item's member
// `position` says no other's does.
struct Cut {
  json::array items;
  std::optional<std::string> next = {};
};
base::Result<Cut> page_from(const Request& request, const json::array& all,
                            std::string_view position);

}  // namespace http
