#include "bridge/chat/network_watch.h"

#include "bridge/base/limits.h"
#include "bridge/chat/message.h"
#include "cdp/base64.h"

#include <algorithm>
#include <charconv>
#include <ranges>

#include <boost/json/parse.hpp>

namespace chat {
namespace {

namespace json = boost::json;
using Orders = std::vector<NetworkWatch::Order>;
using OrderKind = NetworkWatch::Order::Kind;

int int_at(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  json::error_code error;
  const int number = value && value->is_number() ? value->to_number<int>(error) : 0;
  return error ? 0 : number;
}

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view header(const json::object& headers, std::string_view wanted) {
  for (const auto& [name, value] : headers) {
    if (same_word(name, wanted)) return text_of(&value);
  }
  return {};
}

std::optional<int> seconds(std::string_view text) {
  int number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || number < 0) return std::nullopt;
  return number;
}

// The text of a member of a flat JSON object, if it needs no escapes, as ids and base64 do not. A
// member that is missing or written otherwise reads as empty.
std::string_view value_of(std::string_view object, std::string_view key) {
  const std::string start = "\"" + std::string(key) + "\":\"";
  const auto at = object.find(start);
  if (at == std::string_view::npos) return {};
  const std::string_view value = object.substr(at + start.size());
  const auto end = value.find_first_of("\"\\");
  return end == std::string_view::npos || value[end] == '\\' ? std::string_view()
                                                             : value.substr(0, end);
}

// The paths that take messages: signed in, and the same for guests.
bool takes_messages(std::string_view path) {
  return path == "/backend-api/f/conversation" || path == "/backend-api/conversation" ||
         path == "/backend-anon/f/conversation" || path == "/backend-anon/conversation";
}

// The user message in the body of a POST, or nothing if the body is of another form.
std::optional<Message> user_message(std::string_view body) {
  json::error_code error;
  const json::value document = json::parse(body, error);
  const auto* object = error ? nullptr : document.if_object();
  const auto* list = object ? object->if_contains("messages") : nullptr;
  if (list == nullptr || !list->is_array()) return std::nullopt;
  for (const auto& item : list->get_array()) {
    if (!item.is_object()) continue;
    Message message = Message::parse(item.get_object());
    if (message.role == "user") return message;
  }
  return std::nullopt;
}

// Slices of the reply stream anywhere inside a WebSocket frame, in order. What the objects around
// a slice say of its owner counts for it; the innermost word is the last. A frame is as deep as the
// JSON parser lets it be.
void collect_items(const json::value& value, TurnItem around, std::vector<TurnItem>& items) {
  if (const auto* list = value.if_array()) {
    for (const auto& item : *list) collect_items(item, around, items);
    return;
  }
  const auto* object = value.if_object();
  if (object == nullptr) return;
  if (const auto id = text_at(*object, "conversation_id"); !id.empty()) around.conversation_id = id;
  for (const std::string_view name : {"topic", "topic_id"}) {
    if (const auto topic = text_at(*object, name); !topic.empty()) around.topic = topic;
  }
  if (const auto* item = object->if_contains("encoded_item"); item && item->is_string()) {
    around.slice = text_of(item);
    if (const auto* number = object->if_contains("sequence_id");
        number && number->is_int64() && number->get_int64() >= 0) {
      around.sequence = static_cast<std::uint64_t>(number->get_int64());
    }
    items.push_back(std::move(around));
    return;
  }
  for (const auto& [name, member] : *object) collect_items(member, around, items);
}

}  // namespace

// A socket carries the turns of every chat and device of the account. A slice that does not say
// whose it is stays unread: the server's copy will tell.
bool NetworkWatch::is_of(const TurnItem& item, const DeltaStream& stream) const {
  const std::string& own =
      stream.conversation_id().empty() ? conversation_id_ : stream.conversation_id();
  if (!item.conversation_id.empty() && !own.empty() && item.conversation_id != own) return false;
  if (!item.topic.empty() && !stream.handoff_topic().empty()) {
    return item.topic == stream.handoff_topic();
  }
  return !own.empty() && item.conversation_id == own;
}

NetworkWatch::NetworkWatch(std::string origin, std::string conversation_id)
    : origin_(std::move(origin)), conversation_id_(std::move(conversation_id)) {}

