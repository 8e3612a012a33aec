#include "bridge/base/json.h"

#include <cmath>
#include <unordered_set>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

namespace base {
namespace {

using boost::system::error_code;

enum class Refusal { duplicate_key = 1, number_range };

class RefusalCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "json"; }
  std::string message(int value) const override {
    return value == static_cast<int>(Refusal::duplicate_key) ? "duplicate object key"
                                                             : "number out of range";
  }
};

error_code refusal(Refusal reason) {
  static const RefusalCategory category;
  return {static_cast<int>(reason), category};
}

// Builds a value from parser events, refusing duplicate keys. Names follow Boost.JSON's handler.
class Builder {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  json::value take() { return std::move(root_); }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return open(json::object()); }
  bool on_object_end(std::size_t, error_code&) { return close(); }
  bool on_array_begin(error_code&) { return open(json::array()); }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_key_part(std::string_view part, std::size_t, error_code&) { return gather(part); }
  bool on_key(std::string_view part, std::size_t, error_code& error) {
    open_.back().key = whole(part);
    text_.clear();
    if (open_.back().value->get_object().contains(open_.back().key)) {
      duplicate_ = open_.back().key;
      error = refusal(Refusal::duplicate_key);
      return false;
    }
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t, error_code&) { return gather(part); }
  bool on_string(std::string_view part, std::size_t, error_code&) {
    add(json::string(whole(part)));
    text_.clear();
    return true;
  }
  bool on_number_part(std::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, std::string_view, error_code&) { return add(number); }
  bool on_uint64(std::uint64_t number, std::string_view, error_code&) { return add(number); }
  bool on_double(double number, std::string_view, error_code& error) {
    if (!std::isfinite(number)) {
      error = refusal(Refusal::number_range);
      return false;
    }
    return add(number);
  }
  bool on_bool(bool value, error_code&) { return add(value); }
  bool on_null(error_code&) { return add(nullptr); }
  bool on_comment_part(std::string_view, error_code&) { return true; }
  bool on_comment(std::string_view, error_code&) { return true; }

  const std::string& duplicate() const { return duplicate_; }

 private:
  struct Open {
    json::value* value;
    std::string key;
  };

  bool gather(std::string_view part) {
    text_.append(part);
    return true;
  }
  // What was gathered and its last part, which mostly is all of it.
  std::string_view whole(std::string_view last) {
    if (text_.empty()) return last;
    text_.append(last);
    return text_;
  }
  json::value* place(json::value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Open& parent = open_.back();
    if (auto* array = parent.value->if_array()) return &array->emplace_back(std::move(value));
    auto& object = parent.value->get_object();
    return &object.emplace(parent.key, std::move(value)).first->value();
  }
  bool add(json::value value) {
    place(std::move(value));
    return true;
  }
  bool open(json::value container) {
    // A container grows only while it is the innermost one, so this pointer stays valid.
    open_.push_back({place(std::move(container)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  json::value root_;
  std::vector<Open> open_;
  std::string text_;
  std::string duplicate_;
};

std::string where(std::string_view text, std::size_t offset) {
  std::size_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t i = 0; i < offset && i < text.size(); ++i) {
    if (text[i] == '\n') {
      ++line;
      line_start = i + 1;
    }
  }
  return fmt::format("line {}, column {}", line, offset - line_start + 1);
}

}  // namespace

Result<json::value> parse_json(std::string_view text, std::size_t depth_max) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  json::parse_options options;
  options.max_depth = depth_max;
  json::basic_parser<Builder> parser(options);
  error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (error) {
    std::string what = error.message();
    if (!parser.handler().duplicate().empty() || error == refusal(Refusal::duplicate_key)) {
      what = fmt::format("duplicate object key \"{}\"", parser.handler().duplicate());
    }
    return fail(Code::invalid, fmt::format("not JSON: {} at {}", what, where(text, used)));
  }
  if (used < text.size()) {
    return fail(Code::invalid, "not JSON: extra text after the value at " + where(text, used));
  }
  return parser.handler().take();
}

}  // namespace base
