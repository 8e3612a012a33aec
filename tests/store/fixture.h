// A loop, a folder and stores in it.
#pragma once

#include "bridge/store/sqlite_store.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace store {

// A new folder, gone at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "store-XXXXXX").string();
    BRIDGE_ASSERT(::mkdtemp(name.data()));
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Runs `task` to its end on `loop`. What it throws comes out.
template <class T>
T run(boost::asio::io_context& loop, boost::asio::awaitable<T> task) {
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr error, T value) {
    if (error) std::rethrow_exception(error);
    result.emplace(std::move(value));
  });
  loop.restart();
  loop.run();
  return *std::move(result);
}

// The rows of one query in a transaction of its own.
inline std::vector<Row> rows_of(boost::asio::io_context& loop, Store& store, std::string sql) {
  auto rows = run(loop, store.read([sql = std::move(sql)](Tx& tx) { return tx.query(sql); }));
  EXPECT_TRUE(rows) << rows.error().message;
  return rows ? *std::move(rows) : std::vector<Row>();
}

inline base::Result<std::int64_t> write_one(boost::asio::io_context& loop, Store& store,
                                            std::string sql, Values values = {}) {
  return run(loop, store.write([sql = std::move(sql), values = std::move(values)](Tx& tx) {
    return tx.execute(sql, values);
  }));
}

}  // namespace store
