#include "bridge/store/migrations.h"

#include "bridge/base/hash.h"
#include "bridge/store/sqlite_tx.h"

#include <map>
#include <string>

#include <fmt/format.h>

namespace store {
namespace {

using base::Code;

constexpr std::int64_t application_id = 0x464C5957;  // "FLYW"

// The store's own tables.
constexpr Migration own[] = {
    {"store", 1, R"(
CREATE TABLE store_meta (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
INSERT INTO store_meta (name, value) VALUES ('generation', 1);
)"},
};

std::string checksum(const Migration& step) {
  return base::sha256_hex(fmt::format("{}\n{}\n{}", step.component, step.version, step.sql));
}

base::Result<> make_ours(Connection& connection) {
  TRY(auto transaction, Transaction::begin(connection, Access::write));
  TRY_OK(connection.control(fmt::format("PRAGMA application_id = {}", application_id)));
  TRY_OK(connection.script(R"(
CREATE TABLE store_migrations (
  component TEXT NOT NULL,
  version INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  PRIMARY KEY (component, version)
) STRICT)"));
  return transaction.commit();
}

using Applied = std::map<std::pair<std::string, std::int64_t>, std::string>;

base::Result<Applied> applied(Connection& connection) {
  std::vector<Row> rows;
  TRY_OK(connection.run("SELECT component, version, checksum FROM store_migrations", {},
                        {.rows = &rows}, Access::read));
  Applied found;
  for (const auto& row : rows) {
    found.emplace(std::pair(row[0].text(), row[1].integer()), row[2].text());
  }
  return found;
}

class WithoutReferences {
 public:
  explicit WithoutReferences(Connection& connection) : connection_(connection) { set("OFF"); }
  ~WithoutReferences() { set("ON"); }
  WithoutReferences(const WithoutReferences&) = delete;
  WithoutReferences& operator=(const WithoutReferences&) = delete;

 private:
  void set(std::string_view word) {
    const auto done = connection_.control(fmt::format("PRAGMA foreign_keys = {}", word));
    BRIDGE_ASSERT(done);
  }
  Connection& connection_;
};

base::Result<> apply(Connection& connection, const Migration& step) {
  const auto explained = [&](base::Error error) {
    error.message =
        fmt::format("migrate {} to {}: {}", step.component, step.version, error.message);
    return std::unexpected(std::move(error));
  };
  // A step that makes a table anew must not have its rows taken for deleted ones.
  const WithoutReferences unchecked(connection);
  TRY(auto transaction, Transaction::begin(connection, Access::write));
  if (auto done = connection.script(step.sql); !done) return explained(done.error());
  const Value values[] = {step.component, step.version, checksum(step)};
  TRY_OK(
      connection.run("INSERT INTO store_migrations (component, version, checksum) "
                     "VALUES ($1, $2, $3)",
                     values, {}, Access::write));
  TRY(const auto broken, connection.ask("PRAGMA foreign_key_check"));
  if (!broken.empty()) {
    return explained({Code::conflict, "a foreign key refers to nothing", "foreign_key"});
  }
  return transaction.commit();
}

base::Result<> check_known(const Applied& taken, std::span<const Migration> steps) {
  std::map<std::string, std::int64_t, std::less<>> newest;
  for (const auto& step : steps) {
    auto& last = newest[std::string(step.component)];
    BRIDGE_ASSERT(step.version == last + 1);
    last = step.version;
  }
  for (const auto& [key, sum] : taken) {
    const auto& [component, version] = key;
    const auto known = newest.find(component);
    const std::int64_t last = known == newest.end() ? 0 : known->second;
    if (version > last) {
      return base::fail(Code::conflict,
                        fmt::format("open store: {} has schema {}, this program knows up to {}; "
                                    "use a newer program",
                                    component, version, last),
                        "newer_schema");
    }
  }
  return {};
}

}  // namespace

bool is_empty(Connection& connection) {
  const auto tables = connection.number("SELECT count(*) FROM sqlite_schema");
  return tables && *tables == 0;
}

base::Result<> check_is_store(Connection& connection) {
  TRY(const auto id, connection.number("PRAGMA application_id"));
  if (id == application_id || (id == 0 && is_empty(connection))) return {};
  return base::fail(Code::conflict, "open store: the database belongs to another program",
                    "foreign");
}

base::Result<> migrate(Connection& connection, std::span<const Migration> migrations) {
  TRY_OK(check_is_store(connection));
  if (is_empty(connection)) TRY_OK(make_ours(connection));
  std::vector<Migration> steps(std::begin(own), std::end(own));
  steps.insert(steps.end(), migrations.begin(), migrations.end());
  TRY(const auto taken, applied(connection));
  TRY_OK(check_known(taken, steps));
  for (const auto& step : steps) {
    const auto found = taken.find({std::string(step.component), step.version});
    if (found == taken.end()) {
      TRY_OK(apply(connection, step));
    } else if (found->second != checksum(step)) {
      return base::fail(Code::conflict,
                        fmt::format("open store: step {} of {} was taken with another text",
                                    step.version, step.component),
                        "changed_migration");
    }
  }
  return {};
}

base::Result<std::int64_t> generation(Connection& connection) {
  return connection.number("SELECT value FROM store_meta WHERE name = 'generation'");
}

base::Result<> set_generation(Connection& connection, std::int64_t generation) {
  const Value values[] = {generation};
  TRY_OK(connection.run("UPDATE store_meta SET value = $1 WHERE name = 'generation'", values, {},
                        Access::write));
  return {};
}

}  // namespace store
