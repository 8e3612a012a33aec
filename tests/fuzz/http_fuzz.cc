// A request is hostile: any bytes are parsed without harm, where they are cut changes nothing, and
// what is accepted has one meaning only.
#include "bridge/base/limits.h"
#include "bridge/http/host_policy.h"
#include "bridge/http/request_parser.h"
#include "bridge/http/uri_text.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t body_max = 4096;

struct Outcome {
  int status = 0;  // of the refusal
  std::size_t used = 0;
  bool is_complete = false;
  http::Request request;
};

// Shows the parser `step` more bytes at a time.
void parse(std::string_view text, std::size_t step, Outcome& outcome) {
  http::RequestParser parser;
  std::size_t shown = 0;
  std::size_t head = 0;
  while (head == 0) {
    if (shown == text.size()) return;
    shown = std::min(shown + step, text.size());
    const auto size = parser.head(text.substr(0, shown), outcome.request);
    if (!size) {
      outcome.status = size.error().status;
      return;
    }
    head = *size;
  }
  outcome.used = head;
  while (!parser.is_done()) {
    const auto used = parser.chunks(text.substr(outcome.used, shown - outcome.used),
                                    outcome.request.body, body_max);
    if (!used) {
      outcome.status = used.error().status;
      return;
    }
    outcome.used += *used;
    if (parser.is_done()) break;
    if (shown == text.size()) return;
    shown = std::min(shown + step, text.size());
  }
  outcome.is_complete = true;
}

void check(const http::Request& request) {
  int hosts = 0, lengths = 0, encodings = 0;
  for (const auto& [name, value] : request.headers) {
    hosts += http::same_header(name, "host");
    lengths += http::same_header(name, "content-length");
    encodings += http::same_header(name, "transfer-encoding");
    BRIDGE_ASSERT(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
    BRIDGE_ASSERT(!name.empty() && name.find_first_of(" \t:") == std::string_view::npos);
  }
  BRIDGE_ASSERT(hosts == 1 && lengths + encodings <= 1);
  BRIDGE_ASSERT(request.headers.size() <= limits::http_headers_max);
  BRIDGE_ASSERT(request.path == "*" || http::is_plain_path(request.path));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes + 1), size - 1);
  Outcome whole;
  parse(text, text.size() + 1, whole);
  Outcome cut;
  parse(text, 1 + bytes[0] % 32, cut);
  if (whole.is_complete) {
    BRIDGE_ASSERT(cut.is_complete && cut.used == whole.used);
    BRIDGE_ASSERT(cut.request.body == whole.request.body);
    BRIDGE_ASSERT(cut.request.target == whole.request.target);
    check(whole.request);
    static const http::HostPolicy hosts({"bridge.example"}, {});
    (void)hosts.check(whole.request);
    (void)http::parse_query(text);
  } else {
    BRIDGE_ASSERT(!cut.is_complete);
  }
  return 0;
}
