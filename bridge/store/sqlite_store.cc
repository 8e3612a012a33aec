#include "bridge/store/sqlite_store.h"

#include "bridge/base/ids.h"
#include "bridge/store/backup.h"
#include "bridge/store/migrations.h"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <fmt/format.h>

namespace store {
namespace {

namespace asio = boost::asio;
using base::Code;

using Signature = void(std::exception_ptr, base::Result<>);

// A request with the coroutine that waits for it.
template <class Handler>
class Waiter final : public Request {
 public:
  Waiter(bool writes_, TxWork work_, Handler handler, const asio::any_io_executor& loop)
      : Request(writes_, std::move(work_)),
        handler_(std::move(handler)),
        loop_(asio::prefer(loop, asio::execution::outstanding_work.tracked)) {}

 private:
  void resume() override {
    auto handler = std::move(*handler_);
    handler_.reset();
    const auto executor = asio::get_associated_executor(handler, loop_);
    loop_ = {};
    asio::dispatch(executor, [handler = std::move(handler), error = std::move(thrown),
                              outcome = std::move(result)]() mutable {
      std::move(handler)(std::move(error), std::move(outcome));
    });
  }

  std::optional<Handler> handler_;
  asio::any_io_executor loop_;  // kept running
};

// When the coroutine is cancelled, a request that still waits ends.
struct Canceller {
  std::weak_ptr<Request> waiting;
  asio::any_io_executor loop;

  void operator()(asio::cancellation_type type) const {
    const auto request = waiting.lock();
    if (type == asio::cancellation_type::none || !request || !request->cancel()) return;
    request->thrown =
        std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted));
    deliver_all(loop, {request});
  }
};

// Makes the file with the mode that SQLite then gives to the files beside it.
base::Result<> make_file(const std::string& path) {
  TRY_OK(make_folder_of(path));
  TRY_OK(open_file(path, O_RDWR | O_CREAT));
  return {};
}

}  // namespace

SqliteStore::SqliteStore(SqliteOptions options, asio::any_io_executor loop)
    : options_(std::move(options)),
      loop_(std::move(loop)),
      health_([this](const base::Error& error) {
        if (!options_.died) return;
        asio::post(loop_, [died = options_.died, error] { died(error); });
      }),
      ballast_(options_.path + ".ballast",
               options_.path == ":memory:" ? 0 : options_.ballast_bytes) {}

base::Result<std::unique_ptr<SqliteStore>> SqliteStore::open(
    SqliteOptions options, asio::any_io_executor loop, std::span<const Migration> migrations) {
  BRIDGE_ASSERT(!options.path.empty() && options.reader_threads > 0);
  const bool is_file = options.path != ":memory:";
  if (!is_file) options.threading = Threading::in_caller;
  if (options.incarnation.empty()) {
    options.incarnation = base::uuid_v7(base::SystemClock().wall());
  }
  std::optional<LockFile> lock;
  if (is_file) {
    TRY_OK(make_folder_of(options.path));
    TRY(auto taken, LockFile::acquire(options.path + ".lock", options.holder));
    lock.emplace(std::move(taken));
    TRY_OK(make_file(options.path));
  }
  std::unique_ptr<SqliteStore> store(new SqliteStore(std::move(options), std::move(loop)));
  if (lock) store->lock_.emplace(*std::move(lock));
  TRY_OK(store->prepare(migrations));
  TRY_OK(store->start());
  return store;
}

base::Result<> SqliteStore::prepare(std::span<const Migration> migrations) {
  TRY(connection_, Connection::open(options_.path, Access::write, options_.vfs));
  // Before anything is changed.
  TRY_OK(check_is_store(*connection_));
  if (connection_->is_read_only()) {
    return base::fail(Code::unavailable,
                      fmt::format("open store {}: it cannot be written", options_.path),
                      "readonly");
  }
  TRY_OK(connection_->control("PRAGMA journal_mode = WAL"));
  TRY_OK(migrate(*connection_, migrations));
  TRY(generation_, store::generation(*connection_));
  // Migrations have touched much that work does not.
  return connection_->control("PRAGMA shrink_memory");
}

