// Messages and threads as rows. Internal to the rules.
#pragma once

#include "bridge/services/messages/message.h"
#include "bridge/store/store.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::messages::rows {

// Every message that the rest of the statement leaves ("WHERE id = $1").
base::Result<std::vector<Message>> all(store::Tx& tx, std::string_view rest, store::Values values);
// The first of them, as Tx::query_part ends them.
base::Result<store::Part<Message>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                        std::size_t most);
base::Result<std::optional<Message>> one(store::Tx& tx, std::string_view rest,
                                         store::Values values);
// Returns the sequence. `request` is the sender's key, with the hash of what was asked.
base::Result<std::int64_t> insert(store::Tx& tx, const Message& message, const std::string& request,
                                  const std::string& hash);
// Writes that it was read, or why it need not be any more; an empty outcome leaves it open.
base::Result<> close(store::Tx& tx, const Message& message, std::optional<base::WallTime> acked,
                     const std::string& outcome);
// One more.
base::Result<> count_unread(store::Tx& tx, const std::string& agent);
base::Result<std::int64_t> unread(store::Tx& tx, const std::string& agent);

// What an agent is asked by one asker in one thread; threads are named as everybody likes.
struct Chat {
  std::string agent;
  std::string asker;  // an agent's id or a principal
  std::string thread;
  std::string link;  // the agent's: where a new chat begins
};
// Where it goes on in the browser; empty: in a new chat. One that began under another link of the
// agent does not go on: it is a chat with somebody else.
base::Result<std::string> address(store::Tx& tx, const Chat& chat);
base::Result<> set_address(store::Tx& tx, const Chat& chat, const std::string& url,
                           base::WallTime now);
// Those in which the agent is asked or asks.
base::Result<> forget_chats(store::Tx& tx, const std::string& agent);

}  // namespace services::messages::rows
