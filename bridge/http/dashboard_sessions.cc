#include "bridge/http/dashboard_sessions.h"

#include "bridge/http/base64url.h"
#include "bridge/http/dashboard_limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace http {

namespace {

constexpr std::size_t secret_bytes = 32;

}  // namespace

DashboardSessions::Made DashboardSessions::add(Table& table, const base::Sha256& key,
                                               base::Instant::duration life,
                                               std::size_t count_max) const {
  const auto now = clock_.now();
  std::erase_if(table, [&](const auto& one) { return one.second.until <= now; });
  if (table.size() >= count_max) {
    // All live equally long, so the first to end is the oldest.
    table.erase(
        std::ranges::min_element(table, {}, [](const auto& one) { return one.second.until; }));
  }
  Made made{.secret = base64url_encoded(base::random_bytes(secret_bytes)),
            .expires = clock_.wall() + life,
            .key = key};
  table.emplace(base::sha256(made.secret), Kept{key, now + life, made.expires});
  return made;
}

DashboardSessions::Made DashboardSessions::new_link(const base::Sha256& key) {
  return add(links_, key, limits::dashboard_link_life, limits::dashboard_links_max);
}

base::Result<DashboardSessions::Made> DashboardSessions::sign_in(std::string_view link) {
  const auto found = links_.find(base::sha256(link));
  if (found == links_.end() || found->second.until <= clock_.now()) {
    return base::fail(base::Code::denied, "the link was used before, is too old or is none");
  }
  const auto key = found->second.key;
  links_.erase(found);
  return add(sessions_, key, limits::dashboard_session_life, limits::dashboard_sessions_max);
}

void DashboardSessions::sign_out(std::string_view secret) { sessions_.erase(base::sha256(secret)); }

std::optional<DashboardSessions::Session> DashboardSessions::find(std::string_view secret) const {
  const auto found = sessions_.find(base::sha256(secret));
  if (found == sessions_.end() || found->second.until <= clock_.now()) return std::nullopt;
  return Session{found->second.key, found->second.expires};
}

std::string dashboard_cookie_name(const Request& request) {
  const auto host = request.header("host").value_or("");
  const auto colon = host.rfind(':');
  const auto port = colon == std::string_view::npos ? "" : host.substr(colon + 1);
  const bool is_number =
      !port.empty() && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? fmt::format("flywheel_session_{}", port) : "flywheel_session";
}

std::optional<std::string_view> dashboard_cookie(const Request& request) {
  const std::string start = dashboard_cookie_name(request) + "=";
  for (const auto& header : request.headers) {
    if (!same_header(header.name, "cookie")) continue;
    auto rest = header.value;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(';'), rest.size());
      auto pair = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
      if (pair.starts_with(start)) return pair.substr(start.size());
    }
  }
  return std::nullopt;
}

std::string set_dashboard_cookie(const Request& request, std::string_view secret) {
  const auto life = secret.empty() ? std::chrono::seconds(0)
                                   : std::chrono::seconds(limits::dashboard_session_life);
  return fmt::format("{}={}; Max-Age={}; Path=/; HttpOnly; SameSite=Strict{}",
                     dashboard_cookie_name(request), secret, life.count(),
                     request.is_secure ? "; Secure" : "");
}

}  // namespace http
