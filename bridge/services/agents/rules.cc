#include "bridge/services/agents/rules.h"

#include "bridge/base/ids.h"
#include "bridge/base/utf8.h"
#include "bridge/engine/time.h"
#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/agents/fleets.h"
#include "bridge/services/agents/rows.h"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::agents {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

// Words that mean something else where an agent is named: paths below /api/gpt-agents and
// /api/custom-gpt-fleets, and whose memory the shared one is.
constexpr std::array<std::string_view, 4> reserved = {"broadcast", "conversation", "register",
                                                      "stats"};

bool is_reserved(std::string_view word) {
  return std::ranges::find(reserved, word) != reserved.end();
}

base::WallTime to_milliseconds(base::WallTime time) {
  return std::chrono::floor<std::chrono::milliseconds>(time);
}

// A slug that nobody answers to.
Result<std::string> free_slug(store::Tx& tx, const std::string& name,
                              const IsSpokenFor& is_spoken_for) {
  const auto words = slug_of(name);
  const auto start = words.empty() ? std::string("agent") : words;
  for (int i = 1; i <= limits::agent_slug_tries; ++i) {
    auto slug = i == 1 ? start : fmt::format("{}-{}", start, i);
    if (is_reserved(slug)) continue;
    if (is_spoken_for && is_spoken_for(slug)) continue;
    TRY(const auto holder, tx.query_one(R"sql(
      SELECT 1
      WHERE EXISTS (SELECT 1 FROM agents WHERE slug = $1 OR (name = $1 AND name <> $2))
         OR EXISTS (SELECT 1 FROM agent_aliases WHERE alias = $1)
    )sql",
                                        {slug, name}));
    if (!holder) return slug;
  }
  return base::fail(Code::conflict, fmt::format("register agent {}: too many are called so", name),
                    "name_taken");
}

// Takes over what is said, and gives the names of what is different now.
std::vector<std::string> apply(Agent& agent, const Facts& facts) {
  std::vector<std::string> changed;
  const auto take = [&](auto& member, const auto& said, std::string_view name) {
    if (!said || *said == member) return;
    member = *said;
    changed.emplace_back(name);
  };
  take(agent.name, facts.name, "name");
  take(agent.kind, facts.kind, "kind");
  take(agent.link, facts.link, "link");
  take(agent.category, facts.category, "category");
  take(agent.purpose, facts.purpose, "purpose");
  take(agent.status, facts.status, "status");
  take(agent.date_added, facts.date_added, "date_added");
  take(agent.aliases, facts.aliases, "aliases");
  take(agent.capabilities, facts.capabilities, "capabilities");
  agent.category_key = slug_of(agent.category);
  return changed;
}

// The tier that is said, or the one that follows from the rest. True: it is another now.
bool apply_tier(Agent& agent, const Facts& facts, const Catalogue& catalogue) {
  const auto before = agent.tier;
  if (facts.tier) {
    agent.tier = *facts.tier;
    agent.is_tier_set = true;
  } else if (!agent.is_tier_set) {
    agent.tier = catalogue.tier(agent.category_key, agent.status);
  }
  return agent.tier != before;
}

std::unexpected<base::Error> taken(std::string_view doing, const std::string& name,
                                   const protocol::Violation& clash) {
  return base::fail(Code::conflict, fmt::format("{} agent {}: {}", doing, name, clash.detail),
                    clash.pointer == "/name" ? "name_taken" : "alias_taken");
}

// True if the agent has the word as its name or an alias.
Result<bool> answers_to(store::Tx& tx, const std::string& id, const std::string& word) {
  TRY(const auto row, tx.query_one(R"sql(
    SELECT 1
    WHERE EXISTS (SELECT 1 FROM agents WHERE id = $1 AND name = $2)
       OR EXISTS (SELECT 1 FROM agent_aliases WHERE agent = $1 AND alias = $2)
  )sql",
                                   {id, word}));
  return row.has_value();
}

// The word if it is reserved; who was called so before it was keeps it.
Result<std::optional<protocol::Violation>> no_name(store::Tx& tx, const std::string& own_id,
                                                   const std::string& word,
                                                   const std::string& pointer) {
  if (!is_reserved(word)) return std::nullopt;
  TRY(const bool is_own, answers_to(tx, own_id, word));
  if (is_own) return std::nullopt;
  return protocol::Violation{pointer, "not",
                             fmt::format("\"{}\" means something else than an agent", word)};
}

// Who else answers to the word by an id, slug, name or alias. Not `look`, which stops at the first:
// that one's own slug must not hide another's name.
Result<std::optional<protocol::Violation>> clash_of(store::Tx& tx, const std::string& own_id,
                                                    const std::string& word, std::string pointer) {
  TRY(auto reserved_word, no_name(tx, own_id, word, pointer));
  if (reserved_word) return reserved_word;
  TRY(const auto other, tx.query_one(R"sql(
    SELECT slug
    FROM agents
    WHERE id <> $2
      AND (id = $1
           OR slug = $1
           OR name = $1
           OR id IN (SELECT agent FROM agent_aliases WHERE alias = $1))
    ORDER BY slug
    LIMIT 1
  )sql",
                                     {word, own_id}));
  if (!other) return std::nullopt;
  return protocol::Violation{
      std::move(pointer), "unique",
      fmt::format("agent {} answers to \"{}\" already", other->at(0).text(), word)};
}

