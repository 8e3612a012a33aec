#include "bridge/services/workflows/yaml_scalar.h"

#include "bridge/base/ascii.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;

namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

std::size_t digits(std::string_view text, std::size_t from) {
  std::size_t end = from;
  while (end < text.size() && base::is_digit(text[end])) ++end;
  return end - from;
}

bool is_integer(std::string_view text) {
  const std::size_t from = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  return from < text.size() && digits(text, from) == text.size() - from;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) {
  std::size_t at = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const std::size_t whole = digits(text, at);
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t part = digits(text, at + 1);
    if (whole == 0 && part == 0) return false;
    at += 1 + part;
  } else if (whole == 0) {
    return false;
  }
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const std::size_t power = digits(text, at);
  return power > 0 && at + power == text.size();
}

std::optional<json::value> integer(std::string_view text, int base) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return json::value(number);
  std::uint64_t larger = 0;
  const auto again = std::from_chars(text.data(), text.data() + text.size(), larger, base);
  if (again.ec == std::errc()) return json::value(larger);
  return std::nullopt;
}

std::optional<json::value> floating(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return json::value(number);
}

bool is_infinite(std::string_view text) {
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return is_one_of(text, {".inf", ".Inf", ".INF"});
}

// What a plain scalar without a tag stands for.
std::expected<json::value, std::string> resolved(std::string_view text) {
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return json::value(nullptr);
  if (is_one_of(text, {"true", "True", "TRUE"})) return json::value(true);
  if (is_one_of(text, {"false", "False", "FALSE"})) return json::value(false);
  if (is_infinite(text)) {
    return std::unexpected(
        fmt::format("JSON has no number like {}; quote it if it is a text", text));
  }
  std::optional<json::value> number;
  if (text.starts_with("0o") && text.size() > 2) {
    number = integer(text.substr(2), 8);
  } else if (text.starts_with("0x") && text.size() > 2) {
    number = integer(text.substr(2), 16);
  } else if (is_integer(text)) {
    number = integer(text, 10);
    if (!number) number = floating(text);
  } else if (is_float(text)) {
    number = floating(text);
    if (!number) return std::unexpected(fmt::format("the number {} is out of range", text));
  }
  if (number) return *std::move(number);
  return json::value(text);
}

std::string_view kind_of(const json::value& value) {
  if (value.is_null()) return "null";
  if (value.is_bool()) return "bool";
  if (value.is_double()) return "float";
  return value.is_number() ? "int" : "str";
}

}  // namespace

std::string core_tag(std::string_view kind) { return fmt::format("tag:yaml.org,2002:{}", kind); }

std::expected<json::value, std::string> scalar_value(std::string_view text, const std::string& tag,
                                                     bool is_plain) {
  if (tag.empty() && is_plain) return resolved(text);
  if (tag.empty() || tag == "!" || tag == core_tag("str")) return json::value(text);
  auto value = resolved(text);
  if (!value) return value;
  const auto kind = kind_of(*value);
  if (tag == core_tag(kind)) return value;
  if (tag == core_tag("float") && kind == "int") return json::value(value->to_number<double>());
  for (const auto* known : {"null", "bool", "int", "float"}) {
    if (tag == core_tag(known)) return std::unexpected(fmt::format("\"{}\" is no {}", text, known));
  }
  return std::unexpected(fmt::format("the tag {} is not known here", tag));
}

}  // namespace workflow
