#include "bridge/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace base {
namespace {

struct Row {
  std::string_view name;
  int exit_status;
  int http_status;
  bool retryable;
};

const Row& row(Code code) {
  static constexpr Row rows[] = {
      {"invalid", 65, 422, false},    {"denied", 77, 403, false},
      {"not_found", 1, 404, false},   {"conflict", 1, 409, false},
      {"busy", 75, 429, true},        {"login_required", 77, 503, true},
      {"unavailable", 69, 503, true}, {"timeout", 124, 504, true},
      {"internal", 70, 500, false},
  };
  return rows[static_cast<int>(code)];
}

}  // namespace

std::string_view name(Code code) { return row(code).name; }
int exit_status(Code code) { return row(code).exit_status; }
int http_status(Code code) { return row(code).http_status; }
bool is_retryable(Code code) { return row(code).retryable; }

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "flywheel: broken invariant at %s:%d: %s\n", file, line, expression);
  std::abort();
}

}  // namespace base
