#include "bridge/store/writer.h"

#include "bridge/store/sqlite_error.h"

namespace store {

void Health::die(const base::Error& error) {
  {
    const std::lock_guard lock(mutex_);
    if (cause_) return;
    cause_ = error;
    is_dead_ = true;
  }
  if (died_) died_(error);
}

std::optional<base::Error> Health::cause() const {
  const std::lock_guard lock(mutex_);
  return cause_;
}

base::Result<> Health::check() const {
  if (!is_dead_) return {};
  auto error = *cause();
  error.message = "use store: it died of an earlier error: " + error.message;
  return std::unexpected(std::move(error));
}

void Writer::notice(const base::Error& error) {
  if (is_fatal(error)) health_.die(error);
  if (error.reason != "full") return;
  has_freed_ = ballast_.release() || has_freed_;
  is_full_ = true;
}

base::Result<Transaction> Writer::begin() {
  TRY_OK(health_.check());
  auto transaction = Transaction::begin(connection_, Access::write);
  if (!transaction) notice(transaction.error());
  return transaction;
}

base::Result<> Writer::commit(Transaction transaction) {
  if (faults_) TRY_OK(faults_->at("store.commit"));
  if (auto done = transaction.commit(); !done) {
    notice(done.error());
    return done;
  }
  if (faults_) TRY_OK(faults_->at("store.committed"));
  return {};
}

base::Result<> Writer::run(const TxWork& work, std::vector<std::function<void()>>& told) {
  has_freed_ = is_full_ = false;
  auto done = run_alone(work, told);
  if (done || !has_freed_) return done;
  is_full_ = false;
  return run_alone(work, told);
}

base::Result<> Writer::run_alone(const TxWork& work, std::vector<std::function<void()>>& told) {
  TRY(auto transaction, begin());
  SqliteTx tx(connection_, Access::write);
  auto done = tx.run(work);
  if (tx.broken()) notice(*tx.broken());
  if (!done) return done;
  TRY_OK(commit(std::move(transaction)));
  told = tx.take_told();
  return {};
}

void Writer::run(const Requests& group) {
  has_freed_ = is_full_ = false;
  run_all(group);
  if (!has_freed_) return;
  is_full_ = false;
  Requests again;
  for (const auto& request : group) {
    if (request->thrown || request->result || request->result.error().reason != "full") continue;
    request->result = {};
    again.push_back(request);
  }
  if (!again.empty()) run_all(again);
}

void Writer::run_all(const Requests& group) {
  if (group.size() == 1) {
    auto& request = *group.front();
    try {
      request.result = run_alone(request.work, request.told);
    } catch (const std::exception&) {
      request.thrown = std::current_exception();
    }
    return;
  }
  base::Result<> done;
  std::exception_ptr thrown;
  try {
    done = run_together(group);
  } catch (const std::exception&) {
    thrown = std::current_exception();
  }
  if (done && !thrown) return;
  for (const auto& request : group) {
    if (!request->result || request->thrown) continue;
    if (!done) request->result = std::unexpected(done.error());
    request->thrown = thrown;
    request->told.clear();
  }
}

base::Result<> Writer::run_together(const Requests& group) {
  TRY(const bool is_done, run_trusting(group));
  if (is_done) return {};
  for (const auto& request : group) {
    request->result = {};
    request->thrown = nullptr;
    request->told.clear();
  }
  TRY(auto transaction, begin());
  for (const auto& request : group) TRY_OK(run_one(*request));
  return commit(std::move(transaction));
}

// Hardly any request fails once it has written, and a savepoint for each would cost a copy of every
// page that it touches. False: one did so, and nothing is done.
base::Result<bool> Writer::run_trusting(const Requests& group) {
  TRY(auto transaction, begin());
  for (const auto& request : group) {
    const auto writes = connection_.writes();
    SqliteTx tx(connection_, Access::write);
    run_work(tx, *request);
    if (tx.broken() && is_fatal(*tx.broken())) return std::unexpected(*tx.broken());
    const bool has_failed = request->thrown || !request->result;
    if (tx.broken() || (has_failed && connection_.writes() != writes)) return false;
  }
  TRY_OK(commit(std::move(transaction)));
  return true;
}

void Writer::run_work(SqliteTx& tx, Request& request) {
  try {
    request.result = tx.run(request.work);
  } catch (const std::exception&) {
    request.thrown = std::current_exception();
  }
  if (tx.broken()) notice(*tx.broken());
  if (request.result && !request.thrown) request.told = tx.take_told();
}

// Undone alone if it fails. An error here is one of the whole group.
base::Result<> Writer::run_one(Request& request) {
  TRY_OK(connection_.control("SAVEPOINT work"));
  SqliteTx tx(connection_, Access::write);
  run_work(tx, request);
  if (tx.broken()) {
    if (is_fatal(*tx.broken()) || !connection_.is_in_transaction()) {
      return std::unexpected(*tx.broken());
    }
  }
  if (request.thrown || !request.result) TRY_OK(connection_.control("ROLLBACK TO work"));
  return connection_.control("RELEASE work");
}

void Writer::tidy(int log_pages_max) {
  if (health_.is_dead()) return;
  if (!is_full_) ballast_.restore();
  if (auto done = connection_.checkpoint(log_pages_max); !done) notice(done.error());
}

base::Result<> run_read(Connection& connection, const TxWork& work) {
  TRY(auto transaction, Transaction::begin(connection, Access::read));
  SqliteTx tx(connection, Access::read);
  TRY_OK(tx.run(work));
  return transaction.commit();
}

}  // namespace store
