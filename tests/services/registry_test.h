// A store in memory with a registry and keys, and a loop that runs one task to its end.
#pragma once

#include "bridge/engine/journal.h"
#include "bridge/engine/schema.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/keys.h"
#include "bridge/store/sqlite_store.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace services {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    std::vector<store::Migration> steps;
    for (const auto part : {engine::migrations(), key_migrations(), agents::migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened = store::SqliteStore::open({.path = ":memory:"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
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
  // The types of the journal's entries that begin so.
  std::vector<std::string> told(std::string type = {}) {
    std::vector<std::string> types;
    const auto page =
        run(store->read([&](store::Tx& tx) { return journal.page(tx, 0, 500, {.type = type}); }));
    for (const auto& entry : page->entries) types.push_back(entry.type);
    return types;
  }

  boost::asio::io_context loop;
  engine::Journal journal;
  std::unique_ptr<store::SqliteStore> store;
};

}  // namespace services
