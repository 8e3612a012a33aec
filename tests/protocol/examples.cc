#include "tests/protocol/examples.h"

#include "bridge/base/json.h"

#include <fstream>
#include <iterator>

namespace protocol {

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

json::value example_packet(std::string_view name) {
  return base::parse_json(read_file(SOURCE_DIR "/fixtures/packets/" + std::string(name) + ".json"))
      .value();
}

json::value example_reply(std::string_view name) {
  return example_packet("replies/" + std::string(name));
}

const MessageTypes& types() {
  static const MessageTypes all = MessageTypes::built_in();
  return all;
}

}  // namespace protocol
