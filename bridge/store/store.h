// Durable state: transactions as plain functions, run off the loop.
#pragma once

#include "bridge/base/result.h"

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace store {

// What a column holds. Binary data is a string bound as `Blob`.
struct Blob {
  std::string bytes;
  friend bool operator==(const Blob&, const Blob&) = default;
};
class Value {
 public:
  Value() = default;  // NULL
  Value(std::nullptr_t) {}
  template <std::integral T>
  Value(T number) : value_(static_cast<std::int64_t>(number)) {}
  Value(double number) : value_(number) {}
  Value(std::string text) : value_(std::move(text)) {}
  Value(std::string_view text) : value_(std::string(text)) {}
  Value(const char* text) : value_(std::string(text)) {}
  Value(Blob blob) : value_(std::move(blob)) {}
  template <class T>
  Value(const std::optional<T>& maybe) {
    if (maybe) *this = Value(*maybe);
  }

  bool is_null() const { return value_.index() == 0; }
  // The asserted type; a column of another type is a bug in the statement.
  std::int64_t integer() const;
  double real() const;  // of an integer too
  const std::string& text() const;
  const std::string& blob() const;
  bool flag() const { return integer() != 0; }

  // Calls `visitor` with std::monostate, std::int64_t, double, std::string or Blob.
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return std::visit(std::forward<Visitor>(visitor), value_);
  }

  friend bool operator==(const Value&, const Value&) = default;

 private:
  std::variant<std::monostate, std::int64_t, double, std::string, Blob> value_;
};

using Row = std::vector<Value>;
using Values = std::vector<Value>;

// The beginning of a list.
template <class T>
struct Part {
  std::vector<T> items;
  bool is_end = true;  // false: more follow
};

// The same part, each item as `read` reads it.
template <class T, class Read, class R = typename std::invoke_result_t<Read&, const T&>::value_type>
base::Result<Part<R>> read_each(const Part<T>& part, Read read) {
  Part<R> made{{}, part.is_end};
  for (const auto& item : part.items) {
    TRY(auto one, read(item));
    made.items.push_back(std::move(one));
  }
  return made;
}

// One transaction. Statements use the shared dialect of SQLite and PostgreSQL with $1 … $n, each
// bound by its number. Lives only inside the function it was given to.
class Tx {
 public:
  virtual ~Tx() = default;

  // Every row of one statement. Errors with reason: unique, check, foreign_key, not_null
  // (conflict); too_big (invalid); busy, serialization (busy); full, io, readonly, connection,
  // memory (unavailable); corrupt, syntax, type (internal). A violated constraint undoes its
  // statement alone and the transaction may go on; after any other error the transaction fails,
  // whatever `work` then says.
  virtual base::Result<std::vector<Row>> query(std::string_view sql, Values values = {}) = 0;

  // The first rows of one statement: at most `most`, and no more once their texts and blobs have
  // limits::list_part_bytes. The statement itself must let one more through, by which it is known
  // whether more follow. Errors as of `query`.
  virtual base::Result<Part<Row>> query_part(std::string_view sql, Values values,
                                             std::size_t most) = 0;

  // The number of rows that one statement changed.
  virtual base::Result<std::int64_t> execute(std::string_view sql, Values values = {}) = 0;

  // Exactly one row or none. Two are a bug.
  base::Result<std::optional<Row>> query_one(std::string_view sql, Values values = {});

  // Runs `work` within the transaction and gives what it gives. If it fails, all that it did is
  // undone, what it would have told after the commit with it, and the transaction may go on; after
  // an error that fails the transaction it may not. Write transactions only.
  template <class Work, class R = std::invoke_result_t<Work&>>
  R attempt(Work work) {
    std::optional<typename R::value_type> made;
    TRY_OK(undoing([&]() -> base::Result<> {
      auto result = work();
      if (!result) return std::unexpected(std::move(result).error());
      made.emplace(*std::move(result));
      return {};
    }));
    return *std::move(made);
  }
  // `attempt`, for what gives nothing.
  virtual base::Result<> undoing(const std::function<base::Result<>()>& work) = 0;

  // Runs `told` on the loop once the transaction is durable, before the writer's own coroutine goes
  // on; dropped if it fails. In commit order. Write transactions only.
  virtual void after_commit(std::function<void()> told) = 0;
};

// One step in the life of a component's tables. Steps are run in order, each once, in a
// transaction.
struct Migration {
  std::string_view component;  // "engine", "packets", …
  int version;                 // 1, 2, … without a gap
  std::string_view sql;        // several statements, separated by ";"
};

class Store {
 public:
  virtual ~Store() = default;

  // Runs `work(tx)` in one transaction that is durable when this returns a value; the transaction
  // is undone if `work` fails or throws. May be grouped with others into one commit: an error
  // undoes only its own. `work` runs on another thread: it touches nothing but `tx` and what it
  // owns. It may run a second time, after all that the first did was undone. unavailable with
  // reason full, readonly or io: nothing was changed.
  template <class Work, class R = std::invoke_result_t<Work&, Tx&>>
  boost::asio::awaitable<R> write(Work work) {
    return run<R>(true, std::move(work));
  }
  // The same without changes: a snapshot of what is committed.
  template <class Work, class R = std::invoke_result_t<Work&, Tx&>>
  boost::asio::awaitable<R> read(Work work) {
    return run<R>(false, std::move(work));
  }

  // Counts the restored backups in this store's life. A number higher than the one last seen means
  // that the store may have forgotten what was done to the world.
  virtual std::int64_t generation() const = 0;
  // New each time the store is opened.
  virtual const std::string& incarnation() const = 0;
  // True while the disk is so full that only what is under way should still be written.
  virtual bool is_short_of_space() const = 0;

 protected:
  using Work = std::function<base::Result<>(Tx&)>;
  // `work` is called again only when its transaction was undone, and never after the returned task
  // has ended: cancelling waits for a work that has begun.
  virtual base::Task<> submit(bool writes, Work work) = 0;

 private:
  template <class R, class F>
  boost::asio::awaitable<R> run(bool writes, F work) {
    // Shared with the store's thread, which may still hold the work when this coroutine goes.
    if constexpr (std::is_void_v<typename R::value_type>) {
      auto place = std::make_shared<F>(std::move(work));
      co_return co_await submit(writes, [place](Tx& tx) { return (*place)(tx); });
    } else {
      auto place = std::make_shared<std::pair<F, std::optional<typename R::value_type>>>(
          std::move(work), std::nullopt);
      auto done = co_await submit(writes, [place](Tx& tx) -> base::Result<> {
        auto result = place->first(tx);
        if (!result) return std::unexpected(std::move(result).error());
        place->second.emplace(*std::move(result));
        return {};
      });
      if (!done) co_return std::unexpected(std::move(done).error());
      co_return *std::move(place->second);
    }
  }
};

// unavailable, reason disk_full: what is left of the disk is for what is under way. Whoever accepts
// what is new asks for it, once the request is known not to have been answered before; what ends
// something or makes room does not.
base::Result<> room_for_new(const Store& store);

}  // namespace store
