#include "bridge/chat/delta_stream.h"

#include "bridge/base/limits.h"

#include <algorithm>
#include <charconv>

#include <boost/json/parse.hpp>

namespace chat {
namespace {

namespace json = boost::json;

constexpr std::string_view default_path = "/message/content/parts/0";
constexpr std::string_view parts_path = "/message/content/parts";
constexpr std::string_view parts_prefix = "/message/content/parts/";

// What adds to a text or sets it. A bare text after an add or a patch goes on with what is there.
bool is_writing(std::string_view op) {
  return op.empty() || op == "append" || op == "add" || op == "patch" || op == "replace";
}

// Bytes that hold the last `count` code points of `text`.
std::size_t tail_bytes(std::string_view text, std::uint64_t count) {
  std::size_t at = text.size();
  while (count > 0 && at > 0) {
    --at;
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) --count;
  }
  return text.size() - at;
}

// Where the stream goes on: named itself, or by one of the ways that the provider offers.
std::string_view topic_of(const json::object& handoff) {
  for (const std::string_view name : {"topic", "topic_id"}) {
    if (const auto topic = text_at(handoff, name); !topic.empty()) return topic;
  }
  const json::value* options = handoff.if_contains("options");
  if (options == nullptr || !options->is_array()) return {};
  for (const auto& option : options->get_array()) {
    const auto topic = option.is_object() ? text_at(option.get_object(), "topic_id") : "";
    if (!topic.empty()) return topic;
  }
  return {};
}

}  // namespace

void DeltaStream::feed(std::string_view bytes) {
  sse_.feed(bytes, [this](const SseEvent& one) { event(one); });
}

void DeltaStream::feed_item(std::string_view slice, std::optional<std::uint64_t> sequence) {
  if (sequence) {
    if (next_item_ && *sequence < *next_item_) return;
    if (next_item_ && *sequence > *next_item_) lose_item();
    next_item_ = *sequence + 1;
  }
  items_sse_.feed(slice, [this](const SseEvent& one) { event(one); });
}

void DeltaStream::event(const SseEvent& one) {
  if (one.data == "[DONE]") {
    complete_ = true;
    ++version_;
    return;
  }
  if (one.name == "delta_encoding") {
    if (one.data != "\"v1\"") damaged_ = true;
    return;
  }
  boost::system::error_code error;
  const json::value frame = json::parse(one.data, error);
  if (error) {
    damaged_ = true;
    return;
  }
  const auto* object = frame.if_object();
  if (object == nullptr) return;  // A bare "v1" and the like says nothing about messages.
  if (const auto type = text_at(*object, "type"); !type.empty()) {
    typed(type, *object);
  } else if (object->contains("v") || object->contains("o")) {
    delta(*object);
  } else if (const auto* message = object_at(*object, "message")) {
    (void)message;
    add_message(*object);  // The encoding before v1: every frame repeats the whole message.
  } else if (const auto* failure = object->if_contains("error"); failure && !failure->is_null()) {
    error_ = failure->is_string() ? text_of(failure) : std::string_view("error frame");
    ++version_;
  }
}

void DeltaStream::typed(std::string_view type, const json::object& frame) {
  if (const auto id = text_at(frame, "conversation_id"); !id.empty()) conversation_id_ = id;
  if (type == "input_message") {
    const auto* input = object_at(frame, "input_message");
    if (input == nullptr) return;
    const Message message = Message::parse(*input);
    if (message.role != "user") return;  // Developer notes are echoed the same way.
    input_id_ = message.id;
    input_text_ = message.text;
  } else if (type == "stream_handoff") {
    handed_off_ = true;
    handoff_topic_ = topic_of(frame);
  } else if (type == "message_stream_complete") {
    complete_ = true;
  } else if (type == "moderation") {
    const auto* verdict = object_at(frame, "moderation_response");
    if (verdict && is_true(verdict->if_contains("blocked"))) moderated_ = true;
    if (is_true(frame.if_contains("blocked"))) moderated_ = true;
  } else if (type == "error") {
    error_ = text_at(frame, "message");
    if (error_.empty()) error_ = "error frame";
  } else {
    return;  // Titles, markers, metadata: the side channel.
  }
  ++version_;
}

void DeltaStream::delta(const json::object& frame) {
  if (const json::value* path = frame.if_contains("p")) last_path_ = text_of(path);
  if (const json::value* op = frame.if_contains("o")) last_op_ = text_of(op);
  static const json::value nothing;  // What removes something needs no value.
  const json::value* value = frame.if_contains("v");
  operation(last_path_, last_op_, value ? *value : nothing, 0);
}

void DeltaStream::patch(const json::array& operations, int depth) {
  for (const auto& item : operations) {
    const auto* object = item.if_object();
    const json::value* value = object ? object->if_contains("v") : nullptr;
    if (value == nullptr) {
      damaged_ = true;
      return;
    }
    operation(text_at(*object, "p"), text_at(*object, "o"), *value, depth + 1);
  }
}

