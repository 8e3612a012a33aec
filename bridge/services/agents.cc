#include "bridge/services/agents.h"

#include "bridge/services/actions/rules.h"
#include "bridge/services/agents/agent_limits.h"

#include <algorithm>
#include <map>
#include <memory>

#include <fmt/format.h>

namespace services {

namespace asio = boost::asio;
namespace json = boost::json;
using agents::Agent;
using base::Code;
using base::Result;
using base::Task;

namespace {

protocol::Refusal refusal_of(base::Error error) {
  std::vector<protocol::Violation> violations;
  if (error.reason == "name_taken") violations = {{"/name", "unique", error.message}};
  if (error.reason == "alias_taken") violations = {{"/aliases", "unique", error.message}};
  return {std::move(error), std::move(violations)};
}

protocol::Refusal refusal_of(std::string_view doing, std::vector<protocol::Violation> wrong) {
  auto message = fmt::format("{}: {}", doing, protocol::to_line(wrong.front()));
  return {{Code::invalid, std::move(message), "invalid"}, std::move(wrong)};
}

protocol::Refusal denial(std::string_view pointer, std::string_view why) {
  auto message = fmt::format("change agent: {} {}", pointer, why);
  return {{Code::denied, message, "denied"}, {{std::string(pointer), "denied", std::string(why)}}};
}

base::Error only_unbound(std::string_view doing, const Caller& caller) {
  return {Code::denied, fmt::format("{}: the caller acts as agent {} only", doing, caller.agent),
          "other_agent"};
}

// What may not be said by everybody who may speak for an agent.
std::optional<protocol::Refusal> not_allowed(const Caller& caller, const agents::Facts& facts) {
  if (facts.tier && !caller.is_admin) return denial("/tier", "is given by administrators only");
  if (caller.agent.empty()) return std::nullopt;
  constexpr std::string_view why = "is not for the agent itself to say";
  if (facts.kind) return denial("/kind", why);
  // Whose link a conversation is has what is said there as its own.
  if (facts.link) return denial("/link", why);
  if (facts.category) return denial("/category", why);
  if (facts.status) return denial("/status", why);
  return std::nullopt;
}

// A category gives a tier as well, and who may not give the one does not by the other. `before`:
// the tier that the agent had. Nothing: it is no higher now than the status alone gives.
std::optional<protocol::Violation> lift_of(const Caller& caller, const agents::Catalogue& catalogue,
                                           const Agent& agent, agents::Tier before) {
  const auto allowed = std::max(before, catalogue.tier("", agent.status));
  if (caller.is_admin || agent.tier <= allowed) return std::nullopt;
  return protocol::Violation{
      "/category", "denied",
      fmt::format("\"{}\" gives the tier {}, which is given by administrators only", agent.category,
                  agents::name(agent.tier))};
}

std::unexpected<base::Error> lift_denied(std::string_view doing, const protocol::Violation& lift) {
  return base::fail(Code::denied, fmt::format("{}: {}", doing, protocol::to_line(lift)), "denied");
}

// Of those whom a file may change, by id.
Result<std::map<std::string, agents::Tier>> tiers_now(store::Tx& tx) {
  TRY(const auto all, agents::list(tx, {}, {}, limits::agents_max));
  std::map<std::string, agents::Tier> tiers;
  for (const auto& agent : all) tiers.emplace(agent.id, agent.tier);
  return tiers;
}

// Of what is done by hand; a registry file may say anything.
Result<> check_step(const Agent& agent, const agents::Facts& facts) {
  if (agent.status != agents::Status::draft || facts.status != agents::Status::deployed) return {};
  return base::fail(Code::conflict,
                    fmt::format("change agent {}: it is a draft; make it active before it is "
                                "deployed",
                                agent.slug),
                    "not_active");
}

Result<> check_revision(const Agent& agent, std::optional<std::int64_t> revision) {
  if (!revision || agent.revision == *revision) return {};
  return base::fail(Code::conflict,
                    fmt::format("change agent {}: it has changed since", agent.slug),
                    "precondition_failed");
}

// Registered anew it would be another agent, which is not switched off.
Result<> check_not_switched_off(store::Tx& tx, const Agent& agent) {
  TRY(const auto off, actions::kills(tx));
  if (!off.contains("agent:" + agent.id)) return {};
  return base::fail(Code::conflict,
                    fmt::format("delete agent {}: its actions are switched off; administrators may "
                                "delete it, or end that (flywheel action on --agent {})",
                                agent.slug, agent.slug),
                    "switched_off");
}

json::value answer_with(const std::vector<Agents::Import::One>& all) {
  json::array answer;
  for (const auto& one : all) {
    answer.push_back(json::array{one.id, one.slug, one.name, one.outcome, one.note});
  }
  return answer;
}

std::vector<Agents::Import::One> imports_in(const json::value& answer) {
  std::vector<Agents::Import::One> all;
  for (const auto& item : answer.as_array()) {
    const auto text = [&](std::size_t i) { return std::string(item.as_array().at(i).as_string()); };
    all.push_back({text(0), text(1), text(2), text(3), text(4)});
  }
  return all;
}

}  // namespace

asio::awaitable<protocol::Checked<Agents::Registered>> Agents::add(Caller caller,
                                                                   agents::Facts facts,
                                                                   Request request,
                                                                   std::optional<NewKey> key) {
  BRIDGE_ASSERT(facts.name.has_value());
  if (!caller.agent.empty()) {
    co_return std::unexpected(refusal_of(only_unbound("register agent", caller)));
  }
  if (auto denied = not_allowed(caller, facts)) co_return std::unexpected(*std::move(denied));
  if (key && !caller.is_admin) {
    co_return std::unexpected(denial("/key", "is made for administrators only"));
  }
  const auto kind = facts.kind.value_or(agents::Kind::custom_gpt);
  if (auto wrong = agents::faults(facts, kind, settings_.origins); !wrong.empty()) {
    co_return std::unexpected(refusal_of("register agent", std::move(wrong)));
  }
  const auto now = needs_.clock.wall();
  const auto lift = std::make_shared<std::optional<protocol::Violation>>();
  auto added = co_await needs_.store.write(
      [this, caller = std::move(caller), facts = std::move(facts), request = std::move(request),
       asked_key = std::move(key), now, lift](store::Tx& tx) -> Result<Registered> {
        TRY(const auto known, agents::answer_of(tx, caller.principal, request.key, request.hash));
        if (known) {
          TRY(auto agent, agents::with_id(tx, std::string(known->as_string())));
          if (agent) return Registered{.agent = *std::move(agent), .is_replay = true};
          return base::fail(Code::conflict,
                            fmt::format("register agent: request {} registered {}, which was "
                                        "removed since; use another key",
                                        request.key, std::string(known->as_string())),
                            "agent_removed");
        }
        TRY_OK(room_for_new(needs_.store));
        const auto doing = act(tx, now, caller.principal);
        TRY_OK(agents::check_unlike(tx, {}, facts));
        TRY(auto agent, agents::add(doing, settings_.catalogue, facts));
        *lift = lift_of(caller, settings_.catalogue, agent, agents::Tier::visitor);
        if (*lift) return lift_denied("register agent", **lift);
        TRY_OK(agents::keep_answer(doing, request.key, request.hash, json::value(agent.id)));
        Registered done{.agent = std::move(agent)};
        if (asked_key) {
          auto own = *asked_key;
          own.name = done.agent.name;
          own.agent = done.agent.name;
          own.agent_id = done.agent.id;
          own.creator = caller.principal;
          TRY(const auto made, add_key(tx, needs_.journal, own, now));
          done.key = made.id;
        }
        return done;
      });
  if (added) co_return *std::move(added);
  auto refusal = refusal_of(std::move(added).error());
  if (*lift) refusal.violations = {**lift};
  co_return std::unexpected(std::move(refusal));
}

asio::awaitable<protocol::Checked<Agents::Import>> Agents::import(Caller caller,
                                                                  std::vector<agents::Facts> all,
                                                                  Request request) {
  if (!caller.agent.empty()) {
    co_return std::unexpected(refusal_of(only_unbound("import agents", caller)));
  }
  const auto now = needs_.clock.wall();
  const auto wrong = std::make_shared<std::vector<protocol::Violation>>();
  auto imported = co_await needs_.store.write([this, caller = std::move(caller),
                                               all = std::move(all), request = std::move(request),
                                               now, wrong](store::Tx& tx) -> Result<Import> {
    TRY(const auto known, agents::answer_of(tx, caller.principal, request.key, request.hash));
    if (known) return Import{imports_in(*known), true};
    TRY_OK(room_for_new(needs_.store));
    const auto doing = act(tx, now, caller.principal);
    TRY(const auto before, tiers_now(tx));
    TRY(const auto done,
        agents::import(doing, settings_.catalogue, settings_.origins, all, *wrong));
    Import import;
    for (const auto& one : done) {
      const auto had = before.find(one.agent.id);
      auto lift = lift_of(caller, settings_.catalogue, one.agent,
                          had == before.end() ? agents::Tier::visitor : had->second);
      if (lift) {
        lift->pointer = fmt::format("/import/{}/category", import.agents.size());
        *wrong = {*lift};
        return lift_denied("import agents", *lift);
      }
      import.agents.push_back({one.agent.id, one.agent.slug, one.agent.name,
                               std::string(agents::name(one.outcome)), one.note});
    }
    TRY_OK(agents::keep_answer(doing, request.key, request.hash, answer_with(import.agents)));
    return import;
  });
  if (imported) co_return *std::move(imported);
  auto refusal = refusal_of(std::move(imported).error());
  const bool is_by_place = refusal.reason == "invalid" || refusal.reason == "denied";
  if (is_by_place) refusal.violations = std::move(*wrong);
  co_return std::unexpected(std::move(refusal));
}

Task<Agent> Agents::get(std::string which) {
  co_return co_await needs_.store.read(
      [which = std::move(which)](store::Tx& tx) { return agents::find(tx, which); });
}

Task<Agents::Page> Agents::list(agents::Filter filter, std::string after, std::size_t limit) {
  CO_TRY(auto found, co_await needs_.store.read([filter = std::move(filter),
                                                 after = std::move(after), limit](store::Tx& tx) {
    return agents::list(tx, filter, after, limit + 1);
  }));
  Page page{.agents = std::move(found), .is_end = true};
  if (page.agents.size() > limit) {
    page.agents.resize(limit);
    page.is_end = false;
  }
  co_return page;
}

asio::awaitable<protocol::Checked<Agent>> Agents::change(Caller caller, std::string which,
                                                         agents::Facts facts,
                                                         std::optional<std::int64_t> revision) {
  const auto now = needs_.clock.wall();
  const auto refused = std::make_shared<std::optional<protocol::Refusal>>();
  auto changed = co_await needs_.store.write(
      [this, caller = std::move(caller), which = std::move(which), facts = std::move(facts),
       revision, now, refused](store::Tx& tx) -> Result<Agent> {
        TRY(auto agent, agents::find(tx, which));
        TRY_OK(agents::check_own(tx, caller.agent, agent));
        TRY_OK(check_revision(agent, revision));
        TRY_OK(check_step(agent, facts));
        *refused = not_allowed(caller, facts);
        const auto kind = facts.kind.value_or(agent.kind);
        // Another kind may make the old link wrong.
        auto whole = facts;
        if (facts.kind && !facts.link) whole.link = agent.link;
        auto wrong = agents::faults(whole, kind, settings_.origins);
        if (!*refused && !wrong.empty()) *refused = refusal_of("change agent", std::move(wrong));
        if (*refused) return std::unexpected<base::Error>(**refused);
        TRY_OK(agents::check_unlike(tx, agent, facts));
        const auto before = agent;
        TRY(auto after, agents::change(act(tx, now, caller.principal), settings_.catalogue,
                                       std::move(agent), facts));
        if (const auto lift = lift_of(caller, settings_.catalogue, after, before.tier)) {
          *refused = denial(lift->pointer, lift->detail);
          return std::unexpected<base::Error>(**refused);
        }
        // What others send and see under a name is not for an agent to take.
        if (caller.agent.empty()) TRY_OK(rename_keys_of(tx, before, after));
        return after;
      });
  if (changed) co_return *std::move(changed);
  if (*refused) co_return std::unexpected(**refused);
  co_return std::unexpected(refusal_of(std::move(changed).error()));
}

Task<> Agents::remove(Caller caller, std::string which, std::optional<std::int64_t> revision) {
  if (!caller.agent.empty()) co_return std::unexpected(only_unbound("delete agent", caller));
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which = std::move(which),
                                         revision, now](store::Tx& tx) -> Result<> {
    TRY(const auto agent, agents::find(tx, which));
    TRY_OK(check_revision(agent, revision));
    if (!caller.is_admin) TRY_OK(check_not_switched_off(tx, agent));
    TRY_OK(revoke_keys_of(tx, needs_.journal, agent, caller.principal, now));
    const auto doing = act(tx, now, caller.principal);
    for (const auto& told : removals_) TRY_OK(told(doing, agent));
    return agents::remove(doing, settings_.catalogue, agent);
  });
}

