// People at the dashboard: links that sign in once, and the sessions that these become.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/hash.h"
#include "bridge/base/result.h"
#include "bridge/http/request.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace http {

// Kept in memory, so a restart signs everybody out. Of tokens and secrets only the SHA-256 is kept.
// A session may do what the API key may that asked for its link, for as long as that key may.
class DashboardSessions {
 public:
  // The clock outlives this.
  explicit DashboardSessions(const base::Clock& clock) : clock_(clock) {}

  struct Made {
    std::string secret;  // 256 random bits in base64url; told once
    base::WallTime expires;
    base::Sha256 key{};
  };
  // For limits::dashboard_link_life and one use. Beyond the limit the oldest link ends.
  Made new_link(const base::Sha256& key);
  // Uses the link up. denied: it is unknown, used or too old. Beyond the limit the oldest session
  // ends.
  base::Result<Made> sign_in(std::string_view link);
  // Ends the session at once; nothing happens without one.
  void sign_out(std::string_view secret);

  struct Session {
    base::Sha256 key{};
    base::WallTime expires;
  };
  // Nothing: the secret is of no session, or of one that is over.
  std::optional<Session> find(std::string_view secret) const;

 private:
  struct Kept {
    base::Sha256 key{};
    base::Instant until;
    base::WallTime expires;
  };
  using Table = std::map<base::Sha256, Kept>;

  Made add(Table& table, const base::Sha256& key, base::Instant::duration life,
           std::size_t count_max) const;

  const base::Clock& clock_;
  Table links_;
  Table sessions_;
};

// The cookie that holds a session's secret. Cookies know no ports, so its name does: two daemons on
// one host sign nobody out of each other.
std::string dashboard_cookie_name(const Request& request);
std::optional<std::string_view> dashboard_cookie(const Request& request);
// The header's value; an empty secret takes the cookie back.
std::string set_dashboard_cookie(const Request& request, std::string_view secret);

}  // namespace http
