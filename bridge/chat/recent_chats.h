// The chats that the provider lists beside every page, where the first message of a new chat is
// looked for when nobody learned the chat's address. Pure.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace chat {

// Of the chats that begin at a path, the newest ones that are looked into.
inline constexpr std::size_t chats_searched_max = 5;
inline constexpr std::size_t chats_listed_max = 100;
inline constexpr std::size_t chat_list_bytes_max = 1u << 20;

class RecentChats {
 public:
  // The body of GET /backend-api/conversations. invalid: anything in it is not as it is known. The
  // list may lag behind the chats.
  static base::Result<RecentChats> parse(std::string_view body);

  // The ids of those that began at this path, "/" or "/g/g-…", in the provider's order: the newest
  // ones first, chats_searched_max at most.
  std::vector<std::string> begun_at(std::string_view path) const;
  bool is_empty() const { return chats_.empty(); }

 private:
  struct Chat {
    std::string id;
    std::string gpt;  // "g-…"; empty: with none
  };
  std::vector<Chat> chats_;
};

}  // namespace chat
