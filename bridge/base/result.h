// A value or a classified reason. Failures are values; exceptions mean cancellation or a bug.
#pragma once

#include "cdp/try.h"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace base {

// What the caller can do about a failure.
enum class Code {
  invalid,         // the input is wrong; the same call fails again
  denied,          // not allowed to this caller
  not_found,       // no such thing
  conflict,        // the state of the thing forbids it
  busy,            // come back later
  login_required,  // a person must act in the browser
  unavailable,     // something this depends on is away
  timeout,         // no answer in time; the outcome may be unknown
  internal,        // a bug or a broken environment
};

std::string_view name(Code code);
// The process exit status that reports this code (sysexits.h where it has one).
int exit_status(Code code);
// The HTTP status that reports this code.
int http_status(Code code);
// True if the same call can succeed later without a change of its input.
bool is_retryable(Code code);

struct Error {
  Code code = Code::internal;
  // Doing what, to which, why not: "claim lane chat:698d: leased by worker-2 until 12:04:31".
  std::string message;
  // A stable machine word where the contract names one ("payload_altered"), else empty.
  std::string reason = {};
  // When the same call may succeed, as far as anybody said.
  std::optional<std::chrono::milliseconds> retry_after = {};

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

template <class T = void>
using Task = boost::asio::awaitable<Result<T>>;

inline std::unexpected<Error> fail(Code code, std::string message, std::string reason = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(reason)});
}

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace base

// Stays on in every build: a broken invariant ends the process before it can do harm.
#define BRIDGE_ASSERT(expression) \
  ((expression) ? void() : ::base::assertion_failed(#expression, __FILE__, __LINE__))
