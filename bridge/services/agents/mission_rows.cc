#include "bridge/services/agents/mission_rows.h"

#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/services/agents/rows.h"

#include <fmt/format.h>

namespace services::agents {

using base::Result;

namespace {

Mission::State mission_state_of(std::string_view word) {
  for (const auto state : {Mission::State::running, Mission::State::completed,
                           Mission::State::failed, Mission::State::recalled}) {
    if (name(state) == word) return state;
  }
  BRIDGE_ASSERT(false);
  return {};
}

Result<> add_members(store::Tx& tx, Mission& mission) {
  TRY(const auto found, tx.query(R"sql(
    SELECT agent, slug, name, state, progress, note, changed_at
    FROM mission_members
    WHERE mission = $1
    ORDER BY slug, agent
  )sql",
                                 {mission.id}));
  for (const auto& row : found) {
    mission.members.push_back({.agent = row[0].text(),
                               .slug = row[1].text(),
                               .name = row[2].text(),
                               .state = *member_state_of(row[3].text()),
                               .progress = static_cast<int>(row[4].integer()),
                               .note = row[5].text(),
                               .changed = engine::from_stamp(row[6].integer())});
  }
  return {};
}

std::string select(std::string_view rest) {
  return fmt::format(R"sql(
    SELECT m.id, m.category, m.category_key, m.objective, m.state, m.creator, m.created_at,
           m.ended_at
    FROM missions m
    {}
  )sql",
                     rest);
}

Result<Mission> mission_of(store::Tx& tx, const store::Row& row) {
  Mission mission{.id = row[0].text(),
                  .category = row[1].text(),
                  .category_key = row[2].text(),
                  .objective = row[3].text(),
                  .state = mission_state_of(row[4].text()),
                  .creator = row[5].text(),
                  .created = engine::from_stamp(row[6].integer())};
  if (!row[7].is_null()) mission.ended = engine::from_stamp(row[7].integer());
  TRY_OK(add_members(tx, mission));
  return mission;
}

std::size_t bytes_of(const Mission& mission) {
  std::size_t bytes = mission.objective.size();
  for (const auto& member : mission.members) bytes += member.name.size() + member.note.size();
  return bytes;
}

}  // namespace

namespace mission_rows {

Result<std::vector<Mission>> all(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(const auto found, tx.query(select(rest), std::move(values)));
  std::vector<Mission> missions;
  for (const auto& row : found) {
    TRY(auto mission, mission_of(tx, row));
    missions.push_back(std::move(mission));
  }
  return missions;
}

Result<store::Part<Mission>> some(store::Tx& tx, std::string_view rest, store::Values values,
                                  std::size_t most) {
  TRY(const auto found, tx.query(select(rest), std::move(values)));
  store::Part<Mission> part;
  std::size_t bytes = 0;
  for (const auto& row : found) {
    if (part.items.size() == most || bytes >= limits::list_part_bytes) {
      part.is_end = false;
      break;
    }
    TRY(auto mission, mission_of(tx, row));
    bytes += bytes_of(mission);
    part.items.push_back(std::move(mission));
  }
  return part;
}

Result<std::optional<Mission>> one(store::Tx& tx, std::string_view rest, store::Values values) {
  TRY(auto found, all(tx, rest, std::move(values)));
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

Result<> insert(store::Tx& tx, const Mission& mission) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO missions (id, category, category_key, objective, state, creator, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
  )sql",
                    {mission.id, mission.category, mission.category_key, mission.objective,
                     name(mission.state), mission.creator, engine::to_stamp(mission.created)}));
  return {};
}

Result<> add_member(store::Tx& tx, const std::string& mission, const Member& member) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO mission_members (mission, agent, slug, name, state, progress, note, changed_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
  )sql",
                    {mission, member.agent, member.slug, member.name, name(member.state),
                     member.progress, member.note, engine::to_stamp(member.changed)}));
  return {};
}

Result<> set_member(store::Tx& tx, const std::string& mission, const Member& member) {
  TRY_OK(tx.execute(R"sql(
    UPDATE mission_members
    SET state = $3, progress = $4, note = $5, changed_at = $6
    WHERE mission = $1 AND agent = $2
  )sql",
                    {mission, member.agent, name(member.state), member.progress, member.note,
                     engine::to_stamp(member.changed)}));
  return {};
}

Result<> set_state(store::Tx& tx, const Mission& mission) {
  TRY_OK(tx.execute("UPDATE missions SET state = $2, ended_at = $3 WHERE id = $1",
                    {mission.id, name(mission.state), engine::to_stamp(*mission.ended)}));
  return {};
}

}  // namespace mission_rows
}  // namespace services::agents
