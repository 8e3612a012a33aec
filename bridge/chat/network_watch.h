// Reads the page's own traffic as CDP's Network domain reports it, and changes none of it. Pure:
// events in, facts out; what the driver must fetch comes back as orders.
#pragma once

#include "bridge/chat/delta_stream.h"
#include "bridge/chat/readback.h"
#include "bridge/chat/recent_chats.h"
#include "bridge/chat/state.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace chat {

// A POST that carries a message, from its first sight to its end.
struct Post {
  std::string request_id;
  std::string message_id;  // of the user message in the body
  std::string text;        // of the user message in the body, exactly
  bool has_files = false;  // … which carries more than the text
  int status = 0;          // 0: no answer yet
  std::optional<int> retry_after_s;
  std::string failure;     // net::ERR_… of a connection that ended badly
  std::string error_code;  // of an error answer's body: model_cap_exceeded, …
  std::string error_text;
  std::optional<int> clears_in_s;
  bool is_challenged = false;  // the answer was a challenge page
  bool is_event_stream = false;
  bool is_streaming = false;   // the body is being read while it arrives
  bool is_unreadable = false;  // the browser cannot stream bodies: the page itself must be read
  bool is_ended = false;       // the connection is over, however it ended
  std::string socket_id;       // the WebSocket that carries it after a hand-off
  bool is_socket_closed = false;
  std::uint64_t pieces = 0;  // of the stream that have come, whatever is in them
  DeltaStream stream;

  bool is_accepted() const { return status >= 200 && status < 300; }
  // The server certainly did not take it.
  bool is_refused() const { return is_ended && status >= 400 && status < 500; }
  // The stream can still bring the answer.
  bool is_alive() const {
    if (!is_streaming || is_unreadable || stream.is_damaged()) return false;
    return !is_ended || (stream.is_handed_off() && !is_socket_closed);
  }
};

// A slice of some turn's stream in a WebSocket frame, with what the frame says of its owner.
struct TurnItem {
  std::string slice = {};
  std::optional<std::uint64_t> sequence = {};
  std::string topic = {};
  std::string conversation_id = {};
};

class NetworkWatch {
 public:
  struct Order {
    enum class Kind { stream_body, read_body, read_post } kind;
    std::string request_id;
  };

  // `origin` is the site's: other hosts prove nothing. The id of the bound conversation, empty for
  // a new chat, decides which reads count.
  NetworkWatch(std::string origin, std::string conversation_id);
  // A new chat has got its id.
  void bind(std::string conversation_id) { conversation_id_ = std::move(conversation_id); }

  // From now on the growth of an answer is news only where these words end it; empty: always.
  void await_end(std::string end_marker) { end_marker_ = std::move(end_marker); }

  // The parameters of Network.dataReceived, as the browser wrote them.
  void on_data(std::string_view params);
  // Any other Network.* event. Orders are carried out in turn, before the next event is given.
  std::vector<Order> on_event(std::string_view method, const boost::json::object& params);
  // The answer to stream_body: what had come before (bytes), or that the browser cannot do it.
  void on_stream(const std::string& request_id, std::optional<std::string> buffered);
  // The answer to read_post: what the page posted, when the event was too short to hold it.
  void on_post_body(const std::string& request_id, std::string_view body);
  // The answer to read_body; empty when the browser has it no more.
  void on_body(const std::string& request_id, std::string_view body);
  // The main frame shows a new document: everything known about the old one is void.
  void on_new_document();
  void on_load_error(std::string text);
  // What the page's session call says when the driver had to make it itself.
  void on_session(bool user, bool error);
  // … or that there is no such call.
  void on_no_session();

  NetworkEvidence evidence() const;
  // The POST whose user text starts with this first line, the newest one of several; null if none.
  Post* post(std::string_view marker);
  // Whether any document of this tab has posted a message with this first line that was not
  // certainly refused, as far as the bodies are known yet.
  bool may_be_taken(std::string_view marker) const;
  // Every POST of a message since the last new document, oldest first.
  const std::deque<std::unique_ptr<Post>>& posts() const { return posts_; }
  // The last reading of the conversation since the last new document.
  const std::optional<Readback>& readback() const { return readback_; }
  // Of a new chat: the lists of chats that were understood since the last new document.
  const std::optional<RecentChats>& recent_chats() const { return recent_chats_; }
  // True if some chat is listed, and no list is on its way.
  bool knows_recent_chats() const;
  // Grows with everything that may matter to somebody who waits.
  std::uint64_t version() const { return version_; }

 private:
  enum class Kind { session, conversation, chats, other };
  struct Request {
    Kind kind = Kind::other;
    int status = 0;
    bool is_bound = false;  // of the bound conversation
  };
  // A message that was posted, remembered longer than its document.
  struct Posted {
    std::string request_id;
    std::string first_line;
    bool is_refused = false;
  };

  std::vector<Order> on_request(const boost::json::object& params);
  std::vector<Order> on_response(const boost::json::object& params);
  std::vector<Order> on_ended(const boost::json::object& params, bool failed);
  void on_frame(const boost::json::object& params);
  void on_socket_closed(const boost::json::object& params);
  void judge_status(const std::string& path, std::string_view type, int status,
                    const boost::json::object& headers);
  void session_body(std::string_view body);
  void error_body(Post& post, std::string_view body);
  Post* post_of(std::string_view request_id);
  void end(Post& post);
  bool is_of(const TurnItem& item, const DeltaStream& stream) const;
  void take_early_items();
  void miss_item();
  std::string path_here(std::string_view url) const;

  std::string origin_;
  std::string conversation_id_;
  std::string end_marker_;
  std::map<std::string, Request, std::less<>> requests_;
  std::deque<std::unique_ptr<Post>> posts_;
  std::deque<Posted> posted_;  // newest last
  // Slices that came before the newest post's stream said where it goes on.
  std::vector<TurnItem> early_items_;
  bool is_early_item_missed_ = false;  // … one of them could not be kept
  std::optional<Readback> readback_;
  std::optional<RecentChats> recent_chats_;
  NetworkEvidence evidence_;
  std::uint64_t version_ = 0;
  bool next_is_challenged_ = false;
  int next_server_error_ = 0;
};

}  // namespace chat
