// Registry files.
#include "bridge/services/agents/rows.h"
#include "bridge/services/agents/rules.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace services::agents {

using base::Code;
using base::Result;

namespace {

// How an entry was found to be about an agent.
enum class By { name, alias, link };

using AliasWords = std::vector<std::string>;

// An entry of the file, and what comes of it.
struct Entry {
  const Facts& said;
  const Agent* known = nullptr;  // whom it is about; null: a new one
  By by = By::name;
  Facts facts = {};         // what is to be said about that one
  AliasWords given = {};    // aliases that it has from files, this one being the last
  AliasWords dropped = {};  // that it has no longer
  AliasWords kept = {};     // that it keeps though the entry lists others
};

bool is_among(const AliasWords& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

// The GPT that a link leads to, whatever it is called there: "…/g/g-1a2b-some-name" is
// "…/g/g-1a2b". Two conversations of one GPT or project are two agents.
std::string gpt_of(std::string_view link) {
  constexpr std::string_view of_gpt = "/g/g-", of_project = "p-", of_chat = "/c/";
  const auto found = link.find(of_gpt);
  if (found == std::string_view::npos) return std::string(link);
  auto id = found + of_gpt.size();
  if (link.substr(id).starts_with(of_project)) id += of_project.size();
  std::string gpt(link.substr(0, link.find_first_of("-/?#", id)));
  const auto path = link.substr(0, link.find_first_of("?#", id));
  if (const auto chat = path.find(of_chat, id); chat != path.npos) gpt += path.substr(chat);
  return gpt;
}

// Finds whom each entry is about, before anything is written: by exact name, then by an alias, then
// by a GPT that one agent and one entry alone have. Two entries are never about one agent. Slugs do
// not count: they are made up, and what is called like one may be anybody.
class Matching {
 public:
  Matching(const std::vector<Agent>& known, std::vector<Entry>& entries) : entries_(entries) {
    for (const auto& agent : known) {
      names_.emplace(agent.name, &agent);
      for (const auto& alias : agent.aliases) aliases_.emplace(alias, &agent);
      if (agent.kind != Kind::custom_gpt || agent.link.empty()) continue;
      const auto [other, is_first] = gpts_.emplace(gpt_of(agent.link), &agent);
      if (!is_first) other->second = nullptr;
    }
  }

  void match() {
    for (auto& entry : entries_) {
      entry.known = in(names_, *entry.said.name);
      if (entry.known) taken_.insert(entry.known);
    }
    match_rest(By::alias, [&](const Facts& said) { return in(aliases_, *said.name); });
    match_rest(By::link, [&](const Facts& said) -> const Agent* {
      const bool is_gpt = said.kind.value_or(Kind::custom_gpt) == Kind::custom_gpt;
      if (!is_gpt || !said.link || said.link->empty()) return nullptr;
      return in(gpts_, gpt_of(*said.link));
    });
  }

 private:
  template <class Word>
  using AgentsBy = std::map<Word, const Agent*, std::less<>>;

  template <class Word>
  static const Agent* in(const AgentsBy<Word>& agents, std::string_view key) {
    const auto found = agents.find(key);
    return found == agents.end() ? nullptr : found->second;
  }

  template <class Find>
  void match_rest(By by, Find find) {
    std::map<const Agent*, std::vector<Entry*>> wanted;
    for (auto& entry : entries_) {
      const auto* agent = entry.known ? nullptr : find(entry.said);
      if (agent && !taken_.contains(agent)) wanted[agent].push_back(&entry);
    }
    for (const auto& [agent, by_whom] : wanted) {
      if (by_whom.size() > 1) continue;
      by_whom.front()->known = agent;
      by_whom.front()->by = by;
      taken_.insert(agent);
    }
  }

  std::vector<Entry>& entries_;
  AgentsBy<std::string_view> names_, aliases_;
  AgentsBy<std::string> gpts_;  // a null one has several agents
  std::set<const Agent*> taken_;
};

// The names and aliases of a file, by the entry that has them first.
using Claims = std::map<std::string_view, const Facts*>;

Claims claims_of(const std::vector<Facts>& all) {
  Claims claims;
  for (const auto& facts : all) {
    claims.emplace(*facts.name, &facts);
    if (!facts.aliases) continue;
    for (const auto& alias : *facts.aliases) claims.emplace(alias, &facts);
  }
  return claims;
}

// Decides on the aliases of an agent that is known. `given`: what it has from files before this
// one. What people gave it by hand goes only to an entry that claims it, and if this one lists
// aliases.
void decide_aliases(Entry& entry, const AliasWords& given, const Claims& claims) {
  const bool is_listed = entry.said.aliases.has_value();
  auto words = entry.said.aliases.value_or(AliasWords());
  const auto& name = *entry.said.name;
  if (entry.by != By::name && !is_among(words, name)) words.push_back(name);
  AliasWords rest;
  for (const auto& alias : entry.known->aliases) {
    if (is_among(words, alias)) {
      if (!is_listed) rest.push_back(alias);
      continue;
    }
    const auto claim = claims.find(alias);
    const bool is_claimed = claim != claims.end() && claim->second != &entry.said;
    const bool is_of_file = is_among(given, alias);
    const bool goes = is_listed ? is_of_file || is_claimed : is_of_file && is_claimed;
    (goes ? entry.dropped : rest).push_back(alias);
  }
  if (is_listed) entry.kept = rest;
  // An order that is not said is left as it is.
  auto& aliases = entry.facts.aliases.emplace(is_listed ? words : rest);
  for (const auto& word : is_listed ? rest : words) {
    if (!is_among(aliases, word)) aliases.push_back(word);
  }
  entry.given = words;
  for (const auto& word : given) {
    const bool stays = !is_listed && !is_among(entry.dropped, word) && !is_among(words, word);
    if (stays) entry.given.push_back(word);
  }
}

// Whoever is called otherwise than in the file keeps its name, to which it would not answer if it
// had another; it answers to the file's as well.
void complete(Entry& entry, const AliasWords& given, const Claims& claims) {
  entry.facts = entry.said;
  if (!entry.known) {
    entry.given = entry.said.aliases.value_or(AliasWords());
    return;
  }
  if (entry.by != By::name) entry.facts.name.reset();
  // A file knows nothing of missions: who is on one stays there.
  if (entry.known->status == Status::deployed) entry.facts.status.reset();
  decide_aliases(entry, given, claims);
}

Result<std::vector<Entry>> entries_of(store::Tx& tx, const std::vector<Agent>& known,
                                      const std::vector<Facts>& all, const Claims& claims) {
  std::vector<Entry> entries;
  entries.reserve(all.size());
  for (const auto& facts : all) entries.push_back({.said = facts});
  Matching(known, entries).match();
  TRY(auto given, rows::given_aliases(tx));
  for (auto& entry : entries) {
    complete(entry, entry.known ? given[entry.known->id] : AliasWords(), claims);
    // Another entry, be it an earlier one, may take what this one gives up.
    for (const auto& alias : entry.dropped) TRY_OK(rows::free_alias(tx, entry.known->id, alias));
  }
  return entries;
}

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

// Everything wrong with the entry at this place of the file.
Result<std::vector<protocol::Violation>> faults_of(store::Tx& tx, const Origins& origins,
                                                   const Entry& entry, std::string_view at) {
  const auto before = entry.known ? entry.known->kind : Kind::custom_gpt;
  const auto kind = entry.said.kind.value_or(before);
  auto found = faults(entry.said, kind, origins, at);
  // With the entry's name there may be one too many.
  if (found.empty()) found = faults({.aliases = entry.facts.aliases}, kind, origins, at);
  TRY(const auto other, clash(tx, entry.known ? entry.known->id : "", entry.said));
  if (other) {
    found.push_back({fmt::format("{}{}", at, other->pointer), other->keyword, other->detail});
  }
  return found;
}

std::string note_of(const Entry& entry) {
  std::vector<std::string> notes;
  const auto& called = *entry.said.name;
  if (entry.by == By::alias) {
    notes.push_back(
        fmt::format("the file calls it \"{}\", an alias of it; its name stays", called));
  } else if (entry.by == By::link) {
    notes.push_back(
        fmt::format("the file calls it \"{}\", and gives its link: its name stays, and it "
                    "answers to that one too",
                    called));
  }
  if (!entry.dropped.empty()) {
    notes.push_back(fmt::format("no longer answers to \"{}\"", fmt::join(entry.dropped, "\", \"")));
  }
  if (!entry.kept.empty()) {
    notes.push_back(fmt::format("still answers to \"{}\", which no file has given to it",
                                fmt::join(entry.kept, "\", \"")));
  }
  return fmt::format("{}", fmt::join(notes, "; "));
}

Result<Imported> import_one(const Act& act, const Catalogue& catalogue, const Claims& claims,
                            const Entry& entry) {
  if (entry.known) {
    TRY(auto agent, change(act, catalogue, *entry.known, entry.facts));
    TRY_OK(rows::set_given_aliases(act.tx, agent.id, entry.given));
    const bool is_same = agent.revision == entry.known->revision;
    return Imported{.agent = std::move(agent),
                    .outcome = is_same ? Imported::Outcome::unchanged : Imported::Outcome::updated,
                    .note = note_of(entry)};
  }
  const auto is_spoken_for = [&](const std::string& slug) {
    const auto found = claims.find(slug);
    return found != claims.end() && found->second != &entry.said;
  };
  TRY(auto agent, add(act, catalogue, entry.facts, is_spoken_for));
  TRY_OK(rows::set_given_aliases(act.tx, agent.id, entry.given));
  Imported imported{.agent = std::move(agent), .outcome = Imported::Outcome::created};
  if (const auto plain = slug_of(imported.agent.name); plain != imported.agent.slug) {
    imported.note = fmt::format("its slug is {}: {} was taken", imported.agent.slug,
                                plain.empty() ? "nothing else" : plain);
  }
  return imported;
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
  TRY(const auto known, rows::all(act.tx, "ORDER BY a.id", {}));
  const auto claims = claims_of(all);
  TRY(const auto entries, entries_of(act.tx, known, all, claims));
  std::vector<Imported> imported;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    TRY(auto found, faults_of(act.tx, origins, entries[i], fmt::format("/import/{}", i)));
    std::ranges::move(found, std::back_inserter(wrong));
    if (!wrong.empty()) continue;
    TRY(auto one, import_one(act, catalogue, claims, entries[i]));
    imported.push_back(std::move(one));
  }
  if (wrong.empty()) return imported;
  return base::fail(Code::invalid,
                    fmt::format("import {} agents: {}: {}", all.size(), wrong.front().pointer,
                                wrong.front().detail),
                    "invalid");
}

}  // namespace services::agents
