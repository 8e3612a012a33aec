#include "bridge/chat/recent_chats.h"

#include "bridge/base/ascii.h"
#include "bridge/base/json.h"
#include "bridge/chat/message.h"

#include <algorithm>
#include <optional>

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace chat {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

constexpr std::size_t id_bytes_max = 64;

std::unexpected<base::Error> strange(std::string_view what) {
  return base::fail(Code::invalid, fmt::format("the list of chats {}", what));
}

// It becomes a part of an address.
bool is_id(std::string_view text) {
  const auto is_plain = [](char c) {
    return base::is_alphanumeric(static_cast<unsigned char>(c)) || c == '-';
  };
  return !text.empty() && text.size() <= id_bytes_max && std::ranges::all_of(text, is_plain);
}

// "/g/g-1a2b-some-name" → "g-1a2b"; of a project, "g-p-1a2b"; "/" → none, which is empty. Nothing:
// no new chat begins there.
std::optional<std::string> gpt_at(std::string_view path) {
  if (path == "/") return "";
  if (!path.starts_with("/g/g-")) return std::nullopt;
  path.remove_prefix(std::string_view("/g/").size());
  path = path.substr(0, path.find('/'));
  const std::string_view start = path.starts_with("g-p-") ? "g-p-" : "g-";
  return std::string(path.substr(0, path.find('-', start.size())));
}

}  // namespace

Result<RecentChats> RecentChats::parse(std::string_view body) {
  if (body.size() > chat_list_bytes_max) return strange("is too long");
  TRY(const auto document, base::parse_json(body));
  const auto* object = document.if_object();
  const auto* items = object ? object->if_contains("items") : nullptr;
  if (items == nullptr || !items->is_array()) return strange("has no items");
  if (items->get_array().size() > chats_listed_max) return strange("has too many items");
  RecentChats told;
  auto& list = told.lists_.emplace_back();
  for (const auto& item : items->get_array()) {
    const auto* chat = item.if_object();
    if (chat == nullptr) return strange("has an item that is no object");
    const std::string_view id = text_at(*chat, "id");
    if (!is_id(id)) return strange("has a chat without an id");
    const auto* gpt = chat->if_contains("gizmo_id");
    if (gpt == nullptr || !(gpt->is_null() || (gpt->is_string() && is_id(text_of(gpt))))) {
      return strange("does not tell which GPT a chat is with");
    }
    list.push_back({std::string(id), std::string(text_of(gpt))});
  }
  return told;
}

void RecentChats::join(RecentChats other) {
  for (auto& list : other.lists_) {
    if (lists_.size() < chat_lists_max) lists_.push_back(std::move(list));
  }
}

bool RecentChats::is_empty() const {
  return std::ranges::all_of(lists_, [](const auto& list) { return list.empty(); });
}

std::vector<std::string> RecentChats::begun_at(std::string_view path) const {
  std::vector<std::string> ids;
  const auto gpt = gpt_at(path);
  if (!gpt) return ids;
  for (const auto& list : lists_) {
    std::size_t count = 0;
    for (const auto& chat : list) {
      if (chat.gpt != *gpt) continue;
      if (++count > chats_searched_max) break;
      if (std::ranges::find(ids, chat.id) == ids.end()) ids.push_back(chat.id);
    }
  }
  return ids;
}

}  // namespace chat
