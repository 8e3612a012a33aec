// The registry of agents: who there is, what they are for, and whether they are there.
//
// A caller who is bound to an agent may say only for that one that it lives and what it is for;
// all else, and others, are denied to it. What time does is told by the journal: agent.offline once
// when the heartbeats stop, agent.online when they come again.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/scope.h"
#include "bridge/engine/journal.h"
#include "bridge/protocol/violation.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/caller.h"
#include "bridge/services/keys.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace services {

class Agents {
 public:
  // All outlive it.
  struct Needs {
    store::Store& store;
    const engine::Journal& journal;
    base::Clock& clock;
  };
  struct Settings {
    agents::Windows windows = {};
    agents::Origins origins = {"https://chatgpt.com"};
    agents::Catalogue catalogue = agents::Catalogue::built_in();
  };
  Agents(Needs needs, Settings settings) : needs_(needs), settings_(std::move(settings)) {}

  // Called for every agent that is removed, in the transaction that removes it.
  using Removal = std::function<base::Result<>(const agents::Act&, const agents::Agent&)>;
  void on_removal(Removal told) { removals_.push_back(std::move(told)); }

  // Tells of those who fall silent, by a task in `tasks`.
  void start(base::Scope& tasks);

  // Of an idempotency key, within the caller; empty: none. conflict, reason idempotency_mismatch.
  struct Request {
    std::string key = {};
    std::string hash = {};
  };

  struct Registered {
    agents::Agent agent;
    std::string key = {};    // the id of the key that was made with it
    bool is_replay = false;  // the request was known: this is the first one, as it is now
  };
  // With `key`, which administrators may ask for, a key bound to the agent is made as well.
  // Refusals name the member that is wrong; it is the category if that gives, here or by an import
  // or a change, a tier that administrators only may give. conflict, reason name_taken, alias_taken
  // or too_many. unavailable, reason disk_full: see room_for_new, here and by an import.
  boost::asio::awaitable<protocol::Checked<Registered>> add(Caller caller, agents::Facts facts,
                                                            Request request,
                                                            std::optional<NewKey> key = {});

  struct Import {
    struct One {
      std::string id, slug, name, outcome, note;
    };
    std::vector<One> agents;  // in the file's order
    bool is_replay = false;
  };
  // All or nothing; see agents::import.
  boost::asio::awaitable<protocol::Checked<Import>> import(Caller caller,
                                                           std::vector<agents::Facts> all,
                                                           Request request);

  // As agents::find. So do all that take a `which`.
  base::Task<agents::Agent> get(std::string which);
  struct Page {
    std::vector<agents::Agent> agents;  // by slug
    bool is_end = false;
  };
  base::Task<Page> list(agents::Filter filter, std::string after, std::size_t limit);

  // Its keys speak under its new name unless it named itself; see rename_keys_of. conflict, reason
  // precondition_failed: `revision` has passed; not_active: a draft stays at home.
  boost::asio::awaitable<protocol::Checked<agents::Agent>> change(
      Caller caller, std::string which, agents::Facts facts, std::optional<std::int64_t> revision);
  // Its keys are revoked with it, and what waits for it ends; see on_removal. conflict, reason
  // switched_off: its actions are, and the caller is no administrator.
  base::Task<> remove(Caller caller, std::string which, std::optional<std::int64_t> revision);

  base::Task<agents::Beaten> beat(Caller caller, std::string which, std::string status,
                                  std::optional<base::json::object> metrics);
  base::Task<std::vector<agents::Beat>> beats(std::string which, std::int64_t before,
                                              std::size_t limit);

  struct Stats {
    std::int64_t total = 0;
    std::map<std::string, std::int64_t> statuses, livenesses, tiers, kinds, categories;
  };
  base::Task<Stats> stats();

  agents::Liveness liveness(const agents::Agent& agent) const {
    return agents::liveness_of(agent, needs_.clock.wall(), settings_.windows);
  }
  const Settings& settings() const { return settings_; }

 private:
  boost::asio::awaitable<void> watch();
  agents::Act act(store::Tx& tx, base::WallTime now, std::string actor) const {
    return {tx, needs_.journal, now, std::move(actor)};
  }

  Needs needs_;
  Settings settings_;
  std::vector<Removal> removals_;
};

}  // namespace services
