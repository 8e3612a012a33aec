// A transaction on a SQLite connection.
#pragma once

#include "bridge/store/connection.h"

#include <functional>
#include <optional>
#include <vector>

namespace store {

// Undone at its end unless committed.
class Transaction {
 public:
  static base::Result<Transaction> begin(Connection& connection, Access access);
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  base::Result<> commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}

  Connection* connection_;
};

// What one piece of work sees of the transaction that it shares with others.
class SqliteTx final : public Tx {
 public:
  SqliteTx(Connection& connection, Access access) : connection_(connection), access_(access) {}

  base::Result<std::vector<Row>> query(std::string_view sql, Values values = {}) override;
  base::Result<Part<Row>> query_part(std::string_view sql, Values values,
                                     std::size_t most) override;
  base::Result<std::int64_t> execute(std::string_view sql, Values values = {}) override;
  void after_commit(std::function<void()> told) override;
  base::Result<> undoing(const std::function<base::Result<>()>& work) override;

  // Runs `work` and finds out whether what it did may stay. Does not undo anything.
  base::Result<> run(const std::function<base::Result<>(Tx&)>& work);
  // The error that made the transaction fail, whatever `run` says.
  const std::optional<base::Error>& broken() const { return broken_; }
  // For what is not done by statements.
  Connection& connection() { return connection_; }
  std::vector<std::function<void()>> take_told() { return std::move(told_); }

 private:
  base::Result<std::int64_t> statement(std::string_view sql, std::span<const Value> values,
                                       const Wanted& wanted);
  base::Result<> control(std::string_view sql);

  Connection& connection_;
  Access access_;
  std::optional<base::Error> broken_;
  std::vector<std::function<void()>> told_;
};

}  // namespace store
