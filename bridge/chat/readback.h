// A conversation as the server tells it: GET /backend-api/conversation/<id>. Pure.
#pragma once

#include "bridge/base/result.h"
#include "bridge/chat/message.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace chat {

// What the server's copy says of the answer to a message. ended: it grows no more, whether it can
// be used or not. unfinished: it is being written, or nothing of it is there yet.
enum class Progress { lost, unfinished, ended };

// The messages from the root to the current node, oldest first. Of other branches, which the page
// does not show, only the first lines of the user messages are kept.
class Readback {
 public:
  // invalid: not such a document, or its tree is broken (a cycle, an unknown parent).
  static base::Result<Readback> parse(std::string_view body);

  const std::string& conversation_id() const { return conversation_id_; }
  const std::vector<Message>& messages() const { return messages_; }

  // The user message whose first line is exactly `marker`, or null; the newest one of several.
  const Message* find(std::string_view marker) const;
  // How many user messages start with the marker: more than one is a broken promise.
  std::size_t count(std::string_view marker) const;
  // True if a user message of another branch starts with the marker: somebody edited the
  // conversation after it was sent.
  bool has_elsewhere(std::string_view marker) const;
  // The last answer to that user message: what follows it up to the next user message, or null.
  const Message* answer_to(std::string_view user_message_id) const;
  // True if a page that shows the conversation shows a turn.
  bool has_turns() const;
  // Of the answer to the user message that starts with the marker; lost: there is no such message.
  Progress progress(std::string_view marker) const;

 private:
  std::string conversation_id_;
  std::vector<Message> messages_;
  std::vector<std::string> elsewhere_;
};

// The first line of `text` without trailing white space.
std::string_view first_line(std::string_view text);

}  // namespace chat
