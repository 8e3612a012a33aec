// Registry files.
#include "bridge/services/agents/rows.h"
#include "bridge/services/agents/rules.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace services::agents {

using base::Code;
using base::Result;

namespace {

// Two entries of one name would overwrite each other.
void check_names(const std::vector<Facts>& all, std::vector<protocol::Violation>& wrong) {
  std::map<std::string_view, std::size_t> seen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto [first, is_new] = seen.emplace(*all[i].name, i);
    if (is_new) continue;
    wrong.push_back({fmt::format("/import/{}/name", i), "unique",
                     fmt::format("entry {} has the same name", first->second)});
  }
}

Result<Imported> import_one(const Act& act, const Catalogue& catalogue,
                            const std::optional<Agent>& known, Facts facts) {
  if (!known) {
    TRY(auto agent, add(act, catalogue, facts));
    Imported imported{.agent = std::move(agent), .outcome = Imported::Outcome::created};
    if (const auto plain = slug_of(imported.agent.name); plain != imported.agent.slug) {
      imported.note = fmt::format("its slug is {}: {} was taken", imported.agent.slug,
                                  plain.empty() ? "nothing else" : plain);
    }
    return imported;
  }
  // A file knows nothing of missions: who is on one stays there.
  if (known->status == Status::deployed) facts.status.reset();
  TRY(auto agent, change(act, catalogue, *known, facts));
  const bool is_same = agent.revision == known->revision;
  return Imported{.agent = std::move(agent),
                  .outcome = is_same ? Imported::Outcome::unchanged : Imported::Outcome::updated};
}

}  // namespace

std::string_view name(Imported::Outcome outcome) {
  switch (outcome) {
    case Imported::Outcome::created:
      return "created";
    case Imported::Outcome::updated:
      return "updated";
    case Imported::Outcome::unchanged:
      return "unchanged";
  }
  BRIDGE_ASSERT(false);
  return {};
}

Result<std::vector<Imported>> import(const Act& act, const Catalogue& catalogue,
                                     const Origins& origins, const std::vector<Facts>& all,
                                     std::vector<protocol::Violation>& wrong) {
  wrong.clear();
  check_names(all, wrong);
  std::vector<Imported> imported;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& facts = all[i];
    const auto at = fmt::format("/import/{}", i);
    TRY(const auto known, rows::one(act.tx, "WHERE a.name = $1", {*facts.name}));
    const auto kind = facts.kind.value_or(known ? known->kind : Kind::custom_gpt);
    auto found = faults(facts, kind, origins, at);
    TRY(const auto other, clash(act.tx, known ? known->id : "", facts));
    if (other) found.push_back({at + other->pointer, other->keyword, other->detail});
    std::ranges::move(found, std::back_inserter(wrong));
    if (!wrong.empty()) continue;
    TRY(auto one, import_one(act, catalogue, known, facts));
    imported.push_back(std::move(one));
  }
  if (wrong.empty()) return imported;
  return base::fail(Code::invalid,
                    fmt::format("import {} agents: {}: {}", all.size(), wrong.front().pointer,
                                wrong.front().detail),
                    "invalid");
}

}  // namespace services::agents
