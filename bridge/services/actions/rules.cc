#include "bridge/services/actions/rules.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/services/actions/action_limits.h"
#include "bridge/services/actions/rows.h"
#include "bridge/store/id_prefix.h"

#include <algorithm>

#include <fmt/format.h>

namespace services::actions {

namespace json = boost::json;
using base::Code;
using base::Result;
using engine::to_stamp;

namespace {

void ring(const Act& act, const std::string& id) {
  act.tx.after_commit([&bells = act.bells, bell = bell_of_action(id)] { bells.ring(bell); });
}

// What is too long for an entry of the journal is told by its hash.
void tell_params(json::object& told, const json::value& params) {
  const auto text = base::canonical_json(params);
  if (text.size() <= limits::action_params_told_bytes_max) {
    told["params"] = params;
  } else {
    told["params_sha256"] = base::sha256_hex(text);
    told["params_bytes"] = text.size();
  }
}

// Queues what does it. Each action is a lane of its own: one at a time, and none delays another. An
// approval is for its time only, however long the job then waits.
Result<> start(const Act& act, Asked& asked) {
  const engine::LaneId lane{"action:" + asked.action};
  TRY_OK(act.queue.declare_lane(act.tx, lane, "actions"));
  const bool is_approval = asked.approvers > 0;
  TRY(const auto accepted,
      act.queue.submit(act.tx,
                       {.kind = std::string(action_kind),
                        .lane = lane,
                        .sender = asked.agent.empty() ? asked.asker : asked.agent,
                        .principal = "action:" + asked.id,
                        .key = asked.hash,
                        .body_hash = asked.hash,
                        .deadline = is_approval ? std::optional(asked.expires) : std::nullopt,
                        .payload = {{"asked", asked.id}, {"hash", asked.hash}},
                        .subject = asked.action,
                        .thread = asked.id},
                       act.now));
  asked.job = accepted.job.id.text;
  asked.state = State::approved;
  return {};
}

auto unasked(const std::string& id) {
  return base::fail(Code::not_found, fmt::format("action {}: nobody asked for it", id));
}

auto conflict(const Asked& asked, std::string_view why, std::string reason) {
  return base::fail(Code::conflict, fmt::format("action {}: {}", asked.id, why), std::move(reason));
}

// How many have approved it whose word counts now.
Result<int> yeses(const Act& act, const Asked& asked) {
  if (!act.counts) return 0;
  TRY(const auto given, approvals(act.tx, asked, act.counts, act.now.wall));
  return static_cast<int>(std::ranges::count_if(given, [&](const Approval& one) {
    return one.is_yes && one.counts && !asked.is_wish_of(one.principal);
  }));
}

Result<> tell_end(const Act& act, const Asked& asked) {
  ring(act, asked.id);
  return act.on_end && asked.has_ended() ? act.on_end(act.tx, asked, act.now) : Result<>();
}

Result<> end(const Act& act, Asked asked, State from, State to, std::string_view type,
             std::string error = {}) {
  asked.state = to;
  asked.ended = act.now.wall;
  asked.error = std::move(error);
  TRY_OK(rows::move(act.tx, asked, from));
  TRY_OK(act.tell(std::string(type), asked));
  return tell_end(act, asked);
}

std::unexpected<base::Error> too_many_wait(std::string why) {
  return std::unexpected(base::Error{.code = Code::busy,
                                     .message = std::move(why),
                                     .reason = "too_many_waiting",
                                     .retry_after = limits::approvals_look});
}

// People must be able to look through what waits, and nobody takes the others' place there.
Result<> check_room(const Act& act, const Asked& asked) {
  const auto& owner = !asked.agent.empty()    ? asked.agent
                      : !asked.behind.empty() ? asked.behind
                                              : asked.principal;
  TRY(const auto row, act.tx.query_one(R"sql(
    SELECT count(*),
           count(*) FILTER (
             WHERE CASE WHEN agent <> '' THEN agent
                        WHEN behind <> '' THEN behind ELSE principal END = $1
           )
    FROM asked_actions
    WHERE state = 'waiting'
  )sql",
                                       {owner}));
  if (row->at(1).integer() >= limits::actions_waiting_each_max) {
    return too_many_wait("too many actions of who asks wait for approval");
  }
  if (row->at(0).integer() >= limits::actions_waiting_max) {
    return too_many_wait("too many actions wait for approval");
  }
  return {};
}

}  // namespace

