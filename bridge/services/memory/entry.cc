#include "bridge/services/memory/entry.h"

#include "bridge/base/hash.h"

#include <array>

#include <fmt/format.h>

namespace services::memory {

namespace {

constexpr std::array<std::string_view, 3> sharings = {"private", "fleet", "all"};
constexpr std::array<std::string_view, 3> origins = {"reply", "agent", "person"};

// One letter that is no hexadecimal digit, then digits: every mark is one word to the index, all
// are equally long, and none is a part of another.
std::string marked(char kind, std::string_view text) {
  return fmt::format("{}{}", kind, base::sha256_hex(text).substr(0, 16));
}

}  // namespace

std::string_view name(Sharing sharing) { return sharings[static_cast<std::size_t>(sharing)]; }

std::optional<Sharing> sharing_named(std::string_view word) {
  for (std::size_t i = 0; i < sharings.size(); ++i) {
    if (sharings[i] == word) return static_cast<Sharing>(i);
  }
  return std::nullopt;
}

std::string_view name(Origin origin) { return origins[static_cast<std::size_t>(origin)]; }

bool is_trusted(Origin origin) { return origin == Origin::person; }

bool may_read(const Viewer& viewer, const Entry& entry) {
  if (viewer.is_operator || entry.sharing == Sharing::all) return true;
  const auto& self = viewer.self;
  if (!self.agent.empty() && self.agent == entry.owner.agent) return true;
  return entry.sharing == Sharing::fleet && !self.fleet.empty() && self.fleet == entry.owner.fleet;
}

namespace mark {

std::string of_agent(std::string_view id) { return marked('w', id); }
std::string of_fleet(std::string_view key) { return marked('v', key); }
std::string of_type(std::string_view type) { return marked('t', type); }
std::string of_tag(std::string_view tag) { return marked('g', tag); }
std::string of_all() { return marked('s', ""); }

}  // namespace mark

std::string marks_of(const Entry& entry) {
  std::string marks = mark::of_agent(entry.owner.agent) + ' ' + mark::of_type(entry.type);
  const bool is_for_fleet = entry.sharing != Sharing::nobody && !entry.owner.fleet.empty();
  if (is_for_fleet) marks += ' ' + mark::of_fleet(entry.owner.fleet);
  if (entry.sharing == Sharing::all) marks += ' ' + mark::of_all();
  for (const auto& tag : entry.tags) marks += ' ' + mark::of_tag(tag);
  return marks;
}

std::vector<std::string> marks_seen_by(const Viewer& viewer) {
  if (viewer.is_operator) return {};
  std::vector<std::string> seen{mark::of_all()};
  if (!viewer.self.agent.empty()) seen.push_back(mark::of_agent(viewer.self.agent));
  if (!viewer.self.fleet.empty()) seen.push_back(mark::of_fleet(viewer.self.fleet));
  return seen;
}

}  // namespace services::memory
