#include "bridge/services/actions/place.h"

#include "bridge/schema/utf8.h"

#include <algorithm>

#include <boost/json/serialize.hpp>

namespace services::actions {

namespace json = boost::json;

std::optional<std::string> place_in(std::string_view text) {
  if (text.size() < 3 || !text.starts_with('{') || !text.ends_with('}')) return std::nullopt;
  const auto name = text.substr(1, text.size() - 2);
  if (name.find_first_of("{}") != std::string_view::npos) return std::nullopt;
  return std::string(name);
}

const json::value* value_of(const json::value& params, std::string_view name) {
  const auto* object = params.if_object();
  return object ? object->if_contains(name) : nullptr;
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

std::string as_text(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto decoded = schema::decode_utf8(bytes, at);
    text += decoded.size == 0 ? std::string_view("\xEF\xBF\xBD") : bytes.substr(at, decoded.size);
    at += std::max<std::size_t>(decoded.size, 1);
  }
  return text;
}

namespace {

// Nothing: it is the place of a parameter that is missing.
std::optional<json::value> filled_or_none(const json::value& given, const json::value& params) {
  const auto* text = given.if_string();
  const auto name = text ? place_in(*text) : std::nullopt;
  if (!name) return filled(given, params);
  const auto* value = value_of(params, *name);
  return value ? std::optional(*value) : std::nullopt;
}

}  // namespace

json::value filled(const json::value& given, const json::value& params) {
  if (const auto* object = given.if_object()) {
    json::object whole;
    for (const auto& [key, member] : *object) {
      if (auto value = filled_or_none(member, params)) whole[key] = *std::move(value);
    }
    return whole;
  }
  if (const auto* array = given.if_array()) {
    json::array whole;
    for (const auto& item : *array) {
      if (auto value = filled_or_none(item, params)) whole.push_back(*std::move(value));
    }
    return whole;
  }
  if (const auto* text = given.if_string()) {
    const auto name = place_in(*text);
    const auto* value = name ? value_of(params, *name) : nullptr;
    if (value) return *value;
  }
  return given;
}

void collect_places(const json::value& given, std::vector<std::string>& names) {
  if (const auto* object = given.if_object()) {
    for (const auto& [key, member] : *object) collect_places(member, names);
  } else if (const auto* array = given.if_array()) {
    for (const auto& item : *array) collect_places(item, names);
  } else if (const auto* text = given.if_string()) {
    if (auto name = place_in(*text)) names.push_back(*std::move(name));
  }
}

}  // namespace services::actions
