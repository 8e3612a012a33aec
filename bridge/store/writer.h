// Runs transactions on the one connection that writes, several to a commit.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/store/ballast.h"
#include "bridge/store/request.h"
#include "bridge/store/sqlite_tx.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>

namespace store {

// Why a store died, if it did. From any thread.
class Health {
 public:
  explicit Health(std::function<void(const base::Error&)> died) : died_(std::move(died)) {}

  // The first error is the cause; it is told.
  void die(const base::Error& error);
  bool is_dead() const { return is_dead_; }
  std::optional<base::Error> cause() const;
  // The error of every call on a dead store.
  base::Result<> check() const;

 private:
  std::function<void(const base::Error&)> died_;
  std::atomic<bool> is_dead_ = false;
  mutable std::mutex mutex_;
  std::optional<base::Error> cause_;
};

// Used by one thread.
class Writer {
 public:
  // Asks `faults`, if any, at "store.commit" before each commit and "store.committed" after it. Its
  // errors fail the transactions but do not kill the store.
  Writer(Connection& connection, Ballast& ballast, Health& health, base::Faults* faults)
      : connection_(connection), ballast_(ballast), health_(health), faults_(faults) {}

  // One transaction. What `work` throws comes out when it has been undone. When the disk is full
  // the ballast is given to it, and what could not be written is done once more.
  base::Result<> run(const TxWork& work, std::vector<std::function<void()>>& told);
  // Requests that have begun, in one commit, each undone alone. Leaves in each its outcome.
  void run(const Requests& group);
  // What can wait until the outcomes are on their way: taking the ballast again as soon as the disk
  // has room, whatever became of the work, and copying a log of `log_pages_max` pages into the
  // database.
  void tidy(int log_pages_max);

 private:
  base::Result<> run_alone(const TxWork& work, std::vector<std::function<void()>>& told);
  void run_all(const Requests& group);
  base::Result<> run_together(const Requests& group);
  base::Result<bool> run_trusting(const Requests& group);
  base::Result<> run_one(Request& request);
  void run_work(SqliteTx& tx, Request& request);
  base::Result<Transaction> begin();
  base::Result<> commit(Transaction transaction);
  void notice(const base::Error& error);

  Connection& connection_;
  Ballast& ballast_;
  Health& health_;
  base::Faults* faults_;
  // Of the present work, or the last:
  bool has_freed_ = false;  // the ballast was given away
  bool is_full_ = false;    // the disk was full, even so
};

// One transaction that only reads.
base::Result<> run_read(Connection& connection, const TxWork& work);

}  // namespace store
