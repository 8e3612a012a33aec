#include "tests/sim/ground.h"

#include "bridge/engine/schema.h"
#include "bridge/services/packets.h"
#include "bridge/services/posts.h"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

namespace sim {

namespace {

std::vector<store::Migration> migrations() {
  std::vector<store::Migration> all;
  for (const auto part :
       {engine::migrations(), services::post_migrations(), services::packet_migrations()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

void count(std::map<std::string, std::int64_t, std::less<>>& counts, std::string_view what) {
  const auto found = counts.find(what);
  if (found == counts.end()) {
    counts.emplace(what, 1);
  } else {
    ++found->second;
  }
}

}  // namespace

void Coverage::passed(std::string_view point) { count(passed_, point); }
void Coverage::happened(std::string_view misfortune) { count(happened_, misfortune); }

std::vector<std::string> Coverage::missing(const std::vector<std::string>& expected) const {
  std::vector<std::string> missing;
  for (const auto& [point, times] : passed_) {
    if (const auto end = "crash at " + point; !happened_.contains(end)) missing.push_back(end);
  }
  std::ranges::copy_if(expected, std::back_inserter(missing),
                       [&](const auto& misfortune) { return !happened_.contains(misfortune); });
  return missing;
}

std::string Coverage::report() const {
  std::string lines;
  for (const auto& [what, times] : happened_) lines += fmt::format("{:>10}  {}\n", times, what);
  return lines;
}

Ground::Ground() {
  auto opened = store::SqliteStore::open({.path = ":memory:", .incarnation = "simulation"},
                                         loop.get_executor(), migrations());
  BRIDGE_ASSERT(opened);
  store = *std::move(opened);
  tables_ = {"accounts", "lanes", "jobs"};
  const auto named = read([](store::Tx& tx) {
    return tx.query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND name NOT LIKE 'store_%' ORDER BY name");
  });
  BRIDGE_ASSERT(named);
  for (const auto& row : *named) {
    if (std::ranges::find(tables_, row[0].text()) == tables_.end())
      tables_.push_back(row[0].text());
  }
}

Ground::Rows Ground::dump() {
  auto rows = read([this](store::Tx& tx) -> base::Result<Rows> {
    Rows all;
    for (const auto& table : tables_) {
      TRY(all[table], tx.query(fmt::format("SELECT * FROM {} ORDER BY rowid", table)));
    }
    return all;
  });
  BRIDGE_ASSERT(rows);
  return *std::move(rows);
}

void Ground::fill(const Rows& rows) {
  const auto filled = write([&](store::Tx& tx) -> base::Result<> {
    for (const auto& table : std::views::reverse(tables_)) {
      TRY_OK(tx.execute("DELETE FROM " + table));
    }
    for (const auto& table : tables_) {
      const auto found = rows.find(table);
      if (found == rows.end()) continue;
      for (const auto& row : found->second) {
        std::string places;
        for (std::size_t i = 1; i <= row.size(); ++i) {
          places += fmt::format("{}${}", i == 1 ? "" : ", ", i);
        }
        TRY_OK(tx.execute(fmt::format("INSERT INTO {} VALUES ({})", table, places), row));
      }
    }
    return {};
  });
  BRIDGE_ASSERT(filled);
}

}  // namespace sim
