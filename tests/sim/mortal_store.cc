#include "tests/sim/mortal_store.h"

#include <set>
#include <utility>

namespace sim {

using base::Code;

namespace {

// Passes statements on and remembers them.
class Remembering final : public store::Tx {
 public:
  Remembering(store::Tx& tx, std::set<std::string>& statements)
      : tx_(tx), statements_(statements) {}
  base::Result<std::vector<store::Row>> query(std::string_view sql, store::Values values) override {
    statements_.emplace(sql);
    return tx_.query(sql, std::move(values));
  }
  base::Result<store::Part<store::Row>> query_part(std::string_view sql, store::Values values,
                                                   std::size_t most) override {
    statements_.emplace(sql);
    return tx_.query_part(sql, std::move(values), most);
  }
  base::Result<std::int64_t> execute(std::string_view sql, store::Values values) override {
    statements_.emplace(sql);
    return tx_.execute(sql, std::move(values));
  }
  void after_commit(std::function<void()> told) override { tx_.after_commit(std::move(told)); }
  base::Result<> undoing(const std::function<base::Result<>()>& work) override {
    return tx_.undoing(work);
  }

 private:
  store::Tx& tx_;
  std::set<std::string>& statements_;
};

}  // namespace

boost::asio::awaitable<void> MortalStore::end(std::string_view when) {
  world_.ground.coverage.happened(when);
  world_.die();
  co_await never();
}

base::Task<> MortalStore::submit(bool writes, Work work) {
  const base::Instant asked = world_.clock.now();
  co_await world_.step();
  if (world_.happens(world_.chances.hangs)) {
    world_.ground.coverage.happened("the store hangs");
    world_.store_hangs_until = asked + world_.some(90s);
  }
  if (asked < world_.store_hangs_until) co_await world_.pause(world_.store_hangs_until - asked);
  if (world_.ground.remembers_statements) {
    work = [work = std::move(work), &ground = world_.ground](store::Tx& tx) {
      Remembering remembering(tx, ground.statements);
      return work(remembering);
    };
  }
  if (!writes) {
    co_return co_await world_.ground.store->read([&](store::Tx& tx) { return work(tx); });
  }
  const Chances& chances = world_.chances;
  if (world_.happens(chances.crash)) co_await end("crash before a commit");
  if (world_.happens(chances.commit_fails)) {
    world_.ground.coverage.happened("a commit fails");
    co_return base::fail(Code::unavailable, "commit: no space", "full");
  }
  auto done = co_await commit(std::move(work));
  world_.look(asked);
  if (world_.happens(chances.crash)) co_await end("crash after a commit");
  co_return done;
}

base::Task<> MortalStore::commit(Work work) {
  const bool is_a_lie = world_.trick == Trick::lies_about_commits && !world_.is_any_runner_busy() &&
                        world_.happens(100);
  if (!is_a_lie) {
    co_return co_await world_.ground.store->write([&](store::Tx& tx) { return work(tx); });
  }
  base::Result<> told;
  (void)co_await world_.ground.store->write([&](store::Tx& tx) -> base::Result<> {
    told = work(tx);
    return base::fail(Code::internal, "undone");
  });
  co_return told;
}

}  // namespace sim
