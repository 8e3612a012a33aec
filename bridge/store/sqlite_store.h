// A store in one SQLite file.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/store/lock_file.h"
#include "bridge/store/store.h"
#include "bridge/store/writer.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

namespace store {

enum class Threading {
  own_threads,  // one that writes, others that read
  in_caller,    // everything is done at once in the calling coroutine, on one connection
};

struct SqliteOptions {
  // A file, made with its folder if missing; or ":memory:", which is always in the caller.
  std::string path;
  Threading threading = Threading::own_threads;
  int reader_threads = 1;
  std::string holder = "flywheel";  // who has the store open, for those who are refused
  std::size_t ballast_bytes = limits::store_ballast_bytes;
  int log_pages_max = limits::store_log_pages_max;  // see Writer::tidy
  std::string incarnation = {};                     // for simulations; else a new id
  std::string vfs = {};                             // SQLite's layer over the files; empty: its own
  base::Faults* faults = nullptr;                   // see Writer; asked on the thread that writes
  // Told once, on the loop, when the store has died of an I/O error or of corruption: from then on
  // every call fails, and only opening the file anew tells what is in it.
  std::function<void(const base::Error&)> died = {};
};

class SqliteStore final : public Store {
 public:
  // Takes the lock, checks that the file is ours and brings its tables up to date. Blocks. busy
  // with reason locked: another process has it, and the message says which. conflict: see migrate.
  // `loop` must outlive the store.
  static base::Result<std::unique_ptr<SqliteStore>> open(SqliteOptions options,
                                                         boost::asio::any_io_executor loop,
                                                         std::span<const Migration> migrations);
  // Ends the transactions that have begun; those that wait fail as unavailable with reason closed.
  ~SqliteStore() override;

  std::int64_t generation() const override { return generation_; }
  const std::string& incarnation() const override { return options_.incarnation; }
  bool is_short_of_space() const override { return ballast_.is_released(); }
  // The error the store died of.
  std::optional<base::Error> failure() const { return health_.cause(); }

  // Writes a copy of what is committed to a new file, durable and whole when this returns. Others
  // write meanwhile. conflict with reason exists: there is such a file.
  base::Task<> backup(std::string destination);
  // internal with reason corrupt: the file is damaged. Reads all of it.
  base::Task<> check();

 protected:
  base::Task<> submit(bool writes, Work work) override;

 private:
  struct Reader {
    std::unique_ptr<Connection> connection;
    std::thread thread;
  };

  SqliteStore(SqliteOptions options, boost::asio::any_io_executor loop);
  base::Result<> prepare(std::span<const Migration> migrations);
  base::Result<> start();
  base::Result<> add_reader(RequestQueue& queue);
  void serve_writes();
  void serve_reads(Connection& connection, RequestQueue& queue);
  base::Task<> queued(RequestQueue& queue, bool writes, Work work);
  base::Result<> run_in_caller(bool writes, const Work& work);
  // A read that takes long and must not keep others waiting.
  base::Task<> long_read(Work work);
  bool is_in_caller() const { return options_.threading == Threading::in_caller; }

  SqliteOptions options_;
  boost::asio::any_io_executor loop_;
  std::optional<LockFile> lock_;
  Health health_;
  Ballast ballast_;
  std::int64_t generation_ = 0;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Writer> writer_;
  RequestQueue writes_;
  RequestQueue reads_;
  RequestQueue long_reads_;
  std::atomic<bool> is_closing_ = false;
  std::thread writer_thread_;
  std::vector<Reader> readers_;
  bool has_long_reader_ = false;
};

}  // namespace store