std::string bell_of_action(const std::string& id) { return "action:" + id; }

Result<> Act::tell(std::string type, const Asked& asked, json::object more) const {
  more["action"] = asked.action;
  more["agent"] = asked.agent;
  more["asker"] = asked.asker;
  more["risk"] = asked.risk;
  more["hash"] = asked.hash;
  if (!asked.error.empty()) more["error"] = asked.error;
  if (!asked.undoes.empty()) more["undoes"] = asked.undoes;
  TRY_OK(journal.append(tx,
                        {.type = std::move(type),
                         .subject = asked.id,
                         .actor = actor,
                         .thread = asked.id,
                         .data = std::move(more)},
                        now.wall));
  return {};
}

Result<Decision> decide(store::Tx& tx, const Catalogue& catalogue, const Wish& wish) {
  TRY(const auto off, rows::kills(tx));
  return decide(catalogue, off, wish);
}

Result<std::optional<Answer>> replayed(const Act& act, const Request& request) {
  if (request.key.empty()) return std::nullopt;
  TRY(const auto row, act.tx.query_one("SELECT id, request_hash FROM asked_actions "
                                       "WHERE principal = $1 AND request = $2",
                                       {act.actor, request.key}));
  if (!row) return std::nullopt;
  if (row->at(1).text() != request.hash) {
    return base::fail(Code::conflict, "this idempotency key came with another action",
                      "idempotency_mismatch");
  }
  TRY(auto asked, get(act.tx, row->at(0).text()));
  Answer answer{std::move(asked), {}, true};
  answer.decision.is_allowed = true;
  answer.decision.risk = answer.asked->risk;
  answer.decision.approvers = answer.asked->approvers;
  return std::optional(std::move(answer));
}

Result<Answer> ask(const Act& act, const Catalogue& catalogue, const Wish& wish,
                   const std::string& asker, const Request& request) {
  TRY(auto known, replayed(act, request));
  if (known) return *std::move(known);
  Answer answer;
  TRY(answer.decision, decide(act.tx, catalogue, wish));
  const auto& decision = answer.decision;
  const auto* definition = catalogue.find(wish.action, wish.undoes);
  Asked asked{
      .id = base::uuid_v7(act.now.wall),
      .action = wish.action,
      .params = wish.params,
      .agent = wish.agent,
      .asker = asker,
      .principal = act.actor,
      .behind = wish.behind,
      .definition_hash = definition ? definition->hash : "",
      .hash = {},
      .risk = decision.risk,
      .approvers = decision.approvers,
      .asked = act.now.wall,
      .expires = engine::from_stamp(engine::to_stamp(act.now.wall + limits::approval_waits)),
      .undoes = wish.undoes};
  asked.hash = hash_of(asked);
  if (!decision.is_allowed) {
    TRY_OK(act.tell("action.denied", asked, {{"code", decision.code}}));
    return answer;
  }
  if (decision.needs_approval()) TRY_OK(check_room(act, asked));
  // First what a full queue refuses: nothing was written then.
  if (!decision.needs_approval()) TRY_OK(start(act, asked));
  json::object more{{"approvers", decision.approvers}};
  if (decision.is_told_whole) tell_params(more, asked.params);
  TRY_OK(act.tell("action.requested", asked, std::move(more)));
  TRY_OK(rows::insert(act.tx, asked, request.key, request.hash));
  answer.asked = std::move(asked);
  return answer;
}

