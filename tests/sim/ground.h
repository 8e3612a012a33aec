// What worlds have in common and what is dear to make: compiled schemas, a store with its tables,
// the loop. One world after another stands on it.
#pragma once

#include "bridge/protocol/message_types.h"
#include "bridge/store/sqlite_store.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace sim {

// Which misfortunes happened, over all worlds.
class Coverage {
 public:
  void passed(std::string_view point);  // a place where the world might have ended
  void happened(std::string_view misfortune);
  // Places that were passed but where no world ended, and misfortunes of `expected` that never
  // happened.
  std::vector<std::string> missing(const std::vector<std::string>& expected) const;
  std::string report() const;

 private:
  std::map<std::string, std::int64_t, std::less<>> passed_;
  std::map<std::string, std::int64_t, std::less<>> happened_;
};

class Ground {
 public:
  Ground();

  // Every row of every table, by table.
  using Rows = std::map<std::string, std::vector<store::Row>>;
  Rows dump();
  // Makes the tables hold just these rows.
  void fill(const Rows& rows);

  // Runs a transaction at once, without the loop that the world runs on.
  template <class Work>
  auto write(Work work) {
    return run(store->write(std::move(work)));
  }
  template <class Work>
  auto read(Work work) {
    return run(store->read(std::move(work)));
  }

  boost::asio::io_context loop;
  protocol::MessageTypes types = protocol::MessageTypes::built_in();
  std::unique_ptr<store::SqliteStore> store;
  Coverage coverage;
  // The text of every statement that lives hand to the store, if wanted.
  bool remembers_statements = false;
  std::set<std::string> statements;

 private:
  template <class R>
  R run(boost::asio::awaitable<R> task) {
    std::optional<R> result;
    boost::asio::co_spawn(aside_, std::move(task), [&](const std::exception_ptr& error, R given) {
      BRIDGE_ASSERT(!error);
      result.emplace(std::move(given));
    });
    aside_.restart();
    aside_.run();
    return *std::move(result);
  }

  boost::asio::io_context aside_;
  std::vector<std::string> tables_;  // what others refer to comes first
};

}  // namespace sim
