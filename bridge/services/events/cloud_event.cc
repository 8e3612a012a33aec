#include "bridge/services/events/cloud_event.h"

#include <algorithm>
#include <array>
#include <ranges>

#include <fmt/format.h>

namespace events {
namespace {

constexpr std::string_view type_start = "flywheel.";
constexpr std::string_view type_end = ".v1";
constexpr std::string_view all_types = "flywheel";

std::vector<std::string> words(std::string_view list) {
  std::vector<std::string> found;
  for (const auto part : std::views::split(list, ',')) {
    std::string word(part.begin(), part.end());
    std::erase(word, ' ');
    if (!word.empty()) found.push_back(std::move(word));
  }
  return found;
}

}  // namespace

json::object cloud_event(const engine::Entry& entry, std::string_view instance) {
  json::object event{{"specversion", "1.0"},
                     {"id", std::to_string(entry.sequence)},
                     {"source", instance},
                     {"type", fmt::format("{}{}{}", type_start, entry.type, type_end)},
                     {"time", base::rfc3339(entry.time)},
                     {"datacontenttype", "application/json"},
                     {"data", entry.data}};
  // An attribute without a value is not there.
  if (!entry.subject.empty()) event["subject"] = entry.subject;
  if (!entry.thread.empty()) event["thread"] = entry.thread;
  if (!entry.cause.empty()) event["cause"] = entry.cause;
  if (!entry.actor.empty()) event["actor"] = entry.actor;
  return event;
}

base::Result<std::string> type_pattern(std::string_view word) {
  auto rest = word;
  if (rest.starts_with(type_start)) rest.remove_prefix(type_start.size());
  if (rest.ends_with(type_end)) rest.remove_suffix(type_end.size());
  if (rest.empty() || rest == "*" || word == all_types) return std::string(everything);
  if (rest.ends_with(".*")) rest.remove_suffix(1);
  if (rest.find('*') != std::string_view::npos) {
    return base::fail(base::Code::invalid,
                      fmt::format("\"{}\": a \"*\" stands for all the rest of a type, after a dot "
                                  "and as its end",
                                  word));
  }
  std::string pattern(rest);
  if (pattern.find('.') == std::string::npos) pattern += '.';
  return pattern;
}

std::string category_key(std::string_view name) {
  std::string key;
  for (const char c : name) {
    const bool is_upper = c >= 'A' && c <= 'Z';
    const bool is_kept = is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_kept) {
      key += is_upper ? static_cast<char>(c + ('a' - 'A')) : c;
    } else if (!key.empty() && !key.ends_with('-')) {
      key += '-';
    }
  }
  if (key.ends_with('-')) key.pop_back();
  return key;
}

std::string category_of(const engine::Entry& entry) {
  const auto* category = entry.data.if_contains("category");
  return category && category->is_string() ? category_key(category->get_string()) : std::string();
}

bool may_have_category(std::string_view pattern) {
  constexpr std::array<std::string_view, 4> nouns = {"agent", "mission", "message", "memory"};
  return pattern == everything ||
         std::ranges::find(nouns, pattern.substr(0, pattern.find('.'))) != nouns.end();
}

bool Wish::matches(const engine::Entry& entry) const {
  if (only && !is_own(entry, *only)) return false;
  const auto names_type = [&](const std::string& wanted) {
    const bool is_start = wanted == everything || wanted.ends_with('.');
    return is_start ? entry.type.starts_with(wanted) : entry.type == wanted;
  };
  if (!types.empty() && std::ranges::none_of(types, names_type)) return false;
  if (!subjects.empty() && std::ranges::find(subjects, entry.subject) == subjects.end()) {
    return false;
  }
  return categories.empty() ||
         std::ranges::find(categories, category_of(entry)) != categories.end();
}

bool is_wanted_by(const std::vector<Wish>& wishes, const engine::Entry& entry) {
  return std::ranges::any_of(wishes, [&](const Wish& wish) { return wish.matches(entry); });
}

base::Result<Wish> wish_of(std::string_view types, std::string_view subjects) {
  Wish wish{.types = words(types), .subjects = words(subjects)};
  for (auto& type : wish.types) {
    TRY(type, type_pattern(type));
  }
  return wish;
}

}  // namespace events
