// Actions: what agents want done to the world outside, and people decide.
//
// Whoever asks gets a decision by the policy. What is allowed is done by a job, at most once; what
// needs approval waits for people, whose word holds for exactly this action and its day, and is
// used once. The job looks at every condition once more before it acts.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/scope.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/runner.h"
#include "bridge/services/action_trust.h"
#include "bridge/services/actions/program.h"
#include "bridge/services/actions/rules.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/caller.h"
#include "bridge/store/store.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace services {

class Actions {
 public:
  // All outlive it.
  struct Needs {
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    const engine::Timeline& timeline;
    engine::Bells& bells;
    base::Clock& clock;
    events::Outbound* outbound = nullptr;  // null: nobody is called
    std::vector<events::Network> allowed_networks = {};
    actions::Means program_means = {};
  };
  // Does a built-in action as its asker; done twice it must do once (the key is the action's id).
  using BuiltIn = std::function<base::Task<base::json::value>(const actions::Asked&, Caller)>;

  // `configured` is `bridge.actions`. invalid with reason configuration.
  static base::Result<std::unique_ptr<Actions>> create(Needs needs,
                                                       const base::json::object& configured,
                                                       std::map<std::string, BuiltIn> builtins);

  // Finds what an action is about, for its parameters, in the transaction that asks for it: what it
  // gives is what is decided on and done. not_found refuses the wish.
  using Target = std::function<base::Result<base::json::value>(store::Tx&, base::json::value)>;
  // By the names of actions. Before `start`.
  void find_targets(std::map<std::string, Target> targets) { targets_ = std::move(targets); }
  // Told of every action that has come to its end, in the transaction that ends it. Before `start`.
  void tell_ends(actions::OnEnd on_end) { on_end_ = std::move(on_end); }
  // Lets requests expire, by a task in `tasks`.
  void start(base::Scope& tasks);
  // The handler of jobs of actions::action_kind.
  base::Task<engine::Outcome> handle(engine::Claim claim, engine::LaneContext& lane);
  base::Result<> on_change(store::Tx& tx, const engine::Change& change, const engine::Now& now);

  // What `which` (empty: the caller, who may be no agent) wants; changes nothing. Errors as of ask.
  base::Task<actions::Decision> check(Caller caller, std::string which, actions::Wish wish);
  // denied, reason other_agent; or forged_sender: it would be the agent's own word, and the caller
  // is neither the agent nor an administrator. unavailable, reason disk_full: see room_for_new.
  base::Task<actions::Answer> ask(Caller caller, std::string which, actions::Wish wish,
                                  actions::Request request);
  // The same within the transaction of somebody who waits for it; one that is refused or finds no
  // room has changed nothing but the journal.
  base::Result<actions::Answer> ask(store::Tx& tx, const Caller& caller, const std::string& which,
                                    actions::Wish wish, const actions::Request& request,
                                    const engine::Now& now) const;
  // Takes back what was done, in the caller's own name; see actions::undo. What was asked for is
  // named as actions::find reads it, here and below.
  base::Task<actions::Answer> undo(Caller caller, std::string id, actions::Request request);
  // See actions::withdraw.
  base::Result<bool> withdraw(store::Tx& tx, const std::string& id, const engine::Now& now,
                              std::string actor) const;
  // A person's word on what the agent `which` (empty: whoever) asked for. denied, reason
  // not_a_person: an agent's key decides nothing. not_found: there is no such agent, or it has not
  // asked for that.
  base::Task<actions::Asked> decide(Caller caller, std::string which, std::string id, bool is_yes,
                                    std::string note);

  // A person's word on one that is held; see actions::resolve. denied, reason not_a_person.
  base::Task<actions::Asked> resolve(Caller caller, std::string id, std::string verdict,
                                     std::string note);

  struct View {
    actions::Asked asked;
    std::vector<actions::Approval> approvals;
    std::vector<actions::Resolution> resolutions;
    std::optional<actions::Asked> undo;  // the latest that takes it back
    std::optional<engine::Job> job;
  };
  // Waits until it has ended or waits for people, or the deadline.
  base::Task<View> get(Caller caller, std::string which, base::Instant deadline);
  base::Task<store::Part<actions::Asked>> list(Caller caller, actions::Filter filter,
                                               std::string before, std::size_t limit);

  // "all", "action:NAME" or "agent:WHICH"; not_found: no such action or agent. What is switched off
  // can be switched on by its place as `switches` has it, also if it is not there any more.
  base::Task<> set_switch(Caller caller, std::string place, bool is_off, std::string reason);
  // An agent's switch goes with it.
  base::Result<> on_removal(const agents::Act& removing, const agents::Agent& agent) const;
  base::Task<actions::Kills> switches();

  const actions::Catalogue& catalogue() const { return catalogue_; }

 private:
  Actions(Needs needs, actions::Catalogue catalogue, std::map<std::string, BuiltIn> builtins)
      : needs_(needs), catalogue_(std::move(catalogue)), builtins_(std::move(builtins)) {}
  actions::Act act(store::Tx& tx, const engine::Now& now, std::string actor) const {
    return {tx,  needs_.journal,   needs_.queue, needs_.bells,
            now, std::move(actor), on_end_,      counts_still};
  }
  // unavailable, reason disk_full: see room_for_new; the request is a new one.
  base::Result<> check_room(const actions::Act& acting, const actions::Request& request) const;
  // Of what is refused whatever it is about nothing is looked for.
  base::Result<> aim(store::Tx& tx, actions::Wish& wish) const;
  base::Task<engine::Outcome> reconcile(engine::Claim claim, std::string id);
  base::Task<engine::Outcome> run_program(actions::Asked asked, const actions::Definition& what,
                                          engine::LaneContext& lane);
  base::Task<engine::Outcome> call_http(actions::Asked asked, const actions::HttpCall& call,
                                        engine::LaneContext& lane);
  boost::asio::awaitable<void> keep_house();

  Needs needs_;
  actions::Catalogue catalogue_;
  std::map<std::string, BuiltIn> builtins_;
  std::map<std::string, Target> targets_;
  actions::OnEnd on_end_;
};

}  // namespace services
