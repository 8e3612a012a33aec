// Fleets: the agents of one category, sent on missions together. Functions of one transaction.
#pragma once

#include "bridge/services/agents/rules.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::agents {

struct Member {
  // withdrawn: it was removed, or given another status by hand, before its part had ended.
  enum class State { assigned, working, done, failed, withdrawn };
  std::string agent;  // its id
  std::string slug, name;
  State state = State::assigned;
  int progress = 0;  // percent
  std::string note = {};
  base::WallTime changed;
};

struct Mission {
  // completed: every member is done, failed or withdrawn, and one at least is done; failed: none
  // is.
  enum class State { running, completed, failed, recalled };
  std::string id;  // a UUID of version 7
  std::string category, category_key;
  std::string objective;
  State state = State::running;
  std::string creator;
  base::WallTime created;
  std::optional<base::WallTime> ended = {};
  std::vector<Member> members = {};  // by slug

  int progress() const;  // percent: the mean of those who were not withdrawn
};

std::string_view name(Member::State state);
std::string_view name(Mission::State state);
std::optional<Member::State> member_state_of(std::string_view word);

struct Fleet {
  std::string category, key;
  std::string purpose;                  // of an ecosystem
  std::vector<Agent> members;           // by slug
  std::optional<Mission> mission = {};  // the one that runs
};

// In any spelling of the category. One whose agents have all been given another category is there
// as long as its mission runs, so that it can be called back. not_found: it is no ecosystem, nobody
// is in it, and no mission of it runs.
base::Result<Fleet> fleet(store::Tx& tx, const Catalogue& catalogue, std::string_view category);
// The ecosystems in the catalogue's order, then the other categories by key.
base::Result<std::vector<Fleet>> fleets(store::Tx& tx, const Catalogue& catalogue);
// conflict, reason empty_fleet: nobody is in it. For all who would let it do something.
base::Result<> check_manned(const Fleet& fleet);

// Sends all active members on a mission; they are deployed then. conflict, reason empty_fleet,
// mission_running, or no_active_member.
base::Result<Mission> deploy(const Act& act, const Catalogue& catalogue, std::string_view category,
                             std::string objective);
// Ends the mission; its members are active again. conflict, reason no_mission.
base::Result<Mission> recall(const Act& act, const Catalogue& catalogue, std::string_view category);

struct Report {
  std::optional<int> progress = {};
  std::optional<Member::State> state = {};
  std::optional<std::string> note = {};
};
// What a member says of its part; 100 percent is done unless a state is said. The mission ends with
// the last part. not_found: `agent` is not on it; conflict, reason mission_over.
base::Result<Mission> report(const Act& act, const Catalogue& catalogue, Mission mission,
                             const Agent& agent, const Report& report);
// `agent` is no longer deployed: its part ends in every mission that still waits for it. A part
// that is done or failed stays so.
base::Result<> withdraw(const Act& act, const Catalogue& catalogue, const Agent& agent);

// not_found: this fleet had no such mission.
base::Result<Mission> mission(store::Tx& tx, std::string_view category, const std::string& id);
// Newest first, older than the one with the id `before`; empty: from the newest. At most `limit`,
// and fewer where they are long.
base::Result<store::Part<Mission>> missions(store::Tx& tx, std::string_view category,
                                            const std::string& before, std::size_t limit);
// How many there were, by state.
base::Result<std::map<std::string, std::int64_t>> mission_counts(store::Tx& tx);

}  // namespace services::agents
