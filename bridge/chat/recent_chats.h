// The chats that the provider lists beside every page, where the first message of a new chat is
// looked for when nobody learned the chat's address. Pure.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace chat {

// Of the chats that began at a path, the newest ones of each list that are looked into.
inline constexpr std::size_t chats_searched_max = 5;
// A page may ask for several, such as of the chats that are pinned; later ones are left out.
inline constexpr std::size_t chat_lists_max = 3;
inline constexpr std::size_t chats_listed_max = 100;
inline constexpr std::size_t chat_list_bytes_max = 1u << 20;

class RecentChats {
 public:
  // The body of GET /backend-api/conversations. invalid: anything in it is not as it is known. The
  // list may lag behind the chats.
  static base::Result<RecentChats> parse(std::string_view body);

  // Another list that the same page was told. Nothing says which of them is the one of all chats.
  void join(RecentChats other);

  // The ids of those that began at this path, "/" or "/g/g-…", each once, in the provider's order:
  // the newest ones first, chats_searched_max of a list at most.
  std::vector<std::string> begun_at(std::string_view path) const;
  bool is_empty() const;

 private:
  struct Chat {
    std::string id;
    std::string gpt;  // "g-…"; empty: with none
  };
  std::vector<std::vector<Chat>> lists_;
};

}  // namespace chat
