#include "bridge/services/agents/fleets.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/base/utf8.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/agents/mission_rows.h"
#include "bridge/services/agents/rows.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace services::agents {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

constexpr std::array<std::pair<Member::State, std::string_view>, 5> member_states = {
    {{Member::State::assigned, "assigned"},
     {Member::State::working, "working"},
     {Member::State::done, "done"},
     {Member::State::failed, "failed"},
     {Member::State::withdrawn, "withdrawn"}}};

bool has_ended(const Member& member) {
  return member.state != Member::State::assigned && member.state != Member::State::working;
}

base::WallTime to_milliseconds(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time);
}

Result<> tell(const Act& act, std::string type, const Mission& mission, json::object more = {}) {
  json::object data{{"category", mission.category},
                    {"objective_sha256", base::sha256_hex(mission.objective)},
                    {"state", name(mission.state)},
                    {"progress", mission.progress()},
                    {"members", mission.members.size()}};
  for (auto& [key, value] : more) data[key] = std::move(value);
  TRY_OK(act.journal.append(act.tx,
                            {.type = std::move(type),
                             .subject = mission.id,
                             .actor = act.actor,
                             .thread = mission.id,
                             .data = std::move(data)},
                            act.now));
  return {};
}

Result<std::optional<Mission>> running(store::Tx& tx, const std::string& key) {
  return mission_rows::one(tx, "WHERE m.category_key = $1 AND m.state = 'running'", {key});
}

// The missions that run and still wait for the agent's part, oldest first.
Result<std::vector<Mission>> waiting_for(store::Tx& tx, const std::string& agent) {
  return mission_rows::all(tx, R"sql(
    WHERE m.state = 'running'
      AND m.id IN (SELECT mission
                   FROM mission_members
                   WHERE agent = $1 AND state IN ('assigned', 'working'))
    ORDER BY m.id
  )sql",
                           {agent});
}

// Its members that are deployed are active again, but those whom another mission waits for.
Result<> end(const Act& act, const Catalogue& catalogue, Mission& mission, Mission::State state) {
  mission.state = state;
  mission.ended = to_milliseconds(act.now);
  TRY_OK(mission_rows::set_state(act.tx, mission));
  for (const auto& member : mission.members) {
    if (member.state == Member::State::withdrawn) continue;
    TRY(auto agent, with_id(act.tx, member.agent));
    if (!agent || agent->status != Status::deployed) continue;
    TRY(const auto others, waiting_for(act.tx, agent->id));
    if (!others.empty()) continue;
    TRY_OK(change(act, catalogue, *std::move(agent), {.status = Status::active}));
  }
  return tell(act, fmt::format("mission.{}", name(state)), mission);
}

Result<> end_if_over(const Act& act, const Catalogue& catalogue, Mission& mission) {
  if (!std::ranges::all_of(mission.members, has_ended)) return {};
  const bool is_done = std::ranges::any_of(
      mission.members, [](const Member& member) { return member.state == Member::State::done; });
  return end(act, catalogue, mission, is_done ? Mission::State::completed : Mission::State::failed);
}

Member* member_of(Mission& mission, const std::string& agent) {
  const auto found = std::ranges::find(mission.members, agent, &Member::agent);
  return found == mission.members.end() ? nullptr : &*found;
}

}  // namespace

