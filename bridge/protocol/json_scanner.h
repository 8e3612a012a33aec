// A strict JSON grammar that takes one byte at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace protocol {

// Follows one JSON object from its opening brace. Nothing is stored but the nesting; UTF-8 inside
// strings, duplicate keys and number ranges are left to base::parse_json. Outside strings it puts
// up with characters that web pages sprinkle in (no-break and zero-width spaces, BOM, citation
// marks U+E200…U+E201), and says so.
class JsonScanner {
 public:
  enum class State { open, complete, broken };
  static constexpr std::size_t depth_max = 64;

  // Starts over; the next byte is the first of an object, at `offset` of the caller's text.
  void start(std::size_t offset);
  State feed(unsigned char byte);

  State state() const { return state_; }
  bool has_invisible() const { return has_invisible_; }
  // True for an object without members.
  bool is_empty() const { return is_empty_; }
  // What is wrong, when broken, and at which offset.
  std::string_view problem() const { return problem_; }
  std::size_t problem_at() const { return problem_at_; }
  // Offsets of the objects and arrays not yet closed, outermost first: `depth()` entries.
  std::size_t depth() const { return depth_; }
  std::size_t open_at(std::size_t level) const { return open_at_[level]; }

 private:
  enum class Expect : std::uint8_t {
    value,
    first_value,
    first_key,
    key,
    colon,
    comma,  // between tokens
    text,
    escape,
    hex,  // inside a string
    minus,
    zero,
    digits,
    point,
    fraction,
    exponent,
    exponent_sign,
    exponent_digits,
    literal
  };

  void open(bool is_object);
  void close(bool is_object);
  void between_tokens(unsigned char byte);
  void begin_value(unsigned char byte);
  void in_string(unsigned char byte);
  bool in_number(unsigned char byte);
  void in_literal(unsigned char byte);
  bool invisible(unsigned char byte);
  void fail(std::string_view problem, std::size_t at);

  State state_ = State::broken;
  Expect expect_ = Expect::value;
  bool is_key_ = false;
  bool has_invisible_ = false;
  bool is_empty_ = true;
  bool in_citation_ = false;
  std::uint8_t hex_left_ = 0;
  std::string_view literal_left_;
  std::uint32_t sequence_ = 0;  // bytes of a multi-byte character outside strings
  std::uint8_t sequence_left_ = 0;
  std::size_t sequence_at_ = 0;
  std::size_t offset_ = 0;
  std::size_t depth_ = 0;
  std::uint64_t is_object_ = 0;  // one bit a level
  std::array<std::size_t, depth_max> open_at_{};
  std::string_view problem_;
  std::size_t problem_at_ = 0;
};

}  // namespace protocol