Result<Asked> say(const Act& act, const Catalogue& catalogue, const std::string& id,
                  const Approval& word) {
  TRY(auto asked, get(act.tx, id));
  if (asked.state != State::waiting) {
    return conflict(asked, fmt::format("it is {}", name(asked.state)), "not_waiting");
  }
  if (asked.is_too_late(act.now.wall)) return conflict(asked, "its time has passed", "expired");
  if (asked.is_wish_of(word.principal)) {
    return conflict(asked, "who asked for it cannot decide on it", "own_request");
  }
  const auto* definition = catalogue.find(asked.action, asked.undoes);
  if (!definition || definition->hash != asked.definition_hash || hash_of(asked) != asked.hash) {
    return conflict(asked, "it is not any more what was asked for", "changed");
  }
  if (const auto added = rows::add_approval(act.tx, id, asked.hash, word); !added) {
    if (added.error().reason != "unique") return std::unexpected(added.error());
    return conflict(asked, "you have decided already", "already_decided");
  }
  if (!word.is_yes) {
    TRY_OK(end(act, asked, State::waiting, State::rejected, "action.rejected", word.note));
    return get(act.tx, id);
  }
  TRY(const int count, yeses(act, asked));
  TRY_OK(act.tell("action.approved", asked,
                  {{"approvals", count}, {"of", asked.approvers}, {"note", word.note}}));
  if (count < asked.approvers) return asked;
  TRY_OK(start(act, asked));
  TRY_OK(rows::move(act.tx, asked, State::waiting));
  ring(act, id);
  return asked;
}

Result<bool> withdraw(const Act& act, const std::string& id) {
  TRY(auto asked, get(act.tx, id));
  if (asked.state == State::waiting) {
    TRY_OK(end(act, std::move(asked), State::waiting, State::expired, "action.withdrawn",
               "withdrawn"));
    return true;
  }
  if (asked.state != State::approved) return false;
  TRY(const auto job, act.queue.get(act.tx, {asked.job}));
  // One that is being done may have done something already.
  if (job.state != engine::State::queued || job.is_doubtful) return false;
  TRY_OK(act.queue.cancel(act.tx, job.id, "who asked for it takes it back", act.now, act.actor));
  return true;
}

Result<Asked> checked(const Act& act, const Catalogue& catalogue, const std::string& id,
                      const std::string& job, agents::Tier tier) {
  TRY(auto asked, get(act.tx, id));
  const auto denied = [&](std::string_view why, std::string reason = "not_allowed") {
    return base::fail(Code::denied, fmt::format("do {}: {}", asked.action, why), std::move(reason));
  };
  if (asked.state != State::approved || asked.job != job) return denied("it is not approved");
  if (asked.is_too_late(act.now.wall)) return denied(expiry_of(asked), "expired");
  const auto* definition = catalogue.find(asked.action, asked.undoes);
  if (!definition || definition->hash != asked.definition_hash || hash_of(asked) != asked.hash) {
    return denied("it is not any more what was asked for");
  }
  const Wish wish{asked.action, asked.params, asked.agent, tier, asked.undoes};
  TRY(const auto decision, decide(act.tx, catalogue, wish));
  if (!decision.is_allowed) return denied(decision.reasons.front());
  TRY(const int count, yeses(act, asked));
  if (count < std::max(asked.approvers, decision.approvers)) return denied("approvals are missing");
  return asked;
}

Result<Asked> resolve(const Act& act, const std::string& id, const Resolution& word) {
  TRY(const auto asked, get(act.tx, id));
  if (asked.state != State::held) {
    return conflict(asked, fmt::format("it is {}, not held", name(asked.state)), "not_held");
  }
  // Else who wanted it could have it done twice by one approval.
  if (asked.approvers > 0 && asked.is_wish_of(word.principal)) {
    return conflict(asked, "who asked for it cannot decide on it", "own_request");
  }
  const auto verdict = engine::verdict_named(word.verdict);
  BRIDGE_ASSERT(verdict);
  TRY_OK(rows::add_resolution(act.tx, id, word));
  TRY_OK(act.tell("action.resolution", asked, {{"verdict", word.verdict}, {"note", word.note}}));
  TRY_OK(act.queue.resolve(act.tx, {asked.job}, *verdict, word.note, act.now, act.actor));
  return get(act.tx, id);
}

Result<std::vector<Resolution>> resolutions(store::Tx& tx, const std::string& id) {
  return rows::resolutions(tx, id);
}