// Who else has a name or an alias, or is found by a slug, that has the same letters and digits as
// the word.
Result<std::optional<protocol::Violation>> alike(store::Tx& tx, const std::string& own_id,
                                                 const std::string& word, std::string pointer) {
  const auto letters = slug_of(word);
  if (letters.empty()) return std::nullopt;
  TRY(const auto others, tx.query(R"sql(
    SELECT slug, slug AS word FROM agents WHERE id <> $1
    UNION ALL
    SELECT slug, name FROM agents WHERE id <> $1
    UNION ALL
    SELECT a.slug, w.alias FROM agent_aliases w JOIN agents a ON a.id = w.agent WHERE a.id <> $1
    ORDER BY 1
  )sql",
                                  {own_id}));
  for (const auto& other : others) {
    const auto taken_word = other[1].text();
    if (slug_of(taken_word) != letters) continue;
    return protocol::Violation{
        std::move(pointer), "unique",
        fmt::format("\"{}\" is too much like \"{}\", to which agent {} answers", word, taken_word,
                    other[0].text())};
  }
  return std::nullopt;
}

std::string escaped_for_like(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') escaped += '\\';
    escaped += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return fmt::format("%{}%", escaped);
}

}  // namespace

Result<> Act::tell(std::string type, const Agent& agent, json::object more) const {
  json::object data{{"name", agent.name},           {"slug", agent.slug},
                    {"kind", name(agent.kind)},     {"category", agent.category},
                    {"status", name(agent.status)}, {"tier", name(agent.tier)}};
  for (auto& [key, value] : more) data[key] = std::move(value);
  TRY_OK(journal.append(
      tx, {.type = std::move(type), .subject = agent.id, .actor = actor, .data = std::move(data)},
      now));
  return {};
}

Result<std::optional<Agent>> look(store::Tx& tx, std::string_view which) {
  return rows::one(tx, R"sql(
    WHERE a.id = $1
       OR a.slug = $1
       OR a.name = $1
       OR a.id = (SELECT agent FROM agent_aliases WHERE alias = $1)
    ORDER BY CASE WHEN a.id = $1 THEN 0 WHEN a.slug = $1 THEN 1 WHEN a.name = $1 THEN 2 ELSE 3 END
    LIMIT 1
  )sql",
                   {which});
}

Result<std::optional<Agent>> with_link(store::Tx& tx, const std::string& link) {
  if (link.empty()) return std::nullopt;
  return rows::one(tx, "WHERE a.link = $1 AND a.kind = $2 ORDER BY a.id LIMIT 1",
                   {link, name(Kind::custom_gpt)});
}

Result<Agent> find(store::Tx& tx, std::string_view which) {
  TRY(auto found, look(tx, which));
  if (found) return *std::move(found);
  return base::fail(Code::not_found,
                    fmt::format("find agent {}: there is none with this id, slug, "
                                "name or alias",
                                base::beginning_of(which, limits::agent_name_bytes_max)));
}

Result<> check_own(store::Tx& tx, std::string_view bound, const Agent& agent) {
  if (bound.empty()) return {};
  TRY(const auto own, look(tx, bound));
  if (own && own->id == agent.id) return {};
  return base::fail(Code::denied,
                    fmt::format("act for agent {}: the caller acts as {} only", agent.slug,
                                own ? own->slug : std::string(bound)),
                    "other_agent");
}

Result<std::optional<Agent>> with_id(store::Tx& tx, const std::string& id) {
  return rows::one(tx, "WHERE a.id = $1", {id});
}

