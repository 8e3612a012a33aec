#include "bridge/chat/message.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

namespace chat {

namespace json = boost::json;

std::string_view text_of(const json::value* value) {
  if (value == nullptr || !value->is_string()) return {};
  return std::string_view(value->get_string());
}

std::string_view text_at(const json::object& object, std::string_view key) {
  return text_of(object.if_contains(key));
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_object() : nullptr;
}

bool is_true(const json::value* value) { return value && value->is_bool() && value->get_bool(); }

void Message::read_metadata(const json::object& metadata) {
  if (const auto from = text_at(metadata, "parent_id"); !from.empty()) parent = from;
  if (const auto* details = object_at(metadata, "finish_details")) {
    finish = text_at(*details, "type");
  }
  if (is_true(metadata.if_contains("is_visually_hidden_from_conversation"))) hidden = true;
  const json::value* files = metadata.if_contains("attachments");
  if (files && files->is_array() && !files->get_array().empty()) has_files = true;
}

void Message::read_content(const json::object& content) {
  content_type = text_at(content, "content_type");
  if (content_type == "multimodal_text") has_files = true;
  text.clear();
  parts = 0;
  const json::value* list = content.if_contains("parts");
  if (list == nullptr || !list->is_array()) {
    text = text_at(content, "text");
    return;
  }
  for (const auto& part : list->get_array()) {
    text += text_of(&part);
    if (!part.is_string()) has_files = true;
    ++parts;
  }
}

Message Message::parse(const json::object& object) {
  Message message;
  message.id = text_at(object, "id");
  if (const auto* author = object_at(object, "author")) message.role = text_at(*author, "role");
  message.recipient = text_at(object, "recipient");
  message.channel = text_at(object, "channel");
  message.status = text_at(object, "status");
  message.end_turn = is_true(object.if_contains("end_turn"));
  if (const auto* content = object_at(object, "content")) message.read_content(*content);
  if (const auto* metadata = object_at(object, "metadata")) message.read_metadata(*metadata);
  return message;
}

}  // namespace chat
