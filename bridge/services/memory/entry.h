// What is remembered, and who may read it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::memory {

// Whose an entry is, with the fleet of that agent when it was stored: what was shared with a fleet
// stays with it wherever its owner goes. Replies of conversations that no registered agent stands
// for belong to `conversation`.
inline constexpr std::string_view conversation = "conversation";
struct Owner {
  std::string agent;       // its id
  std::string fleet = {};  // its category's key; empty: none
};

// Who may read it besides its owner and operators.
enum class Sharing { nobody, fleet, all };
std::string_view name(Sharing sharing);  // private, fleet, all
std::optional<Sharing> sharing_named(std::string_view word);

// How it came here. What a model wrote is data that nobody vouches for, wherever it is shown.
enum class Origin { reply, agent, person };
std::string_view name(Origin origin);
bool is_trusted(Origin origin);

struct Entry {
  std::int64_t number = 0;  // in the order in which they were stored
  std::string id;           // a UUID of version 7
  Owner owner;              // as it was when it was stored
  std::string type;         // "note", "knowledge", "analysis", "conversation", "reply", …
  Sharing sharing = Sharing::nobody;
  Origin origin = Origin::agent;
  std::string title;
  std::string content;  // in lists only its beginning
  std::vector<std::string> tags;
  base::json::object metadata;    // the caller's
  base::json::object provenance;  // where it comes from
  std::string sha256;             // of the whole content
  std::int64_t bytes = 0;         // of the whole content
  std::string creator;            // the principal
  base::WallTime created;
};

// Who reads. An operator sees everything.
struct Viewer {
  bool is_operator = false;
  Owner self = {};  // an agent; with an empty id it sees what all may see
};
bool may_read(const Viewer& viewer, const Entry& entry);

// What the index knows of an entry besides its words: short words that no text can hold.
namespace mark {
std::string of_agent(std::string_view id);
std::string of_fleet(std::string_view key);
std::string of_type(std::string_view type);
std::string of_tag(std::string_view tag);
std::string of_all();
}  // namespace mark
// All of them, separated by spaces.
std::string marks_of(const Entry& entry);
// Those of which an entry must have one to be seen; none: it sees everything.
std::vector<std::string> marks_seen_by(const Viewer& viewer);

}  // namespace services::memory
