#include "bridge/app/storage_state.h"

#include "bridge/app/browser_session.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/base/scope.h"
#include "bridge/chat/doomed_tab.h"
#include "bridge/chat/eyes.h"

#include <chrono>
#include <optional>

#include <boost/asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using base::Code;
using base::fail;

constexpr std::size_t storage_bytes_max = 16u << 20;

std::unexpected<base::Error> refused(std::string_view pointer, std::string_view what) {
  return fail(Code::invalid, fmt::format("not a storageState.json: {}: {}", pointer, what));
}

const json::string* text_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value ? value->if_string() : nullptr;
}

double seconds_of(base::WallTime at) {
  return std::chrono::duration<double>(at.time_since_epoch()).count();
}

// As Storage.setCookies takes it, but without an end.
base::Result<json::object> parse_cookie(const json::value& value, const std::string& pointer) {
  const auto* given = value.if_object();
  if (given == nullptr) return refused(pointer, "must be an object");
  json::object cookie;
  for (const char* key : {"name", "value", "domain", "path"}) {
    const auto* text = text_at(*given, key);
    if (text == nullptr) return refused(pointer + "/" + key, "must be a string");
    cookie[key] = *text;
  }
  for (const char* key : {"httpOnly", "secure"}) {
    const auto* flag = given->if_contains(key);
    if (flag != nullptr && flag->is_bool()) cookie[key] = *flag;
  }
  if (const auto* site = text_at(*given, "sameSite")) cookie["sameSite"] = *site;
  return cookie;
}

// When it ends, in seconds since 1970. Playwright writes -1 for a session cookie: nothing.
std::optional<double> end_of(const json::object& cookie) {
  const auto* expires = cookie.if_contains("expires");
  if (expires == nullptr || !expires->is_number()) return std::nullopt;
  const auto end = expires->to_number<double>();
  return end > 0 ? std::optional(end) : std::nullopt;
}

base::Result<> add_cookie(StorageState& storage, const json::value& value,
                          const std::string& pointer, base::WallTime now) {
  TRY(auto cookie, parse_cookie(value, pointer));
  const auto end = end_of(value.get_object());
  if (end && *end <= seconds_of(now)) {
    ++storage.expired_cookies;
    return {};
  }
  // The session that a session cookie ends with would be that of the browser which imports it.
  if (!end) ++storage.session_cookies;
  cookie["expires"] = end.value_or(seconds_of(now + limits::session_cookie_kept));
  storage.cookies.push_back(std::move(cookie));
  return {};
}

base::Result<StorageState::Origin> parse_origin(const json::value& value,
                                                const std::string& pointer) {
  const auto* given = value.if_object();
  const auto* url = given ? text_at(*given, "origin") : nullptr;
  if (url == nullptr) return refused(pointer + "/origin", "must be a string");
  StorageState::Origin origin{.url = std::string(*url), .items = {}};
  const auto* items = given->if_contains("localStorage");
  if (items == nullptr) return origin;
  if (!items->is_array()) return refused(pointer + "/localStorage", "must be an array");
  for (const auto& item : items->get_array()) {
    const auto* object = item.if_object();
    const auto* name = object ? text_at(*object, "name") : nullptr;
    const auto* text = object ? text_at(*object, "value") : nullptr;
    if (name == nullptr || text == nullptr) {
      return refused(pointer + "/localStorage", "every item needs a name and a value");
    }
    origin.items.emplace_back(*name, *text);
  }
  return origin;
}

// Answers every request of a tab with an empty page, so that an origin can be entered without
// asking its server for anything.
boost::asio::awaitable<void> answer_with_nothing(cdp::Page& page, cdp::Subscription& requests) {
  for (;;) {
    auto request = co_await requests.next(base::Instant::max());
    if (!request) co_return;
    const auto* id = text_at(request->params(), "requestId");
    json::object answer{{"requestId", id ? json::value(*id) : json::value("")},
                        {"responseCode", 200},
                        {"body", ""}};
    (void)co_await page.call("Fetch.fulfillRequest", std::move(answer));
  }
}

base::Task<> store_items(cdp::Page& page, const StorageState::Origin& origin) {
  const std::string doing = "import local storage of " + origin.url;
  auto entered = co_await page.navigate(origin.url + "/");
  if (!entered) co_return std::unexpected(chat::translate(entered.error(), doing));
  json::array pairs;
  for (const auto& [name, text] : origin.items) pairs.push_back(json::array{name, text});
  auto stored = co_await page.evaluate("for (const [name, text] of " + json::serialize(pairs) +
                                       ") localStorage.setItem(name, text)");
  if (!stored) co_return std::unexpected(chat::translate(stored.error(), doing));
  co_return base::Result<>();
}

base::Task<std::size_t> store_all(cdp::Page& page,
                                  const std::vector<StorageState::Origin>& origins) {
  std::size_t items = 0;
  for (const auto& origin : origins) {
    CO_TRY_OK(co_await store_items(page, origin));
    items += origin.items.size();
  }
  co_return items;
}

}  // namespace

base::Result<StorageState> read_storage_state(Console& console, const std::string& path,
                                              base::WallTime now) {
  TRY(const std::string text, read_input(console, path, storage_bytes_max));
  TRY(const json::value document, base::parse_json(text));
  const auto* object = document.if_object();
  const auto* cookies = object ? object->if_contains("cookies") : nullptr;
  if (cookies == nullptr || !cookies->is_array()) return refused("/cookies", "must be an array");
  StorageState storage;
  const auto& given = cookies->get_array();
  for (std::size_t i = 0; i < given.size(); ++i) {
    TRY_OK(add_cookie(storage, given[i], fmt::format("/cookies/{}", i), now));
  }
  const auto* origins = object->if_contains("origins");
  if (origins == nullptr) return storage;
  if (!origins->is_array()) return refused("/origins", "must be an array");
  for (const auto& value : origins->get_array()) {
    TRY(auto origin, parse_origin(value, fmt::format("/origins/{}", storage.origins.size())));
    storage.origins.push_back(std::move(origin));
  }
  return storage;
}

base::Task<Imported> import_storage_state(std::shared_ptr<cdp::Browser> browser,
                                          const StorageState& storage) {
  Imported imported;
  json::object cookies{{"cookies", storage.cookies}};
  auto set = co_await browser->call("Storage.setCookies", std::move(cookies));
  if (!set) co_return std::unexpected(chat::translate(set.error(), "import the cookies"));
  imported.cookies = storage.cookies.size();
  if (storage.origins.empty()) co_return imported;
  chat::DoomedTab doomed(co_await boost::asio::this_coro::executor, if_it_lives_on(browser));
  auto page = co_await browser->open("about:blank");
  if (!page) co_return std::unexpected(chat::translate(page.error(), "open a tab"));
  doomed.becomes((*page)->target_id());
  auto requests = (*page)->subscribe({"Fetch.requestPaused"});
  auto paused = co_await (*page)->call("Fetch.enable");
  if (!paused) co_return std::unexpected(chat::translate(paused.error(), "pause requests"));
  auto stored = co_await base::beside(answer_with_nothing(**page, requests),
                                      store_all(**page, storage.origins));
  if (co_await (*page)->close()) doomed.spare();
  CO_TRY(imported.items, std::move(stored));
  co_return imported;
}

}  // namespace app