Task<agents::Beaten> Agents::beat(Caller caller, std::string which, std::string status,
                                  std::optional<json::object> metrics) {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.write([this, caller = std::move(caller), which = std::move(which),
                                         status = std::move(status), metrics = std::move(metrics),
                                         now](store::Tx& tx) -> Result<agents::Beaten> {
    TRY(auto agent, agents::find(tx, which));
    TRY_OK(agents::check_own(tx, caller.agent, agent));
    return agents::beat(act(tx, now, caller.principal), settings_.windows, std::move(agent), status,
                        metrics);
  });
}

Task<std::vector<agents::Beat>> Agents::beats(std::string which, std::int64_t before,
                                              std::size_t limit) {
  co_return co_await needs_.store.read([which = std::move(which), before,
                                        limit](store::Tx& tx) -> Result<std::vector<agents::Beat>> {
    TRY(const auto agent, agents::find(tx, which));
    return agents::beats(tx, agent, before, limit);
  });
}

Task<Agents::Stats> Agents::stats() {
  const auto now = needs_.clock.wall();
  co_return co_await needs_.store.read([this, now](store::Tx& tx) -> Result<Stats> {
    TRY(const auto all, agents::list(tx, {}, {}, limits::agents_max));
    Stats stats{.total = static_cast<std::int64_t>(all.size())};
    for (const auto& agent : all) {
      ++stats.statuses[std::string(agents::name(agent.status))];
      ++stats.livenesses[std::string(
          agents::name(agents::liveness_of(agent, now, settings_.windows)))];
      ++stats.tiers[std::string(agents::name(agent.tier))];
      ++stats.kinds[std::string(agents::name(agent.kind))];
      if (!agent.category.empty()) ++stats.categories[agent.category];
    }
    return stats;
  });
}

void Agents::start(base::Scope& tasks) { tasks.spawn(watch()); }

asio::awaitable<void> Agents::watch() {
  // While the program did not run, nobody could tell it that they live.
  co_await needs_.clock.sleep_until(needs_.clock.now() + settings_.windows.degraded);
  for (;;) {
    const auto now = needs_.clock.wall();
    const auto found = co_await needs_.store.write([this, now](store::Tx& tx) {
      return agents::sweep(act(tx, now, "bridge"), settings_.windows);
    });
    // More may wait.
    if (found && *found == limits::agents_swept_at_once) continue;
    const auto pause =
        std::min<base::Instant::duration>(limits::agents_look, settings_.windows.degraded / 4);
    co_await needs_.clock.sleep_until(needs_.clock.now() + pause);
  }
}

}  // namespace services
