#include "bridge/services/memory/memory.h"

#include "bridge/services/memory/rules.h"

namespace services::memory {

using base::Code;
using base::Result;
using base::Task;

boost::asio::awaitable<protocol::Checked<Memory::Stored>> Memory::store(
    Asker asker, std::string which, NewEntry entry, std::string request, std::string request_hash) {
  if (auto wrong = rules::faults(entry); !wrong.empty()) {
    co_return std::unexpected(protocol::Refusal{
        {Code::invalid, "store memory: " + protocol::to_line(wrong.front()), "invalid"},
        std::move(wrong)});
  }
  const auto now = clock_.wall();
  auto stored = co_await store_.write(
      [this, asker = std::move(asker), which = std::move(which), entry = std::move(entry),
       request = rows::Request{std::move(request), std::move(request_hash)},
       now](store::Tx& tx) -> Result<Stored> {
        if (auto room = room_for_new(store_); !room) {
          TRY(const auto known, rows::of_request(tx, asker.principal, request));
          if (!known) return std::unexpected(std::move(room).error());
        }
        const Act act{tx, journal_, now, asker.principal};
        return rules::store(act, asker, which, entry, request);
      });
  if (!stored) co_return std::unexpected(protocol::Refusal{std::move(stored).error(), {}});
  co_return *std::move(stored);
}

Task<Entry> Memory::get(Asker asker, std::string which, std::string id) {
  co_return co_await store_.read(
      [asker, which, id](store::Tx& tx) { return rules::get(tx, asker, which, id); });
}

Task<> Memory::remove(Asker asker, std::string which, std::string id) {
  const auto now = clock_.wall();
  co_return co_await store_.write(
      [&journal = journal_, asker, which, id, now](store::Tx& tx) -> Result<> {
        const Act act{tx, journal, now, asker.principal};
        return rules::remove(act, asker, which, id);
      });
}

Task<std::int64_t> Memory::purge(Asker asker, std::string which) {
  std::int64_t all = 0;
  for (;;) {
    const auto now = clock_.wall();
    CO_TRY(const auto some, co_await store_.write([&journal = journal_, asker, which,
                                                   now](store::Tx& tx) -> Result<std::int64_t> {
      const Act act{tx, journal, now, asker.principal};
      return rules::purge_some(act, asker, which);
    }));
    if (some == 0) co_return all;
    all += some;
  }
}

Task<Page> Memory::list(Asker asker, std::string which, Listing listing) {
  co_return co_await store_.read(
      [asker, which, listing](store::Tx& tx) { return rules::list(tx, asker, which, listing); });
}

Task<Found> Memory::search(Asker asker, std::string which, Search search) {
  co_return co_await store_.read(
      [asker, which, search](store::Tx& tx) { return rules::search(tx, asker, which, search); });
}

Task<Dreams> Memory::dreams(Asker asker, std::string which, std::size_t limit) {
  co_return co_await store_.read(
      [asker, which, limit](store::Tx& tx) { return rules::dreams(tx, asker, which, limit); });
}

}  // namespace services::memory
