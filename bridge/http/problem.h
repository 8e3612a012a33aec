// Errors as callers read them: RFC 9457 application/problem+json.
#pragma once

#include "bridge/base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace http {

namespace json = boost::json;

// What is wrong with one place of a body.
struct BodyError {
  std::string pointer;  // RFC 6901; empty for the whole
  std::string keyword;
  std::string detail;
};

struct Problem {
  int status = 500;
  std::string code;    // a stable machine word
  std::string detail;  // doing what, to which, why not
  bool is_retryable = false;
  std::optional<std::chrono::seconds> retry_after = {};
  std::vector<BodyError> errors = {};
  json::object extra = {};  // further members
};

// The status, code and retryable of an Error: its reason is the code where it has one.
Problem problem_of(const base::Error& error);

// The reason phrase of a status: "Not Found".
std::string_view phrase(int status);

// The document. `instance` is the path asked for.
std::string problem_json(const Problem& problem, std::string_view instance,
                         std::string_view request_id);

}  // namespace http
