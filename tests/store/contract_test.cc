#include "tests/store/contract.h"

namespace store {
namespace {

constexpr Migration tables[] = {{"contract", 1, R"(
CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE children (
  id INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL REFERENCES parents DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE TABLE things (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL CHECK (size >= 0),
  note TEXT
) STRICT;
CREATE TABLE anything (
  id INTEGER PRIMARY KEY, number INTEGER, real REAL, text TEXT, bytes BLOB
) STRICT;
)"}};

std::unique_ptr<Store> open_with(SqliteOptions options, boost::asio::any_io_executor loop) {
  options.ballast_bytes = 4096;
  auto store = SqliteStore::open(std::move(options), std::move(loop), tables);
  EXPECT_TRUE(store) << store.error().message;
  return *std::move(store);
}

struct SqliteFile {
  std::unique_ptr<Store> open(const Folder& folder, boost::asio::any_io_executor loop) {
    return open_with({.path = folder / "store.db"}, std::move(loop));
  }
};

struct SqliteFileInCaller {
  std::unique_ptr<Store> open(const Folder& folder, boost::asio::any_io_executor loop) {
    return open_with({.path = folder / "store.db", .threading = Threading::in_caller},
                     std::move(loop));
  }
};

struct SqliteMemory {
  std::unique_ptr<Store> open(const Folder&, boost::asio::any_io_executor loop) {
    return open_with({.path = ":memory:"}, std::move(loop));
  }
};

using Drivers = testing::Types<SqliteFile, SqliteFileInCaller, SqliteMemory>;
INSTANTIATE_TYPED_TEST_SUITE_P(Sqlite, StoreContract, Drivers);

}  // namespace
}  // namespace store