int Mission::progress() const {
  int sum = 0;
  int count = 0;
  for (const auto& member : members) {
    if (member.state == Member::State::withdrawn) continue;
    sum += member.progress;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

std::string_view name(Member::State state) {
  return std::ranges::find(member_states, state, &decltype(member_states)::value_type::first)
      ->second;
}

std::string_view name(Mission::State state) {
  switch (state) {
    case Mission::State::running:
      return "running";
    case Mission::State::completed:
      return "completed";
    case Mission::State::failed:
      return "failed";
    case Mission::State::recalled:
      return "recalled";
  }
  BRIDGE_ASSERT(false);
  return {};
}

std::optional<Member::State> member_state_of(std::string_view word) {
  for (const auto& [state, known] : member_states) {
    if (known == word) return state;
  }
  return std::nullopt;
}

Result<Fleet> fleet(store::Tx& tx, const Catalogue& catalogue, std::string_view category) {
  Fleet fleet{.key = slug_of(category)};
  const auto* ecosystem = catalogue.ecosystem(fleet.key);
  if (!fleet.key.empty()) {
    TRY(fleet.members, list(tx, {.category = fleet.key}, {}, limits::agents_max));
  }
  TRY(fleet.mission, running(tx, fleet.key));
  if (ecosystem) {
    fleet.category = ecosystem->name;
    fleet.purpose = ecosystem->purpose;
  } else if (!fleet.members.empty()) {
    fleet.category = fleet.members.front().category;
  } else if (fleet.mission) {
    fleet.category = fleet.mission->category;
  } else {
    return base::fail(Code::not_found,
                      fmt::format("find fleet {}: it is no ecosystem, no agent is in it, and it is "
                                  "on no mission",
                                  base::beginning_of(category, limits::agent_name_bytes_max)));
  }
  return fleet;
}

Result<std::vector<Fleet>> fleets(store::Tx& tx, const Catalogue& catalogue) {
  std::vector<std::string> keys;
  for (const auto& ecosystem : catalogue.ecosystems()) keys.push_back(ecosystem.key);
  const std::set<std::string> known(keys.begin(), keys.end());
  TRY(const auto rows, tx.query(R"sql(
    SELECT category_key
    FROM agents
    WHERE category_key <> ''
    UNION
    SELECT category_key
    FROM missions
    WHERE state = 'running'
    ORDER BY category_key
    LIMIT $1
  )sql",
                                {limits::fleets_max}));
  for (const auto& row : rows) {
    if (!known.contains(row[0].text())) keys.push_back(row[0].text());
  }
  std::vector<Fleet> all;
  for (const auto& key : keys) {
    TRY(auto one, fleet(tx, catalogue, key));
    all.push_back(std::move(one));
  }
  return all;
}

Result<> check_manned(const Fleet& fleet) {
  if (!fleet.members.empty()) return {};
  return base::fail(Code::conflict, fmt::format("use fleet {}: nobody is in it", fleet.category),
                    "empty_fleet");
}

Result<Mission> deploy(const Act& act, const Catalogue& catalogue, std::string_view category,
                       std::string objective) {
  TRY(auto target, fleet(act.tx, catalogue, category));
  TRY_OK(check_manned(target));
  const auto refuse = [&](std::string_view why, std::string reason) {
    return base::fail(Code::conflict, fmt::format("deploy fleet {}: {}", target.category, why),
                      std::move(reason));
  };
  if (target.mission) {
    return refuse(fmt::format("mission {} is still running; recall it first", target.mission->id),
                  "mission_running");
  }
  Mission mission{.id = base::uuid_v7(act.now),
                  .category = target.category,
                  .category_key = target.key,
                  .objective = std::move(objective),
                  .creator = act.actor,
                  .created = to_milliseconds(act.now)};
  TRY_OK(mission_rows::insert(act.tx, mission));
  for (auto& agent : target.members) {
    if (agent.status != Status::active) continue;
    TRY(const auto sent, change(act, catalogue, std::move(agent), {.status = Status::deployed}));
    mission.members.push_back({.agent = sent.id,
                               .slug = sent.slug,
                               .name = sent.name,
                               .changed = to_milliseconds(act.now)});
    TRY_OK(mission_rows::add_member(act.tx, mission.id, mission.members.back()));
  }
  if (mission.members.empty()) {
    return refuse("none of its members is active", "no_active_member");
  }
  TRY_OK(tell(act, "mission.started", mission));
  return mission;
}

Result<Mission> recall(const Act& act, const Catalogue& catalogue, std::string_view category) {
  TRY(auto target, fleet(act.tx, catalogue, category));
  if (!target.mission) {
    return base::fail(Code::conflict,
                      fmt::format("recall fleet {}: it is on no mission", target.category),
                      "no_mission");
  }
  TRY_OK(end(act, catalogue, *target.mission, Mission::State::recalled));
  return *std::move(target.mission);
}

Result<Mission> report(const Act& act, const Catalogue& catalogue, Mission mission,
                       const Agent& agent, const Report& report) {
  Member* member = member_of(mission, agent.id);
  if (!member) {
    return base::fail(Code::not_found, fmt::format("report to mission {}: agent {} is not on it",
                                                   mission.id, agent.slug));
  }
  // Whoever is done and was called away says no more of it.
  const bool has_left = member->state == Member::State::withdrawn ||
                        (has_ended(*member) && agent.status != Status::deployed);
  if (mission.state != Mission::State::running || has_left) {
    return base::fail(
        Code::conflict,
        fmt::format("report to mission {}: it is over for agent {}", mission.id, agent.slug),
        "mission_over");
  }
  if (report.progress) {
    member->progress = *report.progress;
    member->state = member->progress == 100 ? Member::State::done : Member::State::working;
  }
  if (report.state) member->state = *report.state;
  if (report.state == Member::State::done) member->progress = 100;
  if (report.note) member->note = *report.note;
  member->changed = to_milliseconds(act.now);
  TRY_OK(mission_rows::set_member(act.tx, mission.id, *member));
  TRY_OK(tell(
      act, "mission.progressed", mission,
      {{"agent", agent.id}, {"part", name(member->state)}, {"part_progress", member->progress}}));
  TRY_OK(end_if_over(act, catalogue, mission));
  return mission;
}

Result<> withdraw(const Act& act, const Catalogue& catalogue, const Agent& agent) {
  TRY(auto missions, waiting_for(act.tx, agent.id));
  for (auto& mission : missions) {
    Member* member = member_of(mission, agent.id);
    member->state = Member::State::withdrawn;
    member->changed = to_milliseconds(act.now);
    TRY_OK(mission_rows::set_member(act.tx, mission.id, *member));
    TRY_OK(tell(act, "mission.progressed", mission,
                {{"agent", agent.id}, {"part", name(member->state)}}));
    TRY_OK(end_if_over(act, catalogue, mission));
  }
  return {};
}

Result<Mission> mission(store::Tx& tx, std::string_view category, const std::string& id) {
  TRY(auto found,
      mission_rows::one(tx, "WHERE m.id = $1 AND m.category_key = $2", {id, slug_of(category)}));
  if (found) return *std::move(found);
  return base::fail(Code::not_found, fmt::format("find mission {}: this fleet had none", id));
}

Result<store::Part<Mission>> missions(store::Tx& tx, std::string_view category,
                                      const std::string& before, std::size_t limit) {
  return mission_rows::some(tx, R"sql(
    WHERE m.category_key = $1 AND ($2 = '' OR m.id < $2)
    ORDER BY m.id DESC
    LIMIT $3
  )sql",
                            {slug_of(category), before, limit + 1}, limit);
}

Result<std::map<std::string, std::int64_t>> mission_counts(store::Tx& tx) {
  std::map<std::string, std::int64_t> counts{
      {"running", 0}, {"completed", 0}, {"failed", 0}, {"recalled", 0}};
  TRY(const auto rows, tx.query("SELECT state, COUNT(*) FROM missions GROUP BY state"));
  for (const auto& row : rows) counts[row[0].text()] = row[1].integer();
  return counts;
}

}  // namespace services::agents
