#include "bridge/chat/readback.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <ranges>
#include <set>

#include <boost/json/parse.hpp>
#include <fmt/format.h>

namespace chat {

namespace json = boost::json;
using base::Code;
using base::fail;

std::string_view first_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  while (!text.empty() && (text.back() == '\r' || text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

base::Result<Readback> Readback::parse(std::string_view body) {
  json::error_code error;
  const json::value document = json::parse(body, error);
  const auto* object = error ? nullptr : document.if_object();
  const auto* mapping = object ? object_at(*object, "mapping") : nullptr;
  if (mapping == nullptr) {
    return fail(Code::invalid, "read the conversation: the answer has no \"mapping\"");
  }
  Readback readback;
  readback.conversation_id_ = text_at(*object, "conversation_id");
  std::set<std::string_view> branch;
  std::string_view node = text_at(*object, "current_node");
  while (!node.empty()) {
    if (readback.messages_.size() > mapping->size() ||
        readback.messages_.size() > limits::conversation_messages_max) {
      return fail(Code::invalid, "read the conversation: its tree has a cycle or is too deep");
    }
    const auto* entry = object_at(*mapping, node);
    if (entry == nullptr) {
      return fail(Code::invalid, fmt::format("read the conversation: node {} is missing", node));
    }
    if (const auto* message = object_at(*entry, "message")) {
      readback.messages_.push_back(Message::parse(*message));
    } else {
      readback.messages_.emplace_back();  // The root has no message; it counts as a step.
    }
    branch.insert(node);
    node = text_at(*entry, "parent");
  }
  for (const auto& [id, entry] : *mapping) {
    const auto* other = entry.if_object();
    const auto* message = other && !branch.contains(id) ? object_at(*other, "message") : nullptr;
    if (message == nullptr) continue;
    const Message parsed = Message::parse(*message);
    if (parsed.role == "user") readback.elsewhere_.emplace_back(first_line(parsed.text));
  }
  std::ranges::reverse(readback.messages_);
  std::erase_if(readback.messages_, [](const Message& one) { return one.id.empty(); });
  return readback;
}

const Message* Readback::find(std::string_view marker) const {
  for (const auto& message : messages_ | std::views::reverse) {
    if (message.role == "user" && first_line(message.text) == marker) return &message;
  }
  return nullptr;
}

std::size_t Readback::count(std::string_view marker) const {
  return static_cast<std::size_t>(std::ranges::count_if(messages_, [&](const Message& one) {
    return one.role == "user" && first_line(one.text) == marker;
  }));
}

bool Readback::has_elsewhere(std::string_view marker) const {
  return std::ranges::find(elsewhere_, marker) != elsewhere_.end();
}

const Message* Readback::answer_to(std::string_view user_message_id) const {
  const auto own = std::ranges::find(messages_, user_message_id, &Message::id);
  if (own == messages_.end()) return nullptr;
  const Message* answer = nullptr;
  for (auto message = own + 1; message != messages_.end() && !message->is_question(); ++message) {
    if (message->is_answer()) answer = &*message;
  }
  return answer;
}

bool Readback::has_turns() const {
  return std::ranges::any_of(messages_, [](const Message& one) {
    return !one.text.empty() && (one.is_answer() || one.is_question());
  });
}

Progress Readback::progress(std::string_view marker) const {
  const Message* own = find(marker);
  if (own == nullptr) return Progress::lost;
  const Message* last = &messages_.back();
  const bool is_followed = std::any_of(own + 1, last + 1, [](const Message& one) {
    return one.is_question();  // Nobody asks on while an answer is written.
  });
  if (is_followed) return Progress::ended;
  const Message* answer = answer_to(own->id);
  if (answer == nullptr) return Progress::unfinished;
  // What is finished without ending the turn comes before the answer.
  const bool may_go_on = answer->status.empty() || answer->status == "in_progress" ||
                         (answer->status == "finished_successfully" && !answer->end_turn);
  return may_go_on && !answer->is_cut_off() ? Progress::unfinished : Progress::ended;
}

}  // namespace chat
