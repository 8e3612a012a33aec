// The rules of actions: functions of one transaction. Nothing is done here; a job does it.
#pragma once

#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/actions/action.h"
#include "bridge/services/actions/policy.h"
#include "bridge/store/store.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions {

std::span<const store::Migration> migrations();

inline constexpr std::string_view action_kind = "action";  // of the jobs

// Told of each that has come to its end, in the transaction that ends it.
using OnEnd = std::function<base::Result<>(store::Tx&, const Asked&, const engine::Now&)>;

// Whether what a principal has said still counts, such as while its key is good.
using Counts = std::function<base::Result<bool>(store::Tx&, const std::string&, base::WallTime)>;

struct Act {
  store::Tx& tx;
  const engine::Journal& journal;
  const engine::Queue& queue;
  engine::Bells& bells;
  engine::Now now;
  std::string actor;
  OnEnd on_end = {};
  Counts counts = {};  // without it no word does

  base::Result<> tell(std::string type, const Asked& asked, base::json::object more = {}) const;
};

// A request that came with a key, within the principal; an empty key is none.
struct Request {
  std::string key = {};
  std::string hash = {};
};

// Decides by the store's kill switches.
base::Result<Decision> decide(store::Tx& tx, const Catalogue& catalogue, const Wish& wish);

struct Answer {
  std::optional<Asked> asked;  // nothing: refused
  Decision decision;
  bool is_replay = false;
};
// What was answered to the request when it came first, if it did. conflict, reason
// idempotency_mismatch.
base::Result<std::optional<Answer>> replayed(const Act& act, const Request& request);
// Notes that it is wanted: its job is queued, or it waits for people. A refusal is entered into the
// journal. As replayed; busy with retry_after, reason too_many_waiting.
base::Result<Answer> ask(const Act& act, const Catalogue& catalogue, const Wish& wish,
                         const std::string& asker, const Request& request);

// Notes, as `ask` does, that what was done as `id` is to be taken back. `who` says for whom and
// with what trust, and has nothing else. denied, reason other_agent. conflict, reason not_done;
// no_undo: the definition has none, or it needs what was not given; changed: the definition is
// another now; undo_waits, already_undone: once is enough.
base::Result<Answer> undo(const Act& act, const Catalogue& catalogue, const std::string& id,
                          Wish who, const std::string& asker, const Request& request);
// The latest that takes it back.
base::Result<std::optional<Asked>> undo_of(store::Tx& tx, const std::string& id);

// A person's word. The one that completes the approvals queues the job; a no ends it. Of those
// before, only what still counts completes them. conflict, reason not_waiting: it waits no more;
// already_decided: by this person; own_request: who asks does not approve; expired; changed: the
// action is not any more what was asked for.
base::Result<Asked> say(const Act& act, const Catalogue& catalogue, const std::string& id,
                        const Approval& word);

// Takes back what `act` asked for, while nothing of it is done. False: it is too late for that.
base::Result<bool> withdraw(const Act& act, const std::string& id);

// What the job of `id` is to do, looked at once more: denied unless every condition still holds,
// approvals for exactly this action by those whose word counts included. Reason expired: there
// were enough, for a time that has passed; else not_allowed.
base::Result<Asked> checked(const Act& act, const Catalogue& catalogue, const std::string& id,
                            const std::string& job, agents::Tier tier);

// A person's word on what became of a held one. sent: it is done, with these words as its result.
// not-sent: its job looks at every condition once more, as before a first time, and has expired if
// the approval has. abandon: failed.
// conflict, reason not_held; own_request: others had to approve, and they decide on this as well;
// wrong_stage: it is known that it was done.
base::Result<Asked> resolve(const Act& act, const std::string& id, const Resolution& word);
base::Result<std::vector<Resolution>> resolutions(store::Tx& tx, const std::string& id);

// What its job comes to.
base::Result<> on_change(const Act& act, const engine::Change& change);

// Requests whose time has passed; how many, at most limits::approvals_swept_at_once.
base::Result<int> sweep(const Act& act);

// By its whole id. not_found.
base::Result<Asked> get(store::Tx& tx, const std::string& id);
// By the beginning of its id, at least limits::id_prefix_min characters, for people. not_found;
// invalid, reason ambiguous_id: several begin so, whoever asked for them.
base::Result<Asked> find(store::Tx& tx, const std::string& which);
// Once it has ended, what counted then counts.
base::Result<std::vector<Approval>> approvals(store::Tx& tx, const Asked& asked,
                                              const Counts& counts, base::WallTime now);
struct Filter {
  std::optional<State> state = {};
  std::string agent = {};
  bool oldest_first = false;
};
// Newest first, or oldest first, those behind the one with the id `after`; empty: from the first.
// At most `limit`, and fewer where they are long: see Tx::query_part.
base::Result<store::Part<Asked>> list(store::Tx& tx, const Filter& filter, const std::string& after,
                                      std::size_t limit);

// Switches off ("all", "action:NAME", "agent:ID"), or on again. What an agent that is switched off
// has waiting for people is withdrawn.
base::Result<> kill(const Act& act, const std::string& place, const std::string& reason);
base::Result<> revive(const Act& act, const std::string& place, const std::string& reason);
base::Result<Kills> kills(store::Tx& tx);

std::string bell_of_action(const std::string& id);

}  // namespace services::actions
