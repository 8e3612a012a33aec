// The reply stream of POST …/conversation: delta encoding v1 over server-sent events, also as it
// arrives in slices over a WebSocket after a hand-off. Pure: bytes in, messages out.
#pragma once

#include "bridge/chat/message.h"
#include "bridge/chat/sse.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace chat {

class DeltaStream {
 public:
  // Bytes of the response body, cut anywhere.
  void feed(std::string_view bytes);
  // One `encoded_item` of a hand-off frame: a slice of the same event text. Slices repeat after a
  // reconnection: one whose `sequence` is known is dropped, and without numbers a message that is
  // added again starts over, so that a replay from the start ends in the same text. Numbers begin
  // anywhere; one that is skipped is a slice that never came.
  void feed_item(std::string_view slice, std::optional<std::uint64_t> sequence);
  // A slice came that nobody could keep.
  void lose_item() { has_hole_ = true; }

  // Messages in order of first appearance. A reference stays valid until the next feed.
  const std::vector<Message>& messages() const { return messages_; }
  // The newest answer that descends from the user message, or null. With an unknown user message
  // (no echo seen) any answer of the stream counts: the stream belongs to our own request.
  const Message* answer() const;

  const std::string& conversation_id() const { return conversation_id_; }
  // Id of the user message the server echoed, and its text.
  const std::string& input_id() const { return input_id_; }
  const std::string& input_text() const { return input_text_; }
  bool is_handed_off() const { return handed_off_; }
  const std::string& handoff_topic() const { return handoff_topic_; }
  bool is_complete() const { return complete_; }    // message_stream_complete or [DONE]
  bool is_moderated() const { return moderated_; }  // the provider blocked or removed the turn
  // Text of an `error` frame, or empty.
  const std::string& error() const { return error_; }
  // True once an operation could not be understood or a slice is missing: from then on the text
  // proves nothing.
  bool is_damaged() const {
    return damaged_ || has_hole_ || sse_.is_damaged() || items_sse_.is_damaged();
  }
  // A slice is missing. Whoever else read the same frames may lack it, too.
  bool has_hole() const { return has_hole_; }
  // Grows with every change of any message's text or status.
  std::uint64_t version() const { return version_; }
  // Grows with every change but the mere growth of a text.
  std::uint64_t turning_points() const { return version_ - growths_; }
  // Whether the text that grew last has the words within its last few characters.
  bool ends_near(std::string_view words) const;

 private:
  void event(const SseEvent& event);
  void typed(std::string_view type, const boost::json::object& frame);
  void delta(const boost::json::object& frame);
  void operation(std::string_view path, std::string_view op, const boost::json::value& value,
                 int depth);
  void patch(const boost::json::array& operations, int depth);
  void add_message(const boost::json::object& value);
  void set_field(Message& message, std::string_view path, std::string_view op,
                 const boost::json::value& value);
  void apply_text(Message& message, std::size_t part, std::string_view op,
                  const boost::json::value& value);
  bool descends_from_input(const Message& message) const;

  SseParser sse_;
  SseParser items_sse_;  // the slices after a hand-off are a text of their own
  std::vector<Message> messages_;
  std::map<std::string, std::size_t, std::less<>> by_id_;
  std::size_t current_ = SIZE_MAX;
  std::string last_path_;
  std::string last_op_;
  std::string conversation_id_;
  std::string input_id_;
  std::string input_text_;
  std::string handoff_topic_;
  std::string error_;
  std::optional<std::uint64_t> next_item_;
  std::uint64_t version_ = 0;
  std::uint64_t growths_ = 0;
  std::size_t text_bytes_ = 0;
  bool handed_off_ = false;
  bool complete_ = false;
  bool moderated_ = false;
  bool damaged_ = false;
  bool has_hole_ = false;
};

}  // namespace chat