void DeltaStream::operation(std::string_view path, std::string_view op, const json::value& value,
                            int depth) {
  if (depth > limits::delta_depth_max) {
    damaged_ = true;
    return;
  }
  if (value.is_array() && (op == "patch" || path.empty())) {
    patch(value.get_array(), depth);
    return;
  }
  if (path.empty() && value.is_object() && value.get_object().contains("message")) {
    add_message(value.get_object());
    return;
  }
  if (current_ >= messages_.size()) {
    damaged_ = true;  // A change of a message that was never added.
    return;
  }
  if (path.empty() && value.is_string()) path = default_path;
  set_field(messages_[current_], path, op, value);
}

void DeltaStream::add_message(const json::object& value) {
  if (const auto id = text_at(value, "conversation_id"); !id.empty()) conversation_id_ = id;
  const auto* object = object_at(value, "message");
  if (object == nullptr) return;
  Message message = Message::parse(*object);
  ++version_;
  if (message.is_question() && input_id_.empty()) {
    input_id_ = message.id;
    input_text_ = message.text;
  }
  const auto known = by_id_.find(message.id);
  if (known != by_id_.end()) {
    current_ = known->second;
    messages_[current_] = std::move(message);
    return;
  }
  if (messages_.size() >= limits::stream_messages_max) {
    damaged_ = true;
    return;
  }
  current_ = messages_.size();
  by_id_.emplace(message.id, current_);
  messages_.push_back(std::move(message));
}

void DeltaStream::set_field(Message& message, std::string_view path, std::string_view op,
                            const json::value& value) {
  ++version_;
  if (path.starts_with(parts_prefix)) {
    std::size_t part = 0;
    const std::string_view digits = path.substr(parts_prefix.size());
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), part);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
      damaged_ = true;
    } else {
      apply_text(message, part, op, value);
    }
  } else if (path == parts_path) {
    damaged_ = true;  // All parts at once: nothing tells how they join what is there.
  } else if (path == "/message/status") {
    message.status = text_of(&value);
  } else if (path == "/message/end_turn") {
    message.end_turn = is_true(&value);
  } else if (path == "/message/channel") {
    message.channel = text_of(&value);
  } else if (path == "/message/recipient") {
    message.recipient = text_of(&value);
  } else if (path == "/message/content" && value.is_object()) {
    message.read_content(value.get_object());
  } else if (path == "/message/metadata" && value.is_object()) {
    message.read_metadata(value.get_object());
  } else if (path == "/message/content/text") {
    apply_text(message, 0, op, value);
  }
}

void DeltaStream::apply_text(Message& message, std::size_t part, std::string_view op,
                             const json::value& value) {
  if (part > message.parts || (part + 1 < message.parts)) {
    damaged_ = true;  // A hole, or growth in front of a later part.
    return;
  }
  if (op == "truncate") {
    // How many characters to cut from the end.
    std::uint64_t count = 0;
    if (value.is_int64() && value.get_int64() >= 0) {
      count = static_cast<std::uint64_t>(value.get_int64());
    } else {
      damaged_ = true;
    }
    message.text.resize(message.text.size() - tail_bytes(message.text, count));
    return;
  }
  if (!is_writing(op)) {
    damaged_ = true;  // A removal, or what the provider may invent.
    return;
  }
  if (!value.is_string()) return;  // A picture or another part without text.
  if (part == message.parts) ++message.parts;
  if (op == "replace") {
    if (message.parts > 1) {
      damaged_ = true;
      return;
    }
    message.text.clear();
  }
  const std::string_view text = text_of(&value);
  text_bytes_ += text.size();
  if (text_bytes_ > limits::stream_bytes_max) {
    damaged_ = true;
    return;
  }
  message.text.append(text);
  if (op != "replace") ++growths_;
}

bool DeltaStream::ends_near(std::string_view words) const {
  if (current_ >= messages_.size()) return false;
  const std::string_view text = messages_[current_].text;
  const std::size_t size = std::min(text.size(), words.size() + limits::end_marker_slack);
  return text.substr(text.size() - size).find(words) != std::string_view::npos;
}

bool DeltaStream::descends_from_input(const Message& message) const {
  if (input_id_.empty() || message.parent.empty()) return true;
  std::string_view parent = message.parent;
  for (std::size_t steps = 0; steps <= messages_.size(); ++steps) {
    if (parent == input_id_) return true;
    const auto found = by_id_.find(parent);
    if (found == by_id_.end()) return false;
    if (messages_[found->second].is_question()) return false;  // Somebody else's.
    parent = messages_[found->second].parent;
    if (parent.empty()) return true;  // Its parent was not told; it came in our own stream.
  }
  return false;
}

const Message* DeltaStream::answer() const {
  for (auto message = messages_.rbegin(); message != messages_.rend(); ++message) {
    if (message->is_answer() && descends_from_input(*message)) return &*message;
  }
  return nullptr;
}

}  // namespace chat
