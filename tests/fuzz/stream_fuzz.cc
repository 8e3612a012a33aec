// A provider's stream is hostile: any bytes in any cuts are read without harm, and where the stream
// is cut changes nothing.
#include "bridge/base/result.h"
#include "bridge/chat/delta_stream.h"
#include "bridge/chat/network_watch.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace {

namespace json = boost::json;

// Pieces of sizes that the choice decides.
template <class Feed>
void in_pieces(std::string_view text, std::uint8_t choice, Feed feed) {
  std::uint32_t state = choice;
  while (!text.empty()) {
    state = state * 1664525 + 1013904223;
    const std::size_t size = std::min<std::size_t>(1 + (state >> 24) % 13, text.size());
    feed(text.substr(0, size));
    text.remove_prefix(size);
  }
}

void expect_same(const chat::DeltaStream& a, const chat::DeltaStream& b) {
  BRIDGE_ASSERT(a.messages().size() == b.messages().size());
  for (std::size_t i = 0; i < a.messages().size(); ++i) {
    BRIDGE_ASSERT(a.messages()[i].text == b.messages()[i].text);
    BRIDGE_ASSERT(a.messages()[i].status == b.messages()[i].status);
  }
  BRIDGE_ASSERT((a.answer() == nullptr) == (b.answer() == nullptr));
  BRIDGE_ASSERT(a.is_damaged() == b.is_damaged());
  BRIDGE_ASSERT(a.is_complete() == b.is_complete());
  BRIDGE_ASSERT(a.is_handed_off() == b.is_handed_off());
  BRIDGE_ASSERT(a.error() == b.error());
}

void read_stream(std::string_view text, std::uint8_t choice) {
  chat::DeltaStream whole;
  whole.feed(text);
  chat::DeltaStream cut;
  in_pieces(text, choice, [&](std::string_view piece) { cut.feed(piece); });
  expect_same(whole, cut);
  chat::DeltaStream items;
  in_pieces(text, choice, [&](std::string_view piece) { items.feed_item(piece, std::nullopt); });
  expect_same(whole, items);
}

// One event a line: the method, a space and its parameters.
void watch_network(std::string_view text) {
  chat::NetworkWatch watch("https://chat.test", "c-1");
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string_view given = line.substr(std::min(space + 1, line.size()));
    if (line.substr(0, space) == "Network.dataReceived") {
      watch.on_data(given);
      continue;
    }
    json::error_code error;
    const json::value params = json::parse(given, error);
    if (error || !params.is_object()) continue;
    using Kind = chat::NetworkWatch::Order::Kind;
    for (const auto& order : watch.on_event(line.substr(0, space), params.get_object())) {
      if (order.kind == Kind::stream_body) watch.on_stream(order.request_id, std::string());
      if (order.kind == Kind::read_post) watch.on_post_body(order.request_id, line);
      if (order.kind == Kind::read_body) watch.on_body(order.request_id, line);
    }
  }
  for (const auto& post : watch.posts()) (void)post->stream.answer();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes + 2), size - 2);
  if (bytes[0] % 2 == 0) {
    read_stream(text, bytes[1]);
  } else {
    watch_network(text);
  }
  return 0;
}