NetworkEvidence NetworkWatch::evidence() const {
  NetworkEvidence evidence = evidence_;
  const bool is_on_its_way =
      std::ranges::any_of(requests_, [](const auto& it) { return it.second.is_bound; });
  const bool is_told = readback_ && !conversation_id_.empty() &&
                       readback_->conversation_id() == conversation_id_ && readback_->has_turns();
  evidence.history_due = is_on_its_way || is_told;
  evidence.moderated = !posts_.empty() && posts_.back()->stream.is_moderated();
  return evidence;
}

Orders NetworkWatch::on_event(std::string_view method, const json::object& params) {
  if (method == "Network.requestWillBeSent") {
    return on_request(params);
  } else if (method == "Network.responseReceived") {
    return on_response(params);
  } else if (method == "Network.loadingFinished") {
    return on_ended(params, false);
  } else if (method == "Network.loadingFailed") {
    return on_ended(params, true);
  } else if (method == "Network.webSocketFrameReceived") {
    on_frame(params);
  } else if (method == "Network.webSocketClosed") {
    on_socket_closed(params);
  }
  return {};
}

std::string NetworkWatch::path_here(std::string_view url) const {
  if (!url.starts_with(origin_)) return {};
  url.remove_prefix(origin_.size());
  if (url.empty() || url.front() != '/') return {};
  return std::string(url.substr(0, url.find_first_of("?#")));
}

Post* NetworkWatch::post_of(std::string_view request_id) {
  const auto found = std::ranges::find_if(
      posts_, [&](const auto& post) { return post->request_id == request_id; });
  return found == posts_.end() ? nullptr : found->get();
}

Post* NetworkWatch::post(std::string_view marker) {
  for (const auto& post : posts_ | std::views::reverse) {
    if (first_line(post->text) == marker) return post.get();
  }
  return nullptr;
}

bool NetworkWatch::may_be_taken(std::string_view marker) const {
  return std::ranges::any_of(posted_, [&](const Posted& posted) {
    return posted.first_line == marker && !posted.is_refused;
  });
}

bool NetworkWatch::knows_recent_chats() const {
  const auto is_on_its_way = [](const auto& it) { return it.second.kind == Kind::chats; };
  return recent_chats_ && !recent_chats_->is_empty() &&
         std::ranges::none_of(requests_, is_on_its_way);
}

Orders NetworkWatch::on_request(const json::object& params) {
  const auto* request = object_at(params, "request");
  if (request == nullptr) return {};
  const std::string id(text_at(params, "requestId"));
  const std::string path = path_here(text_at(*request, "url"));
  const std::string_view method = text_at(*request, "method");
  if (requests_.size() >= limits::watched_requests_max) requests_.erase(requests_.begin());
  if (method == "POST" && takes_messages(path)) {
    if (posts_.size() >= limits::watched_posts_max) posts_.pop_front();
    posts_.push_back(std::make_unique<Post>());
    posts_.back()->request_id = id;
    early_items_.clear();
    is_early_item_missed_ = false;
    ++version_;
    if (!request->contains("postData")) return {{OrderKind::read_post, id}};
    on_post_body(id, text_at(*request, "postData"));
  } else if (path == "/api/auth/session") {
    requests_[id] = {.kind = Kind::session};
  } else if (method == "GET" && path.starts_with("/backend-api/conversation/") &&
             path.find('/', sizeof "/backend-api/conversation/" - 1) == std::string::npos) {
    const bool is_bound = !conversation_id_.empty() && path.ends_with("/" + conversation_id_);
    requests_[id] = {.kind = Kind::conversation, .is_bound = is_bound};
  } else if (method == "GET" && path == "/backend-api/conversations" && conversation_id_.empty()) {
    requests_[id] = {.kind = Kind::chats};
  }
  return {};
}

void NetworkWatch::on_post_body(const std::string& request_id, std::string_view body) {
  Post* post = post_of(request_id);
  const auto message = user_message(body);
  if (post == nullptr || !message) return;
  post->message_id = message->id;
  post->text = message->text;
  post->has_files = message->has_files;
  if (posted_.size() >= limits::watched_requests_max) posted_.pop_front();
  posted_.push_back({.request_id = request_id, .first_line = std::string(first_line(post->text))});
  ++version_;
}

