// Memory on a store in memory.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/engine/schema.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/memory/memory_limits.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services::memory {

using namespace std::chrono_literals;
namespace json = boost::json;

class MemoryFixture : public testing::Test {
 protected:
  explicit MemoryFixture(std::vector<std::span<const store::Migration>> more = {}) {
    std::vector<store::Migration> steps;
    more.push_back(engine::migrations());
    more.push_back(migrations());
    more.push_back(agents::migrations());
    for (const auto part : more) steps.insert(steps.end(), part.begin(), part.end());
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    memory.emplace(*store, journal, clock);
  }

  template <class T>
  T run(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(value));
    });
    loop.restart();
    loop.run();
    return *std::move(result);
  }

  // Its id.
  std::string add_agent(agents::Facts facts) {
    const auto added = run(store->write([&](store::Tx& tx) {
      const agents::Act act{tx, journal, clock.wall(), "key:1"};
      return agents::add(act, catalogue, facts);
    }));
    EXPECT_TRUE(added) << (added ? "" : added.error().message);
    return added ? added->id : "";
  }
  protocol::Checked<Memory::Stored> try_store(Asker asker, std::string which, NewEntry entry,
                                              std::string request = "", std::string hash = "") {
    clock.advance_to(clock.now() + 5ms);
    return run(memory->store(std::move(asker), std::move(which), std::move(entry),
                             std::move(request), std::move(hash)));
  }
  Entry keep(const std::string& agent, std::string content, Sharing sharing = Sharing::nobody) {
    return keep(agent, NewEntry{.content = std::move(content), .sharing = sharing});
  }
  Entry keep(const std::string& agent, NewEntry entry) {
    auto stored = try_store(operator_, agent, std::move(entry));
    EXPECT_TRUE(stored) << (stored ? "" : stored.error().message);
    return stored ? std::move(stored->entry) : Entry{};
  }
  std::vector<std::string> listed(const Asker& asker, const std::string& which,
                                  Listing listing = {}) {
    const auto page = run(memory->list(asker, which, std::move(listing)));
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    std::vector<std::string> contents;
    if (!page) return contents;
    for (const auto& entry : page->entries) contents.push_back(entry.content);
    return contents;
  }
  base::Result<Found> look(const Asker& asker, const std::string& which, std::string_view text,
                           std::optional<Search> more = {}) {
    auto query = Query::parse(text);
    BRIDGE_ASSERT(query);
    Search search = more ? *std::move(more) : Search{.query = *query};
    search.query = *std::move(query);
    return run(memory->search(asker, which, std::move(search)));
  }
  std::vector<std::string> found(const Asker& asker, const std::string& which,
                                 std::string_view text, std::optional<Search> more = {}) {
    const auto result = look(asker, which, text, std::move(more));
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
    std::vector<std::string> contents;
    if (!result) return contents;
    for (const auto& hit : result->hits) contents.push_back(hit.entry.content);
    return contents;
  }
  std::vector<engine::Entry> told(const std::string& type = "memory.") {
    const auto page =
        run(store->read([&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = type}); }));
    BRIDGE_ASSERT(page);
    return page->entries;
  }

  boost::asio::io_context loop;
  test::VirtualClock clock;
  engine::Journal journal;
  agents::Catalogue catalogue = agents::Catalogue::built_in();
  std::unique_ptr<store::SqliteStore> store;
  std::optional<Memory> memory;
  Asker operator_{.principal = "key:1"};
};

}  // namespace services::memory
