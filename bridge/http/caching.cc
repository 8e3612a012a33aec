#include "bridge/http/caching.h"

#include "bridge/base/hash.h"
#include "bridge/base/limits.h"
#include "bridge/http/base64url.h"
#include "bridge/http/uri_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace http {
namespace {

// True when the list of entity tags names `tag`. `weakly`: W/"x" names "x" too (RFC 9110, 8.8.3.2).
bool lists_tag(std::string_view list, std::string_view tag, bool weakly) {
  while (!list.empty()) {
    const auto start = list.find_first_not_of(" \t,");
    if (start == std::string_view::npos) return false;
    list.remove_prefix(start);
    if (list.starts_with('*')) return true;
    const bool is_weak = list.starts_with("W/");
    if (is_weak) list.remove_prefix(2);
    if (!list.starts_with('"')) return false;
    const auto end = list.find('"', 1);
    if (end == std::string_view::npos) return false;
    if (list.substr(0, end + 1) == tag && (weakly || !is_weak)) return true;
    list.remove_prefix(end + 1);
  }
  return false;
}

constexpr std::string_view cursor_start = "c1";
constexpr std::size_t seal_size = 6;

std::string seal(std::string_view position) {
  const auto digest = base::sha256(fmt::format("flywheel cursor {}", position));
  return std::string(reinterpret_cast<const char*>(digest.data()), seal_size);
}

}  // namespace

std::string entity_tag(std::string_view bytes) {
  return '"' + base::sha256_hex(bytes).substr(0, 32) + '"';
}

base::Result<> check_if_match(const Request& request, std::string_view tag) {
  const auto wanted = request.header("if-match");
  if (!wanted || lists_tag(*wanted, tag, false)) return {};
  return base::fail(base::Code::conflict,
                    fmt::format("{} {}: it has changed since", request.method_name, request.path),
                    "precondition_failed");
}

Response with_entity_tag(const Request& request, Response response, std::string_view tag) {
  const auto known = request.header("if-none-match");
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (reads && known && lists_tag(*known, tag, true)) {
    Response unchanged;
    unchanged.status = 304;
    unchanged.header_lines = std::move(response.header_lines);
    response = std::move(unchanged);
  }
  response.add("ETag", tag);
  return response;
}

std::string cursor(std::string_view position) {
  return std::string(cursor_start) + base64url_encoded(seal(position) + std::string(position));
}

base::Result<std::string> cursor_position(std::string_view cursor) {
  const auto refuse = [] {
    return base::fail(base::Code::invalid,
                      "query parameter cursor: not one that was given out here", "invalid_query");
  };
  if (!cursor.starts_with(cursor_start) || cursor.size() > limits::http_cursor_bytes_max) {
    return refuse();
  }
  const auto bytes = base64url_decoded(cursor.substr(cursor_start.size()));
  if (!bytes || bytes->size() < seal_size) return refuse();
  auto position = bytes->substr(seal_size);
  if (bytes->substr(0, seal_size) != seal(position)) return refuse();
  return position;
}

base::Result<Page> page_of(const Request& request) {
  Page page;
  TRY(const auto limit, request.query_number("limit", 1, limits::http_page_max));
  page.limit = limit ? static_cast<std::size_t>(*limit) : limits::http_page_default;
  if (const auto given = request.query_value("cursor")) {
    TRY(page.after, cursor_position(*given));
  }
  return page;
}

Response page_response(const Request& request, json::array items,
                       const std::optional<std::string>& next, const json::object& more) {
  json::object page{{"items", std::move(items)}, {"next_cursor", nullptr}};
  for (const auto& [name, value] : more) page[name] = value;
  std::string link;
  if (next) {
    const std::string after = cursor(*next);
    page["next_cursor"] = after;
    link = fmt::format("<{}?", request.path);
    for (const auto& [name, value] : request.query) {
      if (name == "cursor") continue;
      link += fmt::format("{}={}&", percent_encoded(name), percent_encoded(value));
    }
    link += fmt::format("cursor={}>; rel=\"next\"", after);
  }
  auto response = json_response(page);
  if (!link.empty()) response.add("Link", link);
  return response;
}

base::Result<Cut> page_from(const Request& request, const json::array& all,
                            std::string_view position) {
  TRY(const auto page, page_of(request));
  const auto place = [&](std::size_t i) -> std::string_view {
    return all[i].at(position).as_string();
  };
  std::size_t first = 0;
  if (!page.after.empty()) {
    while (first < all.size() && place(first) != page.after) ++first;
    const bool is_there = first < all.size();
    // If it is gone: what sorts behind it, which is at the end of a list that is in order.
    while (!is_there && first > 0 && place(first - 1) > page.after) --first;
    if (is_there) ++first;
  }
  const std::size_t end = std::min(all.size(), first + page.limit);
  Cut cut;
  for (std::size_t i = first; i < end; ++i) cut.items.push_back(all[i]);
  if (end < all.size()) cut.next = std::string(place(end - 1));
  return cut;
}

}  // namespace http
