#include "bridge/services/events/attempt.h"

#include "bridge/base/result.h"
#include "bridge/services/events/event_limits.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <fmt/format.h>

namespace events {

using std::chrono::seconds;

namespace {

constexpr int gone = 410;

// What says "not now" of the receiver as a whole, and not of this one event.
bool slows_down(const Attempt& attempt) {
  if (attempt.is_forbidden) return false;
  const int status = attempt.status;
  return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

seconds throttle_for(const Attempt& attempt, int throttles) {
  if (attempt.retry_after) {
    return std::clamp(*attempt.retry_after, seconds(1), limits::webhook_throttle_asked_max);
  }
  seconds pause = limits::webhook_throttle_first;
  for (int i = 0; i < throttles && pause < limits::webhook_throttle_max; ++i) pause *= 2;
  return std::min(pause, limits::webhook_throttle_max);
}

std::string words_for(const Attempt& attempt) {
  if (attempt.status == 0) return attempt.detail;
  if (attempt.status >= 300 && attempt.status < 400) {
    return fmt::format("the receiver answered {}: redirects are not followed", attempt.status);
  }
  if (attempt.detail.empty()) return fmt::format("the receiver answered {}", attempt.status);
  return fmt::format("the receiver answered {}: {}", attempt.status, attempt.detail);
}

}  // namespace

std::optional<seconds> retry_after_of(std::string_view header, base::WallTime now) {
  constexpr std::size_t longest = 64;
  if (header.empty() || header.size() > longest) return std::nullopt;
  std::int64_t count = 0;
  const auto* end = header.data() + header.size();
  const auto [last, error] = std::from_chars(header.data(), end, count);
  if (last == end && error == std::errc::result_out_of_range) return seconds::max();
  if (last == end && error == std::errc() && count >= 0) return seconds(count);
  std::tm parts{};
  const std::string text(header);
  const char* rest = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  // Of whole seconds, since WallTime need not reach as far as the date or from there to now.
  const std::chrono::sys_seconds when{seconds(::timegm(&parts))};
  return std::max(seconds(0), when - std::chrono::floor<seconds>(now));
}

Verdict judge(const Attempt& attempt, int attempts, int throttles) {
  BRIDGE_ASSERT(attempts >= 1 && throttles >= 0);
  Verdict verdict{.detail = words_for(attempt)};
  if (attempt.status >= 200 && attempt.status < 300) {
    verdict.fate = Verdict::Fate::delivered;
    return verdict;
  }
  if (attempt.status == gone) {
    verdict.fate = Verdict::Fate::dead;
    verdict.disables = true;
    return verdict;
  }
  if (attempt.is_pointless) {
    verdict.fate = Verdict::Fate::dead;
    return verdict;
  }
  if (slows_down(attempt)) verdict.throttle = throttle_for(attempt, throttles);
  const auto made = static_cast<std::size_t>(attempts);
  if (made > limits::webhook_pauses.size()) {
    verdict.fate = Verdict::Fate::dead;
    return verdict;
  }
  verdict.pause = limits::webhook_pauses[made - 1];
  if (attempt.retry_after) {
    verdict.pause =
        std::max(verdict.pause, std::min(*attempt.retry_after, limits::webhook_retry_after_max));
  }
  return verdict;
}

}  // namespace events
