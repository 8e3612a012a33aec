// Addresses of conversations. Pure.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <string_view>

namespace chat {

// Where packets go: the path of the configured conversation, "/" and "/g/…" for a new chat.
struct Binding {
  std::string origin;
  std::string path;
};

// True for "/" and "/g/…": a chat that has no conversation yet.
bool is_new_chat(std::string_view path);
// The id in the path of a conversation; empty for a new chat.
std::string conversation_in(std::string_view path);

// "https://host/c/1?x" → {"https://host", "/c/1"}; invalid for anything that is no web address,
// and for a place inside a page ("#…").
base::Result<Binding> binding_of(std::string_view url);

}  // namespace chat
