#include "bridge/app/remote_call.h"

#include "bridge/app/foreign_text.h"
#include "bridge/protocol/text.h"

#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <fmt/format.h>

namespace app {

namespace json = boost::json;
using boost::asio::awaitable;

std::string encoded(std::string_view text) {
  return boost::urls::encode(text, boost::urls::unreserved_chars);
}

std::string text_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

void add_query(std::string& target, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  target += fmt::format("{}{}={}", target.find('?') == std::string::npos ? "?" : "&", name,
                        encoded(value));
}

// Calls once and prints what comes, by `show` for people.
awaitable<int> call(Console& console, http::Client& client, http::ClientRequest request,
                    std::function<void(const json::value&)> show) {
  auto answer = co_await client.call_json(std::move(request));
  if (!answer) co_return print_failed(console, answer.error());
  if (console.is_json) {
    print_json(console, *answer);
  } else {
    show(*answer);
  }
  co_return exit_ok;
}

void print_pretty(Console& console, const json::value& value) {
  if (value.is_object()) {
    console.out << shown_json(protocol::pretty_json(value.get_object())) << '\n';
  } else if (!value.is_null()) {
    console.out << shown_json(json::serialize(value)) << '\n';
  }
}

const json::array& items_of(const json::value& answer) {
  static const json::array none;
  const auto* object = answer.if_object();
  const auto* items = object ? object->if_contains("items") : nullptr;
  return items && items->is_array() ? items->get_array() : none;
}

}  // namespace app
