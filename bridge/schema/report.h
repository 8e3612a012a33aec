// What a check tells about a value, in two strengths: nothing but its verdict, or every location.
#pragma once

#include "bridge/schema/program.h"
#include "bridge/schema/schema.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace schema {

// One step of a path: nothing, a name or an index.
class Token {
 public:
  Token() = default;
  Token(std::string_view name) : name_(name), kind_(Kind::name) {}
  Token(std::size_t index) : index_(index), kind_(Kind::index) {}

  // "/name" or "/7".
  std::string text() const;

 private:
  enum class Kind { none, name, index };
  std::string_view name_;
  std::size_t index_ = 0;
  Kind kind_ = Kind::none;
};

// The way from the root to where a schema meets a value: a chain on the stack.
struct Place {
  const Place* from = nullptr;
  std::string_view keyword = {};
  Token below_keyword = {};
  Token member = {};

  Place down(std::string_view key, Token below = {}, Token in_instance = {}) const {
    return {this, key, below, in_instance};
  }
  std::string keyword_location() const;
  std::string instance_location() const;
};

// Place when nobody asks for locations: costs nothing.
struct NoPlace {
  template <class... T>
  NoPlace down(const T&...) const {
    return {};
  }
};

Violation violation_at(const Program& program, const Node& node, const Place& place,
                       std::string_view keyword, std::string message);

// False for keywords that assert or apply and have nothing more to tell.
bool is_annotation(std::string_view keyword);

// Texts for people.
std::string type_name(const json::value& value);
std::string allowed_types(Types types);
std::string brief(const json::value& value);
std::string counted(std::size_t count, std::string_view singular, std::string_view plural);
std::string listed(const std::vector<std::string_view>& names);

}  // namespace schema
