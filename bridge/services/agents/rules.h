// The registry's rules: functions of one transaction. Whoever needs an agent in a transaction of
// its own begins with `find`.
#pragma once

#include "bridge/engine/journal.h"
#include "bridge/services/agents/agent.h"
#include "bridge/services/agents/catalogue.h"
#include "bridge/services/agents/facts.h"
#include "bridge/store/store.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services::agents {

std::span<const store::Migration> migrations();

// What is done to the registry, when and by whom. The members outlive it.
struct Act {
  store::Tx& tx;
  const engine::Journal& journal;
  base::WallTime now;
  std::string actor;

  // Writes that it happened to `agent`.
  base::Result<> tell(std::string type, const Agent& agent, base::json::object more = {}) const;
};

// The one with this id, else slug, else exact name, else alias; never by a part of one. not_found.
base::Result<Agent> find(store::Tx& tx, std::string_view which);
// The same, with nothing for not_found.
base::Result<std::optional<Agent>> look(store::Tx& tx, std::string_view which);
// The one with this id, or nothing.
base::Result<std::optional<Agent>> with_id(store::Tx& tx, const std::string& id);
// The custom GPT that is talked to at this address, the oldest of several, or nothing. The links of
// other kinds are not asked: they may be any address.
base::Result<std::optional<Agent>> with_link(store::Tx& tx, const std::string& link);

// denied, reason other_agent: a caller who is bound to an agent, named by `bound` as `find` reads
// it, is not this one. An empty `bound` may act for all.
base::Result<> check_own(store::Tx& tx, std::string_view bound, const Agent& agent);

// Members that are not empty must be met.
struct Filter {
  std::string category = {};  // in any spelling with the same key
  std::optional<Status> status = {};
  std::optional<Tier> tier = {};
  std::optional<Kind> kind = {};
  std::string capability = {};  // one of its own, whole
  std::string text = {};        // somewhere in name, slug, purpose or an alias, in any ASCII case
};
// By slug, those behind the slug `after`.
base::Result<std::vector<Agent>> list(store::Tx& tx, const Filter& filter, const std::string& after,
                                      std::size_t limit);

// Whether somebody else is about to answer to a slug that is free.
using IsSpokenFor = std::function<bool(const std::string&)>;
// conflict, reason name_taken, alias_taken or too_many. `facts` holds a name and has no faults.
base::Result<Agent> add(const Act& act, const Catalogue& catalogue, const Facts& facts,
                        const IsSpokenFor& is_spoken_for = {});
// Nothing is written when nothing changes. conflict, reason name_taken or alias_taken. Whoever is
// deployed no longer leaves its mission.
base::Result<Agent> change(const Act& act, const Catalogue& catalogue, Agent agent,
                           const Facts& facts);
base::Result<> remove(const Act& act, const Catalogue& catalogue, const Agent& agent);

// Who else answers to one of these, or that it means something else than an agent, as a sentence
// with the pointer of the word; nothing: they are free, or the agent's own already.
base::Result<std::optional<protocol::Violation>> clash(store::Tx& tx, const std::string& own_id,
                                                       const Facts& facts);

// The same for words that differ only in case and in what is neither letter nor digit, such as
// "R&D" and "r d", of what is new about the agent; without an id it is to be registered. People
// take the one for the other, so whoever gives names by hand is refused; an import says what became
// of the slug instead. conflict, reason name_taken or alias_taken.
base::Result<> check_unlike(store::Tx& tx, const Agent& agent, const Facts& facts);

// ---- registry files

struct Imported {
  enum class Outcome { created, updated, unchanged };
  Agent agent;
  Outcome outcome = Outcome::unchanged;
  // For people: the slug differs from the name's, the file calls it otherwise, or what it answers
  // to no longer.
  std::string note = {};
};
std::string_view name(Imported::Outcome outcome);

// All or nothing, in any order: who is there is updated. An entry is about the agent of its exact
// name, else about the one that has this as an alias, else about the one that has its GPT as a link
// while no other agent and no other entry without an agent has; no agent is taken for two entries.
// Who is found by an alias or a link keeps its name and answers to the entry's as well. An alias
// that an earlier file gave goes if the entry lists others or another entry claims it; one that was
// given by hand stays, unless the entry lists others and another claims it.
// invalid: `wrong` says all that is wrong, by pointers below "/import".
base::Result<std::vector<Imported>> import(const Act& act, const Catalogue& catalogue,
                                           const Origins& origins, const std::vector<Facts>& all,
                                           std::vector<protocol::Violation>& wrong);

// ---- heartbeats

struct Beaten {
  Agent agent;
  Liveness before = Liveness::unknown;
  Liveness after = Liveness::unknown;
};
// The journal tells of changes only: of liveness, and of the status that is reported.
base::Result<Beaten> beat(const Act& act, const Windows& windows, Agent agent, std::string status,
                          std::optional<base::json::object> metrics);
// Tells once of everybody whose window has passed; how many there were, at most
// limits::agents_swept_at_once.
base::Result<int> sweep(const Act& act, const Windows& windows);
// Newest first, those before the number `before`; 0: from the newest.
base::Result<std::vector<Beat>> beats(store::Tx& tx, const Agent& agent, std::int64_t before,
                                      std::size_t limit);

// ---- requests that came with a key

// The answer that the request got, or nothing. conflict, reason idempotency_mismatch: it came with
// another body. An empty request was never there.
base::Result<std::optional<base::json::value>> answer_of(store::Tx& tx, const std::string& creator,
                                                         const std::string& request,
                                                         const std::string& hash);
base::Result<> keep_answer(const Act& act, const std::string& request, const std::string& hash,
                           const base::json::value& answer);

}  // namespace services::agents
