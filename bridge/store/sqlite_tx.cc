#include "bridge/store/sqlite_tx.h"

#include "bridge/base/limits.h"
#include "bridge/store/sqlite_error.h"

namespace store {

base::Result<Transaction> Transaction::begin(Connection& connection, Access access) {
  TRY_OK(connection.control(access == Access::write ? "BEGIN IMMEDIATE" : "BEGIN"));
  return Transaction(connection);
}

Transaction::~Transaction() {
  // Some errors have ended it already.
  if (!connection_ || !connection_->is_in_transaction()) return;
  const auto undone = connection_->control("ROLLBACK");
  BRIDGE_ASSERT(undone || !connection_->is_in_transaction());
}

base::Result<> Transaction::commit() {
  TRY_OK(connection_->control("COMMIT"));
  connection_ = nullptr;
  return {};
}

base::Result<std::int64_t> SqliteTx::statement(std::string_view sql, std::span<const Value> values,
                                               const Wanted& wanted) {
  if (broken_) return std::unexpected(*broken_);
  auto changed = connection_.run(sql, values, wanted, access_);
  if (changed) return changed;
  if (!is_constraint(changed.error())) {
    broken_ = changed.error();
  } else if (!connection_.is_in_transaction()) {
    // OR ROLLBACK: others in the group must not take this for their own error.
    broken_ = {base::Code::internal, changed.error().message + "; it ended the transaction",
               "syntax"};
    return std::unexpected(*broken_);
  }
  return changed;
}

base::Result<std::vector<Row>> SqliteTx::query(std::string_view sql, Values values) {
  std::vector<Row> rows;
  TRY_OK(statement(sql, values, {.rows = &rows}));
  return rows;
}

base::Result<Part<Row>> SqliteTx::query_part(std::string_view sql, Values values,
                                             std::size_t most) {
  BRIDGE_ASSERT(most > 0);
  Part<Row> part;
  TRY_OK(statement(sql, values,
                   {.rows = &part.items,
                    .rows_max = most,
                    .bytes_max = limits::list_part_bytes,
                    .is_end = &part.is_end}));
  return part;
}

base::Result<std::int64_t> SqliteTx::execute(std::string_view sql, Values values) {
  return statement(sql, values, {});
}

void SqliteTx::after_commit(std::function<void()> told) {
  BRIDGE_ASSERT(access_ == Access::write && told);
  told_.push_back(std::move(told));
}

base::Result<> SqliteTx::control(std::string_view sql) {
  auto done = connection_.control(sql);
  if (!done) broken_ = done.error();
  return done;
}

base::Result<> SqliteTx::undoing(const std::function<base::Result<>()>& work) {
  BRIDGE_ASSERT(access_ == Access::write);
  if (broken_) return std::unexpected(*broken_);
  const auto told = told_.size();
  // One within another has the same name: SQLite means the latest.
  TRY_OK(control("SAVEPOINT attempt"));
  auto done = work();
  // The savepoint goes with the whole transaction.
  if (broken_) return std::unexpected(*broken_);
  if (!done) {
    told_.resize(told);
    TRY_OK(control("ROLLBACK TO attempt"));
  }
  TRY_OK(control("RELEASE attempt"));
  return done;
}

base::Result<> SqliteTx::run(const std::function<base::Result<>(Tx&)>& work) {
  TRY_OK(work(*this));
  if (broken_) return std::unexpected(*broken_);
  if (access_ == Access::write && connection_.has_broken_reference()) {
    return base::fail(base::Code::conflict, "end transaction: a foreign key refers to nothing",
                      "foreign_key");
  }
  return {};
}

}  // namespace store
