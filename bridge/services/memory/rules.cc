#include "bridge/services/memory/rules.h"

#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/services/memory/memory_limits.h"
#include "bridge/services/memory/rules_parts.h"
#include "bridge/services/memory/text_index.h"
#include "bridge/store/id_prefix.h"
#include "cdp/json_text.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::memory {

namespace json = boost::json;
using base::Code;
using base::Result;

namespace {

json::object facts(const Entry& entry) {
  json::object told{{"agent", entry.owner.agent},     {"type", entry.type},
                    {"sharing", name(entry.sharing)}, {"origin", name(entry.origin)},
                    {"sha256", entry.sha256},         {"bytes", entry.bytes}};
  if (!entry.owner.fleet.empty()) told["category"] = entry.owner.fleet;
  return told;
}

// What it belongs to: the job that was answered, else the thread of the messages.
std::string thread_of(const Entry& entry) {
  auto job = cdp::text_in(entry.provenance, "job");
  return job.empty() ? cdp::text_in(entry.provenance, "thread") : job;
}

Entry made(const Act& act, const Owner& owner, Origin origin, NewEntry asked,
           json::object provenance) {
  // A tag twice would count twice.
  std::ranges::sort(asked.tags);
  asked.tags.erase(std::ranges::unique(asked.tags).begin(), asked.tags.end());
  return {.id = base::uuid_v7(act.now),
          .owner = owner,
          .type = std::move(asked.type),
          .sharing = asked.sharing,
          .origin = origin,
          .title = std::move(asked.title),
          .content = std::move(asked.content),
          .tags = std::move(asked.tags),
          .metadata = std::move(asked.metadata),
          .provenance = std::move(provenance),
          .creator = act.actor,
          .created = std::chrono::floor<std::chrono::milliseconds>(act.now)};
}

Result<> keep(const Act& act, Entry& entry, const rows::Request& request) {
  entry.sha256 = base::sha256_hex(entry.content);
  entry.bytes = static_cast<std::int64_t>(entry.content.size());
  TRY_OK(rows::insert(act.tx, entry, request));
  TRY_OK(act.journal.append(act.tx,
                            {.type = "memory.stored",
                             .subject = entry.id,
                             .actor = act.actor,
                             .thread = thread_of(entry),
                             .data = facts(entry)},
                            act.now));
  return {};
}

Result<> forget(const Act& act, const Entry& entry) {
  TRY_OK(rows::remove(act.tx, entry, act.actor, act.now));
  TRY_OK(act.journal.append(act.tx,
                            {.type = "memory.deleted",
                             .subject = entry.id,
                             .actor = act.actor,
                             .thread = thread_of(entry),
                             .data = facts(entry)},
                            act.now));
  return {};
}

Result<> check_room(store::Tx& tx, const Owner& owner, std::size_t bytes) {
  TRY(const auto has, rows::holdings_of(tx, owner.agent));
  if (has.entries < limits::memory_entries_max &&
      has.bytes + static_cast<std::int64_t>(bytes) <= limits::memory_bytes_max) {
    return {};
  }
  return base::fail(Code::conflict,
                    fmt::format("store memory: {} has {} entries with {} bytes, and no more are "
                                "allowed; delete some first",
                                owner.agent, has.entries, has.bytes),
                    "memory_full");
}

}  // namespace

Result<Entry> remember(const Act& act, const Owner& owner, Origin origin, NewEntry asked,
                       json::object provenance) {
  auto entry = made(act, owner, origin, std::move(asked), std::move(provenance));
  TRY_OK(keep(act, entry, {}));
  return entry;
}