Result<std::vector<Agent>> list(store::Tx& tx, const Filter& filter, const std::string& after,
                                std::size_t limit) {
  const auto word = [](const auto& value) {
    return value ? std::string(name(*value)) : std::string();
  };
  const auto pattern = filter.text.empty() ? std::string() : escaped_for_like(filter.text);
  const auto key = slug_of(filter.category);
  // A category without a letter is nobody's.
  if (key.empty() && !filter.category.empty()) return std::vector<Agent>();
  return rows::all(tx, R"sql(
    WHERE a.slug > $1
      AND ($2 = '' OR a.category_key = $2)
      AND ($3 = '' OR a.status = $3)
      AND ($4 = '' OR a.tier = $4)
      AND ($5 = '' OR a.kind = $5)
      AND ($6 = '' OR EXISTS (
            SELECT 1 FROM agent_capabilities c WHERE c.agent = a.id AND c.capability = $6))
      AND ($7 = '' OR LOWER(a.name) LIKE $7 ESCAPE '\' OR a.slug LIKE $7 ESCAPE '\'
           OR LOWER(a.purpose) LIKE $7 ESCAPE '\'
           OR EXISTS (SELECT 1 FROM agent_aliases w
                      WHERE w.agent = a.id AND LOWER(w.alias) LIKE $7 ESCAPE '\'))
    ORDER BY a.slug
    LIMIT $8
  )sql",
                   {after, key, word(filter.status), word(filter.tier), word(filter.kind),
                    filter.capability, pattern, limit});
}

Result<std::optional<protocol::Violation>> clash(store::Tx& tx, const std::string& own_id,
                                                 const Facts& facts) {
  if (facts.name) {
    TRY(auto other, clash_of(tx, own_id, *facts.name, "/name"));
    if (other) return other;
  }
  for (std::size_t i = 0; facts.aliases && i < facts.aliases->size(); ++i) {
    TRY(auto other, clash_of(tx, own_id, (*facts.aliases)[i], fmt::format("/aliases/{}", i)));
    if (other) return other;
  }
  return std::nullopt;
}

Result<> check_unlike(store::Tx& tx, const Agent& agent, const Facts& facts) {
  const std::string_view doing = agent.id.empty() ? "register" : "change";
  const auto& called = agent.id.empty() ? *facts.name : agent.slug;
  if (facts.name && *facts.name != agent.name) {
    TRY(const auto other, alike(tx, agent.id, *facts.name, "/name"));
    if (other) return taken(doing, called, *other);
  }
  for (std::size_t i = 0; facts.aliases && i < facts.aliases->size(); ++i) {
    const auto& alias = (*facts.aliases)[i];
    if (std::ranges::find(agent.aliases, alias) != agent.aliases.end()) continue;
    TRY(const auto other, alike(tx, agent.id, alias, fmt::format("/aliases/{}", i)));
    if (other) return taken(doing, called, *other);
  }
  return {};
}

Result<Agent> add(const Act& act, const Catalogue& catalogue, const Facts& facts,
                  const IsSpokenFor& is_spoken_for) {
  TRY(const auto there, act.tx.query_one("SELECT COUNT(*) FROM agents"));
  if (there->at(0).integer() >= limits::agents_max) {
    return base::fail(Code::conflict,
                      fmt::format("register agent {}: there are {} already, and no more are "
                                  "allowed; delete one first",
                                  *facts.name, limits::agents_max),
                      "too_many");
  }
  TRY(const auto other, clash(act.tx, {}, facts));
  if (other) return taken("register", *facts.name, *other);
  Agent agent;
  agent.id = base::uuid_v7(act.now);
  agent.creator = act.actor;
  agent.created = agent.changed = to_milliseconds(act.now);
  apply(agent, facts);
  apply_tier(agent, facts, catalogue);
  TRY(agent.slug, free_slug(act.tx, agent.name, is_spoken_for));
  TRY_OK(rows::insert(act.tx, agent));
  TRY_OK(act.tell("agent.registered", agent));
  return agent;
}

Result<Agent> change(const Act& act, const Catalogue& catalogue, Agent agent, const Facts& facts) {
  TRY(const auto other, clash(act.tx, agent.id, facts));
  if (other) return taken("change", agent.slug, *other);
  const bool was_deployed = agent.status == Status::deployed;
  auto changed = apply(agent, facts);
  if (apply_tier(agent, facts, catalogue)) changed.emplace_back("tier");
  if (changed.empty()) return agent;
  ++agent.revision;
  agent.changed = to_milliseconds(act.now);
  TRY_OK(rows::update(act.tx, agent));
  TRY_OK(
      act.tell("agent.changed", agent, {{"changed", json::array(changed.begin(), changed.end())}}));
  if (was_deployed && agent.status != Status::deployed) {
    TRY_OK(withdraw(act, catalogue, agent));
  }
  return agent;
}

Result<> remove(const Act& act, const Catalogue& catalogue, const Agent& agent) {
  TRY_OK(withdraw(act, catalogue, agent));
  TRY_OK(rows::remove(act.tx, agent.id));
  return act.tell("agent.removed", agent);
}

Result<std::optional<json::value>> answer_of(store::Tx& tx, const std::string& creator,
                                             const std::string& request, const std::string& hash) {
  if (request.empty()) return std::nullopt;
  TRY(const auto row,
      tx.query_one("SELECT hash, answer FROM agent_requests WHERE creator = $1 AND request = $2",
                   {creator, request}));
  if (!row) return std::nullopt;
  if (row->at(0).text() != hash) {
    return base::fail(Code::conflict,
                      fmt::format("request {} came before with another body", request),
                      "idempotency_mismatch");
  }
  TRY(auto answer, base::parse_json(row->at(1).text()));
  return answer;
}

Result<> keep_answer(const Act& act, const std::string& request, const std::string& hash,
                     const json::value& answer) {
  if (request.empty()) return {};
  TRY_OK(act.tx.execute("DELETE FROM agent_requests WHERE at < $1",
                        {engine::to_stamp(act.now - limits::agent_requests_kept)}));
  TRY_OK(act.tx.execute(
      R"sql(
    INSERT INTO agent_requests (creator, request, hash, answer, at)
    VALUES ($1, $2, $3, $4, $5)
  )sql",
      {act.actor, request, hash, json::serialize(answer), engine::to_stamp(act.now)}));
  return {};
}

}  // namespace services::agents
