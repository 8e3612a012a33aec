// A message of a conversation as the provider's own data describe it.
#pragma once

#include <string>

#include <boost/json/object.hpp>

namespace chat {

// Enumerations stay strings: new values appear.
struct Message {
  std::string id;
  std::string role;          // user, assistant, system, tool, …
  std::string recipient;     // "all" for what a person sees
  std::string channel;       // "", "final", "commentary", …
  std::string content_type;  // text, code, thoughts, …
  std::string status;        // in_progress, finished_successfully, …
  std::string parent;        // metadata.parent_id, if told
  std::string finish;        // metadata.finish_details.type: stop, interrupted, max_tokens
  std::string text;          // text parts joined without a separator
  std::size_t parts = 0;     // how many parts `text` holds; only the last one can grow
  bool end_turn = false;
  bool hidden = false;
  bool has_files = false;  // files or pictures beside the text

  // Members that are missing or of another type stay empty.
  static Message parse(const boost::json::object& object);
  void read_metadata(const boost::json::object& metadata);
  void read_content(const boost::json::object& content);

  // The kind of message that is shown as the answer: nothing but this may be read as a reply.
  bool is_answer() const {
    return role == "assistant" && (recipient.empty() || recipient == "all") &&
           (channel.empty() || channel == "final") && content_type == "text" && !hidden;
  }
  // What somebody asked. The provider puts user messages of its own beside it, and hides them.
  bool is_question() const { return role == "user" && !hidden; }
  bool is_finished() const { return status == "finished_successfully" && end_turn; }
  // The provider stopped in the middle, and says so.
  bool is_cut_off() const {
    return status == "finished_partial_completion" || finish == "interrupted" ||
           finish == "max_tokens" || finish == "length";
  }
};

// Lenient access to the provider's JSON: what is absent or of another type reads as empty.
std::string_view text_of(const boost::json::value* value);
std::string_view text_at(const boost::json::object& object, std::string_view key);
const boost::json::object* object_at(const boost::json::object& object, std::string_view key);
bool is_true(const boost::json::value* value);

}  // namespace chat
