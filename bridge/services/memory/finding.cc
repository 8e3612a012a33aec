// Lists, searches and overviews of memory.
#include "bridge/services/memory/memory_limits.h"
#include "bridge/services/memory/rules.h"
#include "bridge/services/memory/rules_parts.h"
#include "bridge/services/memory/text_index.h"

#include <algorithm>
#include <array>

namespace services::memory::rules {

using base::Result;

namespace {

// The marks of what is wanted, besides who may see it.
void narrow(text_index::Filter& filter, const std::string& type, const std::string& tag) {
  if (!type.empty()) filter.each.push_back(mark::of_type(type));
  if (!tag.empty()) filter.each.push_back(mark::of_tag(tag));
}

// What the agent sees in this scope; for an operator, who sees everything, as far as it reaches.
void add_scope(text_index::Filter& filter, const Viewer& viewer, const Owner& owner, Scope scope) {
  if (scope == Scope::all) {
    filter.any = marks_seen_by(viewer);
    return;
  }
  filter.any = {mark::of_agent(owner.agent)};
  if (scope == Scope::fleet && !owner.fleet.empty()) {
    filter.any.push_back(mark::of_fleet(owner.fleet));
  }
}

Result<std::vector<Entry>> summaries(store::Tx& tx, const text_index::Filter& filter,
                                     std::size_t limit) {
  TRY(const auto numbers, text_index::newest(tx, filter, limit));
  std::vector<Entry> found;
  for (const auto number : numbers) {
    TRY(auto entry, rows::summary(tx, number));
    if (entry) found.push_back(*std::move(entry));
  }
  return found;
}

}  // namespace

Result<Page> list(store::Tx& tx, const Asker& asker, const std::string& which,
                  const Listing& listing) {
  TRY(const auto owner, owner_for(tx, asker, which));
  TRY(const auto viewer, viewer_of(tx, asker));
  text_index::Filter filter{.any = marks_seen_by(viewer),
                            .each = {mark::of_agent(owner.agent)},
                            .before = listing.before};
  narrow(filter, listing.type, listing.tag);
  if (listing.since) {
    TRY(filter.from, rows::first_since(tx, *listing.since));
  }
  Page page{.entries = {}, .is_end = true};
  TRY(page.entries, summaries(tx, filter, listing.limit + 1));
  if (page.entries.size() > listing.limit) {
    page.entries.resize(listing.limit);
    page.is_end = false;
  }
  return page;
}

Result<Found> search(store::Tx& tx, const Asker& asker, const std::string& which,
                     const Search& wanted) {
  TRY(const auto owner, own(tx, asker, which));
  TRY(const auto viewer, viewer_of(tx, asker));
  text_index::Filter filter;
  add_scope(filter, viewer, owner, wanted.scope);
  narrow(filter, wanted.type, wanted.tag);
  if (!wanted.agent.empty()) {
    TRY(const auto other, owner_for(tx, asker, wanted.agent));
    filter.each.push_back(mark::of_agent(other.agent));
  }
  if (wanted.since) {
    TRY(filter.from, rows::first_since(tx, *wanted.since));
  }
  TRY(const auto ranked, text_index::find(tx, wanted.query, filter, wanted.limit));
  Found found{.hits = {}, .ranked = ranked.ranked, .is_bounded = ranked.is_bounded};
  for (const auto& hit : ranked.hits) {
    TRY(auto entry, rows::summary(tx, hit.number));
    if (!entry) continue;
    TRY(auto part, text_index::passage(tx, wanted.query, hit.number));
    found.hits.push_back({*std::move(entry), hit.score, std::move(part)});
  }
  return found;
}

Result<Dreams> dreams(store::Tx& tx, const Asker& asker, const std::string& which,
                      std::size_t limit) {
  static const std::array<std::string, 2> spoken = {mark::of_type("conversation"),
                                                    mark::of_type("reply")};
  static const std::string analysis = mark::of_type("analysis");
  TRY(const auto owner, owner_for(tx, asker, which));
  TRY(const auto viewer, viewer_of(tx, asker));
  Dreams dreams{.owner = owner,
                .holdings = {},
                .knowledge = {},
                .conversations = {},
                .analyses = {},
                .expertise = {}};
  const text_index::Filter all{.any = marks_seen_by(viewer), .each = {mark::of_agent(owner.agent)}};
  auto filter = all;
  filter.none = {spoken[0], spoken[1], analysis};
  TRY(dreams.knowledge, summaries(tx, filter, limit));
  filter = all;
  filter.each.push_back(analysis);
  TRY(dreams.analyses, summaries(tx, filter, limit));
  // Two kinds of words, merged by age.
  for (const auto& type : spoken) {
    filter = all;
    filter.each.push_back(type);
    TRY(auto some, summaries(tx, filter, limit));
    std::ranges::move(some, std::back_inserter(dreams.conversations));
  }
  std::ranges::sort(dreams.conversations, std::greater(), &Entry::number);
  if (dreams.conversations.size() > limit) dreams.conversations.resize(limit);
  const bool is_own = viewer.is_operator || viewer.self.agent == owner.agent;
  if (is_own) {
    TRY(dreams.expertise, rows::topics_of(tx, owner.agent, limits::memory_topics_shown));
    TRY(dreams.holdings, rows::holdings_of(tx, owner.agent));
  } else {
    // Others learn of nothing but what is shared with all.
    TRY(dreams.expertise, rows::shared_topics_of(tx, owner.agent, limits::memory_topics_shown));
  }
  return dreams;
}

}  // namespace services::memory::rules