Result<> on_change(const Act& act, const engine::Change& change) {
  const auto& job = change.job;
  if (job.kind != action_kind) return {};
  const bool is_held = job.state == engine::State::held;
  const bool is_back = change.from == engine::State::held && !engine::is_final(job.state);
  if (!engine::is_final(job.state) && !is_held && !is_back) return {};
  TRY(const auto asked, rows::one(act.tx, "WHERE job = $1 AND job <> ''", {job.id.text}));
  if (!asked) return {};
  Asked moved = *asked;
  moved.state = is_back                               ? State::approved
                : is_held                             ? State::held
                : job.state == engine::State::done    ? State::done
                : job.state == engine::State::expired ? State::expired
                                                      : State::failed;
  moved.ended = is_back ? std::nullopt : std::optional(act.now.wall);
  moved.error = job.error && !is_back ? job.error->code : "";
  TRY_OK(rows::move(act.tx, moved, asked->state));
  return tell_end(act, moved);
}

Result<int> sweep(const Act& act) {
  TRY(const auto old, rows::all(act.tx,
                                "WHERE state = 'waiting' AND expires_ms < $1 "
                                "ORDER BY expires_ms LIMIT $2",
                                {to_stamp(act.now.wall), limits::approvals_swept_at_once}));
  for (const auto& asked : old) {
    TRY_OK(end(act, asked, State::waiting, State::expired, "action.expired", "expired"));
  }
  return static_cast<int>(old.size());
}

Result<Asked> get(store::Tx& tx, const std::string& id) {
  TRY(auto found, rows::one(tx, "WHERE id = $1", {id}));
  if (found) return *std::move(found);
  return unasked(id);
}

Result<Asked> find(store::Tx& tx, const std::string& which) {
  TRY(auto found, store::look_by_prefix({.noun = "action", .column = "id", .prefix = which},
                                        [&](const std::string& rest, store::Values values) {
                                          return rows::all(tx, rest, std::move(values));
                                        }));
  if (!found) return unasked(which);
  return *std::move(found);
}

Result<std::vector<Approval>> approvals(store::Tx& tx, const Asked& asked, const Counts& counts,
                                        base::WallTime now) {
  TRY(auto given, rows::approvals(tx, asked.id, asked.hash));
  if (asked.has_ended()) return given;
  for (auto& one : given) {
    TRY(one.counts, counts(tx, one.principal, now));
  }
  return given;
}

Result<store::Part<Asked>> list(store::Tx& tx, const Filter& filter, const std::string& after,
                                std::size_t limit) {
  store::Values values{limit + 1};
  std::string where = "WHERE 1 = 1 ";
  const auto add = [&](std::string_view condition, std::string value) {
    if (value.empty()) return;
    values.emplace_back(std::move(value));
    where += fmt::format(fmt::runtime(condition), values.size());
  };
  add("AND state = ${} ", filter.state ? std::string(name(*filter.state)) : "");
  add("AND agent = ${} AND agent <> '' ", filter.agent);
  add(filter.oldest_first ? "AND id > ${} " : "AND id < ${} ", after);
  where += filter.oldest_first ? "ORDER BY id LIMIT $1" : "ORDER BY id DESC LIMIT $1";
  return rows::some(tx, where, std::move(values), limit);
}

namespace {

Result<> tell_switch(const Act& act, std::string type, const std::string& place,
                     const std::string& reason) {
  TRY_OK(act.journal.append(
      act.tx,
      {.type = std::move(type), .subject = place, .actor = act.actor, .data = {{"reason", reason}}},
      act.now.wall));
  return {};
}

// What waits for people on behalf of the agent.
Result<> withdraw_all(const Act& act, std::string_view agent) {
  TRY(const auto waiting,
      act.tx.query("SELECT id FROM asked_actions WHERE state = 'waiting' AND agent = $1", {agent}));
  for (const auto& row : waiting) TRY_OK(withdraw(act, row[0].text()));
  return {};
}

}  // namespace

Result<> kill(const Act& act, const std::string& place, const std::string& reason) {
  TRY_OK(rows::set_kill(act.tx, place, reason, act.actor, act.now.wall));
  TRY_OK(tell_switch(act, "action.switched_off", place, reason));
  constexpr std::string_view of_agent = "agent:";
  if (!place.starts_with(of_agent)) return {};
  return withdraw_all(act, std::string_view(place).substr(of_agent.size()));
}

Result<> revive(const Act& act, const std::string& place, const std::string& reason) {
  TRY_OK(rows::clear_kill(act.tx, place));
  return tell_switch(act, "action.switched_on", place, reason);
}

Result<Kills> kills(store::Tx& tx) { return rows::kills(tx); }

}  // namespace services::actions
