#include "bridge/services/agents/facts.h"

#include "bridge/services/agents/agent_limits.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace services::agents {

namespace {

constexpr std::string_view gpt_path = "/g/";

// No controls, and no space around: what people cannot see must not tell two names apart.
bool is_plain(std::string_view text) {
  return !text.empty() && text.front() != ' ' && text.back() != ' ' &&
         std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

// "https://host/…", with something behind the scheme and nobody's password in it.
bool is_web_address(std::string_view link) {
  const auto host = link.starts_with("https://") ? 8u : link.starts_with("http://") ? 7u : 0u;
  if (host == 0 || link.size() <= host || link[host] == '/') return false;
  const auto authority = link.substr(host, link.find('/', host) - host);
  return authority.find('@') == std::string_view::npos;
}

class Checker {
 public:
  explicit Checker(std::string_view at) : at_(at) {}

  void wrong(std::string_view where, std::string_view keyword, std::string detail) {
    found_.push_back({fmt::format("{}/{}", at_, where), std::string(keyword), std::move(detail)});
  }

  void name(const std::string& text, std::string_view where) {
    if (text.size() > limits::agent_name_bytes_max) {
      wrong(where, "maxLength", fmt::format("longer than {} bytes", limits::agent_name_bytes_max));
    } else if (!is_plain(text)) {
      wrong(where, "pattern", "must not be empty, begin or end with a space, or hold controls");
    }
  }

  void link(const std::string& text, Kind kind, const Origins& origins) {
    if (text.empty()) return;
    if (text.size() > limits::agent_link_bytes_max) {
      wrong("link", "maxLength", fmt::format("longer than {} bytes", limits::agent_link_bytes_max));
    } else if (!is_visible_ascii(text) || !is_web_address(text)) {
      wrong("link", "format", "must be an http or https address without spaces");
    } else if (kind == Kind::custom_gpt && !is_of_gpt(text, origins)) {
      wrong("link", "pattern", "must be https://chatgpt.com/g/…, or null");
    }
  }

  void words(const std::vector<std::string>& all, std::string_view where) {
    if (all.size() > limits::agent_words_max) {
      wrong(where, "maxItems", fmt::format("more than {}", limits::agent_words_max));
      return;
    }
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto place = fmt::format("{}/{}", where, i);
      name(all[i], place);
      if (!seen.insert(all[i]).second) wrong(place, "uniqueItems", "is there twice");
    }
  }

  std::vector<protocol::Violation> take() { return std::move(found_); }

 private:
  static bool is_of_gpt(std::string_view link, const Origins& origins) {
    return std::ranges::any_of(origins, [&](std::string_view origin) {
      return link.starts_with(origin) && link.substr(origin.size()).starts_with(gpt_path) &&
             link.size() > origin.size() + gpt_path.size();
    });
  }

  std::string at_;
  std::vector<protocol::Violation> found_;
};

bool has_letters(std::string_view text) { return !slug_of(text).empty(); }

}  // namespace

std::vector<protocol::Violation> faults(const Facts& facts, Kind kind, const Origins& origins,
                                        std::string_view at) {
  Checker check(at);
  if (facts.name) check.name(*facts.name, "name");
  if (facts.link) check.link(*facts.link, kind, origins);
  if (facts.category && !facts.category->empty()) {
    check.name(*facts.category, "category");
    if (!has_letters(*facts.category)) {
      check.wrong("category", "pattern", "must hold a letter or a digit");
    }
  }
  if (facts.purpose && facts.purpose->size() > limits::agent_purpose_bytes_max) {
    check.wrong("purpose", "maxLength",
                fmt::format("longer than {} bytes", limits::agent_purpose_bytes_max));
  }
  if (facts.aliases) check.words(*facts.aliases, "aliases");
  if (facts.capabilities) check.words(*facts.capabilities, "capabilities");
  return check.take();
}

}  // namespace services::agents