base::Result<> SqliteStore::start() {
  writer_ = std::make_unique<Writer>(*connection_, ballast_, health_, options_.faults);
  if (is_in_caller()) return {};
  for (int i = 0; i < options_.reader_threads; ++i) TRY_OK(add_reader(reads_));
  writer_thread_ = std::thread([this] { serve_writes(); });
  return {};
}

base::Result<> SqliteStore::add_reader(RequestQueue& queue) {
  TRY(auto connection, Connection::open(options_.path, Access::read, options_.vfs));
  auto& reader = readers_.emplace_back(Reader{std::move(connection), {}});
  auto& own = *reader.connection;
  reader.thread = std::thread([this, &own, &queue] { serve_reads(own, queue); });
  return {};
}

SqliteStore::~SqliteStore() {
  is_closing_ = true;
  for (auto* queue : {&writes_, &reads_, &long_reads_}) {
    Requests left = queue->close();
    std::erase_if(left, [](const auto& request) { return !request->begin(); });
    for (const auto& request : left) {
      request->result = base::fail(Code::unavailable, "use store: it is closed", "closed");
    }
    deliver_all(loop_, std::move(left));
  }
  if (writer_thread_.joinable()) writer_thread_.join();
  for (auto& reader : readers_) reader.thread.join();
  // The connection that writes goes last, so that the log is copied back by no other.
  readers_.clear();
  if (connection_ && health_.is_dead()) connection_->close_without_checkpoint();
}

void SqliteStore::serve_writes() {
  while (true) {
    Requests group = writes_.take(limits::store_group_max);
    if (group.empty()) return;
    std::erase_if(group, [](const auto& request) { return !request->begin(); });
    if (group.empty()) continue;
    writer_->run(group);
    deliver_all(loop_, std::move(group));
    writer_->tidy(options_.log_pages_max);
  }
}

void SqliteStore::serve_reads(Connection& connection, RequestQueue& queue) {
  while (true) {
    Requests taken = queue.take(1);
    if (taken.empty()) return;
    auto& request = *taken.front();
    if (!request.begin()) continue;
    try {
      request.result = run_read(connection, request.work);
    } catch (const std::exception&) {
      request.thrown = std::current_exception();
    }
    deliver_all(loop_, std::move(taken));
  }
}

base::Result<> SqliteStore::run_in_caller(bool writes, const Work& work) {
  if (!writes) return run_read(*connection_, work);
  std::vector<std::function<void()>> told;
  auto done = writer_->run(work, told);
  writer_->tidy(options_.log_pages_max);
  for (auto& tell : told) tell();
  return done;
}

base::Task<> SqliteStore::submit(bool writes, Work work) {
  CO_TRY_OK(health_.check());
  if (is_in_caller()) co_return run_in_caller(writes, work);
  co_return co_await queued(writes ? writes_ : reads_, writes, std::move(work));
}

base::Task<> SqliteStore::queued(RequestQueue& queue, bool writes, Work work) {
  auto initiate = [this, &queue, writes, &work](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    using Handler = decltype(handler);
    auto request =
        std::make_shared<Waiter<Handler>>(writes, std::move(work), std::move(handler), loop_);
    if (slot.is_connected()) slot.template emplace<Canceller>(request, loop_);
    if (queue.push(request)) return;
    request->result = base::fail(Code::busy, "use store: too many transactions wait", "backlog");
    if (request->cancel()) deliver_all(loop_, {request});
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, Signature>(
      std::move(initiate), asio::use_awaitable);
}

base::Task<> SqliteStore::long_read(Work work) {
  CO_TRY_OK(health_.check());
  if (is_in_caller()) co_return run_read(*connection_, work);
  if (!has_long_reader_) {
    CO_TRY_OK(add_reader(long_reads_));
    has_long_reader_ = true;
  }
  co_return co_await queued(long_reads_, false, std::move(work));
}

base::Task<> SqliteStore::backup(std::string destination) {
  auto copy = [this, destination = std::move(destination)](Tx& tx) {
    return write_backup(static_cast<SqliteTx&>(tx).connection(), destination,
                        [this] { return is_closing_.load(); });
  };
  co_return co_await long_read(std::move(copy));
}

base::Task<> SqliteStore::check() {
  co_return co_await long_read(
      [](Tx& tx) { return check_integrity(static_cast<SqliteTx&>(tx).connection()); });
}

}  // namespace store
