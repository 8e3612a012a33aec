// What messages must be told that happened while nobody told them.
#include "bridge/services/messages.h"
#include "bridge/services/messages/message_limits.h"

namespace services {

namespace {

struct Missed {
  std::int64_t sequence = 0;  // of the query
  engine::JobId job;
};

// Open queries whose jobs have ended, behind the sequence `after`.
base::Result<std::vector<Missed>> missed(store::Tx& tx, std::int64_t after) {
  TRY(const auto rows, tx.query(R"sql(
        SELECT messages.seq, messages.job
        FROM messages
        JOIN jobs ON jobs.id = messages.job
        WHERE messages.seq > $1
          AND messages.kind = 'query'
          AND messages.job <> ''
          AND messages.outcome = ''
          AND jobs.state IN ('done', 'failed', 'cancelled', 'expired')
        ORDER BY messages.seq
        LIMIT $2
      )sql",
                                {after, limits::queries_told_at_once}));
  std::vector<Missed> all;
  for (const auto& row : rows) all.push_back({row[0].integer(), {row[1].text()}});
  return all;
}

}  // namespace

base::Task<> Messages::catch_up() {
  const auto now = needs_.timeline.now();
  std::int64_t last = 0;
  for (;;) {
    CO_TRY(const auto ended,
           co_await needs_.store.read([last](store::Tx& tx) { return missed(tx, last); }));
    if (ended.empty()) co_return base::Result<>();
    last = ended.back().sequence;
    for (const auto& one : ended) {
      const auto told =
          co_await needs_.store.write([this, one, now](store::Tx& tx) -> base::Result<> {
            TRY(auto job, needs_.queue.get(tx, one.job));
            return on_change(tx, engine::Change{.job = std::move(job)}, now);
          });
      // Its asker's inbox is full: the next start tries again.
      if (!told && told.error().code != base::Code::busy) co_return std::unexpected(told.error());
    }
  }
}

}  // namespace services
