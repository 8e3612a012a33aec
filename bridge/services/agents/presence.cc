// Heartbeats, and who has stopped to send them.
#include "bridge/engine/time.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/agents/rows.h"
#include "bridge/services/agents/rules.h"

namespace services::agents {

namespace json = boost::json;
using base::Result;

namespace {

Result<> tell_offline(const Act& act, Agent& agent) {
  agent.is_told_offline = true;
  return act.tell("agent.offline", agent, {{"last_heartbeat", base::rfc3339(*agent.last_beat)}});
}

}  // namespace

Result<Beaten> beat(const Act& act, const Windows& windows, Agent agent, std::string status,
                    std::optional<json::object> metrics) {
  Beaten beaten{.agent = std::move(agent)};
  auto& now = beaten.agent;
  beaten.before = liveness_of(now, act.now, windows);
  // Nobody has looked since its window passed.
  if (beaten.before == Liveness::offline && !now.is_told_offline) {
    TRY_OK(tell_offline(act, now));
  }
  const bool is_other_status = now.reported != status;
  now.last_beat = std::chrono::floor<std::chrono::milliseconds>(act.now);
  now.reported = std::move(status);
  if (metrics) now.metrics = *std::move(metrics);
  ++now.beats;
  beaten.after = liveness_of(now, act.now, windows);
  json::object more{{"liveness", name(beaten.after)}, {"reported", now.reported}};
  if (beaten.after == Liveness::offline) {
    // It says good-bye.
    if (!now.is_told_offline) TRY_OK(tell_offline(act, now));
  } else if (now.is_told_offline) {
    now.is_told_offline = false;
    TRY_OK(act.tell("agent.online", now, std::move(more)));
  } else if (is_other_status || beaten.before != beaten.after) {
    TRY_OK(act.tell("agent.heartbeat", now, std::move(more)));
  }
  TRY_OK(rows::set_beat(act.tx, now));
  TRY_OK(rows::add_beat(act.tx, now));
  return beaten;
}

Result<int> sweep(const Act& act, const Windows& windows) {
  TRY(auto silent,
      rows::all(act.tx, R"sql(
    WHERE a.told_offline = 0 AND a.last_beat_at <= $1
    ORDER BY a.last_beat_at, a.id
    LIMIT $2
  )sql",
                {engine::to_stamp(act.now - windows.degraded), limits::agents_swept_at_once}));
  for (auto& agent : silent) {
    TRY_OK(tell_offline(act, agent));
    TRY_OK(rows::set_told_offline(act.tx, agent));
  }
  return static_cast<int>(silent.size());
}

Result<std::vector<Beat>> beats(store::Tx& tx, const Agent& agent, std::int64_t before,
                                std::size_t limit) {
  return rows::beats(tx, agent.id, before, limit);
}

}  // namespace services::agents