void NetworkWatch::judge_status(const std::string& path, std::string_view type, int status,
                                const json::object& headers) {
  const bool is_challenge = status == 403 && header(headers, "cf-mitigated") == "challenge";
  // The answer to a navigation comes before its document.
  if (type == "Document") {
    next_is_challenged_ = is_challenge;
    next_server_error_ = status >= 500 && !path.empty() ? status : 0;
  }
  if (!path.starts_with("/backend-api/")) return;
  if (status == 401) {
    evidence_.unauthorized = true;
  } else if (status >= 200 && status < 300) {
    evidence_.unauthorized = false;
  }
  // Just after a send the server may not know the conversation yet.
  const bool is_bound =
      !conversation_id_.empty() && path == "/backend-api/conversation/" + conversation_id_;
  if (!is_bound) return;
  if (status >= 200 && status < 300) {
    evidence_.reading_limited = evidence_.reading_challenged = false;
  }
  if (!posts_.empty()) return;
  if (status == 404) evidence_.conversation_missing = true;
  evidence_.reading_limited = status == 429;
  evidence_.reading_challenged = is_challenge;
}

Orders NetworkWatch::on_response(const json::object& params) {
  const auto* response = object_at(params, "response");
  if (response == nullptr) return {};
  const std::string id(text_at(params, "requestId"));
  const int status = int_at(*response, "status");
  static const json::object no_headers;
  const auto* given = object_at(*response, "headers");
  const json::object& headers = given ? *given : no_headers;
  judge_status(path_here(text_at(*response, "url")), text_at(params, "type"), status, headers);
  ++version_;
  if (const auto request = requests_.find(id); request != requests_.end()) {
    request->second.status = status;
    return {};
  }
  Post* post = post_of(id);
  if (post == nullptr) return {};
  post->status = status;
  post->retry_after_s = seconds(header(headers, "retry-after"));
  post->is_event_stream = text_at(*response, "mimeType") == "text/event-stream";
  post->is_challenged = header(headers, "cf-mitigated") == "challenge";
  if (!post->is_accepted()) return {};
  if (post->is_event_stream) return {{OrderKind::stream_body, id}};
  return {};
}

void NetworkWatch::on_stream(const std::string& request_id, std::optional<std::string> buffered) {
  Post* post = post_of(request_id);
  if (post == nullptr) return;
  ++version_;
  if (!buffered) {
    post->is_unreadable = true;
    return;
  }
  post->is_streaming = true;
  post->stream.feed(*buffered);
  take_early_items();
}

void NetworkWatch::on_data(std::string_view params) {
  const auto found = std::ranges::find_if(posts_, [&](const auto& post) {
    return post->is_streaming && value_of(params, "requestId") == post->request_id;
  });
  Post* post = found == posts_.end() ? nullptr : found->get();
  // Chunks without data came before streaming began; they are in the buffered part.
  const std::string_view data = value_of(params, "data");
  if (post == nullptr || data.empty()) return;
  ++post->pieces;
  const std::uint64_t known = post->stream.turning_points();
  const auto bytes = cdp::decode_base64(data);
  if (!bytes) {
    post->is_unreadable = true;
  } else {
    post->stream.feed(*bytes);
  }
  take_early_items();
  const bool is_growth = bytes && post->stream.turning_points() == known &&
                         !post->stream.is_damaged() && !end_marker_.empty();
  if (!is_growth || post->stream.ends_near(end_marker_)) ++version_;
}

void NetworkWatch::take_early_items() {
  DeltaStream& stream = posts_.back()->stream;
  if (!stream.is_handed_off()) return;
  for (const auto& item : std::exchange(early_items_, {})) {
    if (is_of(item, stream)) stream.feed_item(item.slice, item.sequence);
  }
  if (std::exchange(is_early_item_missed_, false)) stream.lose_item();
}

// It may have been one of the newest post's.
void NetworkWatch::miss_item() {
  DeltaStream& stream = posts_.back()->stream;
  if (stream.is_handed_off()) {
    stream.lose_item();
  } else {
    is_early_item_missed_ = true;
  }
  ++version_;
}

