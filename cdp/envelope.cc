#include "cdp/envelope.h"

#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace cdp {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t position() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }

  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }

  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  // The inside of a string; leaves the scanner behind its closing quote.
  std::optional<std::string_view> string() {
    if (!take('"')) return std::nullopt;
    std::size_t begin = at_;
    while (at_ < text_.size()) {
      const void* quote = std::memchr(text_.data() + at_, '"', text_.size() - at_);
      if (quote == nullptr) return std::nullopt;
      auto end = static_cast<std::size_t>(static_cast<const char*>(quote) - text_.data());
      at_ = end + 1;
      std::size_t backslashes = 0;
      while (end - backslashes > begin && text_[end - backslashes - 1] == '\\') ++backslashes;
      if (backslashes % 2 == 0) return text_.substr(begin, end - begin);
    }
    return std::nullopt;
  }

  // Any value, as written. Brackets are counted, not matched by kind.
  std::optional<std::string_view> value() {
    skip_space();
    std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (c == '"') {
        if (!string()) return std::nullopt;
        if (depth == 0) return text_.substr(begin, at_ - begin);
        continue;
      }
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') {
        if (depth == 0) break;
        --depth;
        if (depth == 0) return text_.substr(begin, ++at_ - begin);
      }
      if (depth == 0 && (c == ',' || is_space(c))) break;
      ++at_;
    }
    if (depth != 0 || at_ == begin) return std::nullopt;
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"') return value.substr(1, value.size() - 2);
  return {};
}

bool store(Envelope& envelope, std::string_view key, std::string_view value) {
  if (key == "id") {
    std::int64_t id = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), id);
    if (error != std::errc() || end != value.data() + value.size()) return value == "null";
    envelope.id = id;
  } else if (key == "method") {
    envelope.method = unquoted(value);
  } else if (key == "sessionId") {
    envelope.session = unquoted(value);
  } else if (key == "params") {
    envelope.params = value;
  } else if (key == "result") {
    envelope.result = value;
  } else if (key == "error") {
    envelope.error = value;
  }
  return true;
}

}  // namespace

Result<Envelope> scan_envelope(std::string_view message) {
  Scanner scanner(message);
  auto malformed = [&](std::string_view what) {
    return fail(Failure::invalid, fmt::format("message of the browser, byte {}: expected {}",
                                              scanner.position(), what));
  };
  Envelope envelope;
  if (!scanner.take('{')) return malformed("an object");
  if (!scanner.take('}')) {
    do {
      auto key = scanner.string();
      if (!key) return malformed("a key");
      if (!scanner.take(':')) return malformed("a colon");
      auto value = scanner.value();
      if (!value) return malformed("a value");
      if (!store(envelope, *key, *value)) return malformed("an integer id");
    } while (scanner.take(','));
    if (!scanner.take('}')) return malformed("a comma or the end of the object");
  }
  scanner.skip_space();
  if (!scanner.at_end()) return malformed("nothing more");
  return envelope;
}

}  // namespace cdp
