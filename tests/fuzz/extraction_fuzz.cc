// Replies are hostile: extraction ends, in linear time, and the finish line does not depend on how
// the reply arrives.
#include "bridge/base/limits.h"
#include "bridge/base/result.h"
#include "bridge/protocol/extraction.h"
#include "bridge/protocol/finish_line.h"
#include "bridge/protocol/markdown.h"
#include "bridge/protocol/object_finder.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view end_marker = "FLYWHEEL-END-01";
constexpr std::size_t steps_a_byte_max = 8;
constexpr std::size_t block_steps_a_byte_max = limits::markdown_depth_max + 4;

// The first byte chooses the sizes of the pieces.
bool reached_in_pieces(std::string_view text, std::uint8_t choice) {
  protocol::FinishLine line(end_marker);
  std::uint32_t state = choice;
  while (!text.empty()) {
    state = state * 1664525 + 1013904223;
    const std::size_t size = 1 + (state >> 24) % 7;
    line.feed(text.substr(0, size));
    text.remove_prefix(std::min(size, text.size()));
  }
  return line.reached();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes + 1), size - 1);
  const auto accepts = [](const auto& object) { return object.contains("answer"); };

  auto extracted = protocol::extract(text, end_marker, accepts);
  if (extracted) {
    BRIDGE_ASSERT(!extracted->value.empty());
  } else {
    BRIDGE_ASSERT(extracted.error().code == base::Code::invalid);
    BRIDGE_ASSERT(!extracted.error().reason.empty());
  }

  protocol::FinishLine at_once(end_marker);
  at_once.feed(text);
  BRIDGE_ASSERT(at_once.reached() == reached_in_pieces(text, bytes[0]));
  protocol::FinishWatch watch(end_marker, protocol::FinishLine::Wants::object);
  BRIDGE_ASSERT(watch.is_worth_reading(text) == at_once.reached());
  BRIDGE_ASSERT(!watch.is_worth_reading(text));
  protocol::ObjectFinder finder;
  finder.feed(text);
  BRIDGE_ASSERT(finder.steps() <= steps_a_byte_max * text.size());
  BRIDGE_ASSERT(protocol::markdown_parts(text).steps <= block_steps_a_byte_max * text.size());

  const std::size_t half = text.size() / 2;
  auto seen = protocol::extract(protocol::SeenReply{{{"json", std::string(text.substr(0, half))}},
                                                    std::string(text.substr(half))},
                                end_marker, accepts);
  BRIDGE_ASSERT(seen || !seen.error().reason.empty());
  return 0;
}