namespace rules {

std::vector<protocol::Violation> faults(const NewEntry& entry) {
  std::vector<protocol::Violation> wrong;
  const auto bound = [&](std::string pointer, std::size_t size, std::size_t max) {
    if (size <= max) return;
    wrong.push_back({std::move(pointer), "maxBytes",
                     fmt::format("must have at most {} bytes, but has {}", max, size)});
  };
  bound("/title", entry.title.size(), limits::memory_title_bytes_max);
  bound("/content", entry.content.size(), limits::memory_content_bytes_max);
  bound("/metadata", json::serialize(entry.metadata).size(), limits::memory_metadata_bytes_max);
  for (std::size_t i = 0; i < entry.tags.size(); ++i) {
    bound(fmt::format("/tags/{}", i), entry.tags[i].size(), limits::memory_tag_bytes_max);
  }
  if (entry.tags.size() > limits::memory_tags_max) {
    wrong.push_back(
        {"/tags", "maxItems", fmt::format("must have at most {} items", limits::memory_tags_max)});
  }
  if (entry.content.empty()) wrong.push_back({"/content", "minLength", "must not be empty"});
  return wrong;
}

Result<Memory::Stored> store(const Act& act, const Asker& asker, const std::string& which,
                             NewEntry asked, const rows::Request& request) {
  TRY(const auto owner, own(act.tx, asker, which));
  // Nothing is added to what a removed agent left.
  TRY_OK(owner_of(act.tx, which));
  TRY(auto known, rows::of_request(act.tx, act.actor, request));
  if (known) return Memory::Stored{*std::move(known), true};
  TRY_OK(check_room(act.tx, owner, asked.content.size()));
  json::object provenance{{"source", "api"}, {"stored_by", act.actor}};
  const bool is_person = asker.agent.empty() && !asker.is_of_run;
  const auto origin = is_person ? Origin::person : Origin::agent;
  auto entry = made(act, owner, origin, std::move(asked), std::move(provenance));
  TRY_OK(keep(act, entry, request));
  return Memory::Stored{std::move(entry), false};
}

Result<Entry> get(store::Tx& tx, const Asker& asker, const std::string& which,
                  const std::string& id) {
  TRY(const auto owner, owner_for(tx, asker, which));
  TRY(const auto viewer, viewer_of(tx, asker));
  const auto missing = [&] {
    return base::fail(Code::not_found,
                      fmt::format("find memory {} of {}: there is none", id, which));
  };
  std::string whole = id;
  if (id.size() >= limits::memory_id_prefix_min) {
    TRY(const auto begin_so, rows::ids(tx, owner.agent, id));
    if (begin_so.size() > 1) return std::unexpected(store::ambiguous_id("memory", id));
    if (!begin_so.empty()) whole = begin_so.front();
  }
  TRY(auto entry, rows::with_id(tx, whole));
  if (entry) {
    if (entry->owner.agent != owner.agent || !may_read(viewer, *entry)) return missing();
    return *std::move(entry);
  }
  TRY(const auto grave, rows::tombstone(tx, whole));
  const bool may_know = viewer.is_operator || viewer.self.agent == owner.agent;
  if (!grave || grave->agent != owner.agent || !may_know) return missing();
  return base::fail(Code::not_found,
                    fmt::format("find memory {}: it was deleted at {} by {}", whole,
                                base::rfc3339(grave->deleted), grave->actor),
                    "deleted");
}

Result<> remove(const Act& act, const Asker& asker, const std::string& which,
                const std::string& id) {
  TRY_OK(own(act.tx, asker, which));
  TRY(const auto entry, get(act.tx, asker, which, id));
  return forget(act, entry);
}

Result<std::int64_t> purge_some(const Act& act, const Asker& asker, const std::string& which) {
  TRY(const auto owner, own(act.tx, asker, which));
  const text_index::Filter all{.each = {mark::of_agent(owner.agent)}};
  TRY(const auto numbers, text_index::newest(act.tx, all, limits::memory_purged_at_once));
  for (const auto number : numbers) {
    TRY(const auto entry, rows::summary(act.tx, number));
    BRIDGE_ASSERT(entry);
    TRY_OK(forget(act, *entry));
  }
  return static_cast<std::int64_t>(numbers.size());
}

}  // namespace rules
}  // namespace services::memory
