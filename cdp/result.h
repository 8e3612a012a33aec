// A value or a classified reason, for everything that talks to a browser.
#pragma once

#include "cdp/try.h"

#include <chrono>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/awaitable.hpp>

namespace cdp {

using Clock = std::chrono::steady_clock;
using Duration = Clock::duration;

enum class Failure {
  closed,     // the connection, or what was asked for, has been closed
  detached,   // the tab has gone, or its session has ended
  crashed,    // the tab's renderer crashed; navigate revives it
  navigated,  // the document the call ran in has been replaced
  dialog,     // a JavaScript dialog blocks the page until someone answers it
  timeout,    // no answer in time; the outcome is unknown
  refused,    // the browser answered with an error
  thrown,     // the page's script threw
  locked,     // another browser uses the profile
  launch,     // the browser did not start
  overflow,   // a bound was exceeded
  invalid,    // the input, or a message of the browser, is malformed
};

std::string_view name(Failure failure);

struct Error {
  Failure failure = Failure::invalid;
  // The protocol's error code for refused and navigated, the exit status for launch and locked.
  int code = 0;
  // Doing what, to which, why not: "Page.navigate: Cannot navigate to invalid URL".
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

template <class T = void>
using Task = boost::asio::awaitable<Result<T>>;

inline std::unexpected<Error> fail(Failure failure, std::string message, int code = 0) {
  return std::unexpected(Error{failure, code, std::move(message)});
}

}  // namespace cdp