void NetworkWatch::on_frame(const json::object& params) {
  if (posts_.empty()) return;
  const auto* response = object_at(params, "response");
  const std::string_view payload = response ? text_at(*response, "payloadData") : "";
  if (payload.find("encoded_item") == std::string_view::npos) return;
  json::error_code error;
  const json::value frame = json::parse(payload, error);
  if (error) return miss_item();
  Post& post = *posts_.back();
  std::vector<TurnItem> items;
  collect_items(frame, {}, items);
  // Whose the early ones are is known when the stream says where it goes on.
  std::erase_if(items, [&](const TurnItem& item) {
    return post.stream.is_handed_off() && !is_of(item, post.stream);
  });
  if (items.empty()) return;
  post.socket_id = text_at(params, "requestId");
  post.is_socket_closed = false;
  ++post.pieces;
  for (auto& item : items) {
    if (post.stream.is_handed_off()) {
      post.stream.feed_item(item.slice, item.sequence);
    } else if (early_items_.size() < limits::stream_messages_max) {
      early_items_.push_back(std::move(item));
    } else {
      miss_item();
    }
  }
  ++version_;
}

void NetworkWatch::on_socket_closed(const json::object& params) {
  const std::string_view id = text_at(params, "requestId");
  for (const auto& post : posts_) {
    if (id.empty() || post->socket_id != id) continue;
    post->is_socket_closed = true;
    ++version_;
  }
}

Orders NetworkWatch::on_ended(const json::object& params, bool failed) {
  const std::string id(text_at(params, "requestId"));
  if (const auto request = requests_.find(id); request != requests_.end()) {
    if (!failed && request->second.status == 200) return {{OrderKind::read_body, id}};
    requests_.erase(request);
    return {};
  }
  Post* post = post_of(id);
  if (post == nullptr) return {};
  // A refusal is over when its reasons are known.
  if (!failed && post->status >= 400) return {{OrderKind::read_body, id}};
  if (failed) post->failure = text_at(params, "errorText");
  end(*post);
  ++version_;
  return {};
}

void NetworkWatch::end(Post& post) {
  post.is_ended = true;
  if (!post.is_refused()) return;
  for (auto& posted : posted_) {
    if (posted.request_id == post.request_id) posted.is_refused = true;
  }
}

void NetworkWatch::on_body(const std::string& request_id, std::string_view body) {
  ++version_;
  if (Post* post = post_of(request_id)) {
    error_body(*post, body);
    end(*post);
    return;
  }
  const auto request = requests_.find(request_id);
  if (request == requests_.end()) return;
  if (request->second.kind == Kind::session) {
    session_body(body);
  } else if (request->second.kind == Kind::chats) {
    auto list = RecentChats::parse(body);
    if (list && recent_chats_) {
      recent_chats_->join(*std::move(list));
    } else if (list) {
      recent_chats_ = *std::move(list);
    }
  } else if (auto readback = Readback::parse(body)) {
    // The page may ask for another one beside ours.
    const bool is_others =
        !conversation_id_.empty() && readback->conversation_id() != conversation_id_;
    if (!is_others) readback_ = std::move(*readback);
  }
  requests_.erase(request);
}

void NetworkWatch::session_body(std::string_view body) {
  json::error_code error;
  const json::value document = json::parse(body, error);
  if (error || !document.is_object()) return;
  const auto& session = document.get_object();
  const auto* trouble = session.if_contains("error");
  on_session(object_at(session, "user") != nullptr, trouble != nullptr && !trouble->is_null());
}

void NetworkWatch::on_no_session() {
  evidence_.session_untold = true;
  ++version_;
}

void NetworkWatch::on_session(bool user, bool error) {
  evidence_.session_untold = false;
  evidence_.signed_in = user;
  evidence_.session_error = user && error;
  ++version_;
}

void NetworkWatch::error_body(Post& post, std::string_view body) {
  json::error_code error;
  const json::value document = json::parse(body, error);
  if (error || !document.is_object()) return;
  const auto* detail = document.get_object().if_contains("detail");
  if (detail == nullptr) return;
  if (detail->is_string()) post.error_text = text_of(detail);
  if (const auto* object = detail->if_object()) {
    post.error_code = text_at(*object, "code");
    post.error_text = text_at(*object, "message");
    if (object->contains("clears_in")) post.clears_in_s = int_at(*object, "clears_in");
  }
}

void NetworkWatch::on_new_document() {
  evidence_ = {};
  evidence_.challenged = std::exchange(next_is_challenged_, false);
  evidence_.server_error = std::exchange(next_server_error_, 0);
  requests_.clear();
  posts_.clear();
  early_items_.clear();
  is_early_item_missed_ = false;
  readback_.reset();
  recent_chats_.reset();
  ++version_;
}

void NetworkWatch::on_load_error(std::string text) {
  evidence_.load_error = std::move(text);
  ++version_;
}

}  // namespace chat
