#include "bridge/protocol/json_scanner.h"

#include "bridge/base/ascii.h"
#include "bridge/base/result.h"

namespace protocol {
namespace {

constexpr std::uint32_t citation_begin = 0xEE8880;  // U+E200
constexpr std::uint32_t citation_end = 0xEE8881;    // U+E201

bool is_space(unsigned char byte) {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

// UTF-8 bytes of no-break space, zero-width characters, word joiner and byte order mark.
bool is_invisible(std::uint32_t sequence) {
  return sequence == 0xC2A0 || (sequence >= 0xE2808B && sequence <= 0xE2808F) ||
         sequence == 0xE2808A || sequence == 0xE280AF || sequence == 0xE281A0 ||
         sequence == 0xEFBBBF;
}

bool is_curly_quote(std::uint32_t sequence) { return sequence >= 0xE28098 && sequence <= 0xE2809F; }

std::uint8_t continuation_bytes(unsigned char lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 1;
  if (lead >= 0xE0 && lead <= 0xEF) return 2;
  if (lead >= 0xF0 && lead <= 0xF4) return 3;
  return 0;
}

}  // namespace

void JsonScanner::start(std::size_t offset) {
  *this = JsonScanner();
  state_ = State::open;
  offset_ = offset;
}

JsonScanner::State JsonScanner::feed(unsigned char byte) {
  BRIDGE_ASSERT(state_ == State::open);
  switch (expect_) {
    case Expect::text:
    case Expect::escape:
    case Expect::hex:
      in_string(byte);
      break;
    case Expect::literal:
      in_literal(byte);
      break;
    case Expect::minus:
    case Expect::zero:
    case Expect::digits:
    case Expect::point:
    case Expect::fraction:
    case Expect::exponent:
    case Expect::exponent_sign:
    case Expect::exponent_digits:
      if (in_number(byte)) break;
      if (state_ == State::open) between_tokens(byte);
      break;
    default:
      between_tokens(byte);
  }
  ++offset_;
  return state_;
}

void JsonScanner::fail(std::string_view problem, std::size_t at) {
  state_ = State::broken;
  problem_ = problem;
  problem_at_ = at;
}

// True if `byte` belongs to a character that only looks like nothing, or fails for one that is no
// JSON.
bool JsonScanner::invisible(unsigned char byte) {
  if (sequence_left_ == 0) {
    if (byte < 0x80) return in_citation_;
    sequence_left_ = continuation_bytes(byte);
    sequence_ = byte;
    sequence_at_ = offset_;
    if (sequence_left_ == 0) fail("a byte that is not UTF-8", offset_);
    return true;
  }
  if ((byte & 0xC0) != 0x80) {
    fail("a byte that is not UTF-8", sequence_at_);
    return true;
  }
  sequence_ = (sequence_ << 8) | byte;
  if (--sequence_left_ > 0) return true;
  if (sequence_ == citation_begin) in_citation_ = true;
  if (in_citation_ || is_invisible(sequence_)) {
    if (sequence_ == citation_end) in_citation_ = false;
    has_invisible_ = true;
  } else if (is_curly_quote(sequence_)) {
    fail("a curly quote where only a straight one is allowed", sequence_at_);
  } else {
    fail("a character that belongs inside quotes", sequence_at_);
  }
  return true;
}

void JsonScanner::between_tokens(unsigned char byte) {
  if (depth_ > 0 && invisible(byte)) return;
  if (is_space(byte)) return;
  switch (expect_) {
    case Expect::first_key:
      if (byte == '}') return close(true);
      [[fallthrough]];
    case Expect::key:
      if (byte != '"') {
        return fail(byte == '}' ? "a comma before the closing brace"
                                : "something other than a member name in straight quotes",
                    offset_);
      }
      is_key_ = true;
      is_empty_ = false;
      expect_ = Expect::text;
      return;
    case Expect::colon:
      if (byte != ':') return fail("no colon after a member name", offset_);
      expect_ = Expect::value;
      return;
    case Expect::comma:
      if (byte == '}') return close(true);
      if (byte == ']') return close(false);
      if (byte != ',') return fail("neither a comma nor a closing bracket after a value", offset_);
      expect_ = (is_object_ >> (depth_ - 1)) & 1 ? Expect::key : Expect::value;
      return;
    case Expect::first_value:
      if (byte == ']') return close(false);
      [[fallthrough]];
    default:
      begin_value(byte);
  }
}

void JsonScanner::begin_value(unsigned char byte) {
  if (depth_ == 0 && byte != '{') return fail("no object", offset_);
  is_key_ = false;
  switch (byte) {
    case '{':
      return open(true);
    case '[':
      return open(false);
    case '"':
      expect_ = Expect::text;
      return;
    case '-':
      expect_ = Expect::minus;
      return;
    case '0':
      expect_ = Expect::zero;
      return;
    case 't':
    case 'f':
    case 'n':
      literal_left_ = byte == 't' ? "rue" : byte == 'f' ? "alse" : "ull";
      expect_ = Expect::literal;
      return;
    default:
      if (base::is_digit(byte)) {
        expect_ = Expect::digits;
        return;
      }
      fail(byte == ']' || byte == '}' ? "a comma before a closing bracket, or no value"
                                      : "something that is no JSON value",
           offset_);
  }
}

void JsonScanner::open(bool is_object) {
  if (depth_ == depth_max) return fail("more than 64 levels", offset_);
  const std::uint64_t bit = std::uint64_t(1) << depth_;
  is_object_ = is_object ? is_object_ | bit : is_object_ & ~bit;
  open_at_[depth_++] = offset_;
  expect_ = is_object ? Expect::first_key : Expect::first_value;
}

void JsonScanner::close(bool is_object) {
  if (((is_object_ >> (depth_ - 1)) & 1) != is_object) {
    return fail("a closing bracket of the wrong kind", offset_);
  }
  if (--depth_ == 0) {
    state_ = State::complete;
    return;
  }
  expect_ = Expect::comma;
}

void JsonScanner::in_string(unsigned char byte) {
  if (byte < 0x20) {
    return fail("a line break or control character inside quotes (\\n must be written)", offset_);
  }
  switch (expect_) {
    case Expect::escape:
      if (byte == 'u') {
        hex_left_ = 4;
        expect_ = Expect::hex;
        return;
      }
      if (std::string_view("\"\\/bfnrt").find(char(byte)) == std::string_view::npos) {
        return fail("a backslash before a character that has no escape", offset_);
      }
      expect_ = Expect::text;
      return;
    case Expect::hex:
      if (!base::is_hex_digit(byte)) return fail("\\u without four hexadecimal digits", offset_);
      if (--hex_left_ == 0) expect_ = Expect::text;
      return;
    default:
      if (byte == '\\') expect_ = Expect::escape;
      if (byte == '"') expect_ = is_key_ ? Expect::colon : Expect::comma;
  }
}

// False if the number ended before `byte`.
bool JsonScanner::in_number(unsigned char byte) {
  const bool digit = base::is_digit(byte);
  const bool is_e = byte == 'e' || byte == 'E';
  switch (expect_) {
    case Expect::minus:
      if (!digit) break;
      expect_ = byte == '0' ? Expect::zero : Expect::digits;
      return true;
    case Expect::point:
    case Expect::exponent_sign:
      if (!digit) break;
      expect_ = expect_ == Expect::point ? Expect::fraction : Expect::exponent_digits;
      return true;
    case Expect::exponent:
      if (!digit && byte != '+' && byte != '-') break;
      expect_ = digit ? Expect::exponent_digits : Expect::exponent_sign;
      return true;
    default:
      if (digit && expect_ != Expect::zero) return true;
      if (byte == '.' && (expect_ == Expect::zero || expect_ == Expect::digits)) {
        expect_ = Expect::point;
        return true;
      }
      if (is_e && expect_ != Expect::exponent_digits) {
        expect_ = Expect::exponent;
        return true;
      }
      expect_ = Expect::comma;
      return false;
  }
  fail("a number that is cut short", offset_);
  return true;
}

void JsonScanner::in_literal(unsigned char byte) {
  if (char(byte) != literal_left_.front()) {
    return fail("a word that is not true, false or null", offset_);
  }
  literal_left_.remove_prefix(1);
  if (literal_left_.empty()) expect_ = Expect::comma;
}

}  // namespace protocol
