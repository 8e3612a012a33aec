// Whose chats are, in a store that an older program wrote.
#include "bridge/base/random.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/schema.h"
#include "bridge/services/keys.h"
#include "bridge/services/messages/rules.h"
#include "tests/store/fixture.h"
#include "tests/support/virtual_clock.h"

#include <string>
#include <vector>

namespace services::messages {
namespace {

std::vector<store::Migration> steps_up_to(std::size_t version) {
  std::vector<store::Migration> steps;
  for (const auto part : {engine::migrations(), key_migrations(), migrations().first(version)}) {
    steps.insert(steps.end(), part.begin(), part.end());
  }
  return steps;
}

// A store as it was before.
struct Before {
  Before() {
    auto opened = store::SqliteStore::open(options, loop.get_executor(), steps_up_to(3));
    BRIDGE_ASSERT(opened);
    store = *std::move(opened);
    for (const auto& [id, agent] : {std::pair("root", ""), std::pair("ann", "ann")}) {
      sql(R"sql(
        INSERT INTO api_keys (id, name, agent, scopes, digest, creator, request_hash, created_at)
        VALUES ($1, '', $2, '[]', $1, '', '', 0)
      )sql",
          {id, agent});
    }
  }
  void sql(std::string text, store::Values values) {
    const auto done = write_one(loop, *store, std::move(text), std::move(values));
    EXPECT_TRUE(done) << done.error().message;
  }
  // A query to the agent "gpt" in ann's name, whose job was queued then.
  void asked(const std::string& thread, const std::string& principal, std::int64_t time) {
    const auto job = store::run(loop, store->write([&](store::Tx& tx) -> base::Result<std::string> {
      const engine::LaneId lane{"gpt:gpt"};
      TRY_OK(queue.declare_lane(tx, lane, "account"));
      TRY(const auto accepted,
          queue.submit(
              tx, {.kind = "query", .lane = lane, .sender = "id-of-ann", .principal = principal},
              timeline.now()));
      TRY_OK(
          tx.execute("UPDATE jobs SET queued_at = $2 WHERE id = $1", {accepted.job.id.text, time}));
      return accepted.job.id.text;
    }));
    ASSERT_TRUE(job) << job.error().message;
    sql(R"sql(
      INSERT INTO messages (id, kind, thread, sender, sender_name, recipient, recipient_name,
                            principal, request_hash, text, topic, reply_to, meta, value, untrusted,
                            job, sent_ms, outcome)
      VALUES ($1, 'query', $2, 'id-of-ann', 'ann', 'gpt', 'gpt', $3, '', '', '', '', '{}', 'null',
              0, $1, 0, 'answered')
    )sql",
        {*job, thread, principal});
  }
  void chat(const std::string& asker, const std::string& thread, const std::string& url,
            std::int64_t time) {
    sql("INSERT INTO message_chats (agent, asker, thread, url, changed_ms) "
        "VALUES ('gpt', $1, $2, $3, $4)",
        {asker, thread, url, time});
  }
  // "<thread> <asker> <url>" of all chats, after the upgrade.
  std::vector<std::string> upgraded() {
    store.reset();
    auto opened =
        store::SqliteStore::open(options, loop.get_executor(), steps_up_to(migrations().size()));
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    std::vector<std::string> found;
    if (!opened) return found;
    for (const auto& row : rows_of(loop, **opened,
                                   "SELECT thread || ' ' || asker || ' ' || url "
                                   "FROM message_chats ORDER BY 1")) {
      found.push_back(row[0].text());
    }
    return found;
  }

  store::Folder folder;
  boost::asio::io_context loop;
  const store::SqliteOptions options{.path = folder / "store.db", .ballast_bytes = 0};
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  base::SeededRandom random{7};
  engine::Queue queue{{}, random};
  std::unique_ptr<store::SqliteStore> store;
};

TEST(MessagesUpgrade, AChatThatAnOperatorLedInAnAgentsNameIsTheOperators) {
  Before before;
  before.asked("led", "key:root", 10);
  before.chat("id-of-ann", "led", "/c/1", 10);
  before.asked("led-by-two", "key:ann", 10);
  before.asked("led-by-two", "key:root", 20);
  before.chat("id-of-ann", "led-by-two", "/c/2", 20);
  EXPECT_EQ(before.upgraded(),
            (std::vector<std::string>{"led key:root /c/1", "led-by-two key:root /c/2"}));
}

TEST(MessagesUpgrade, WhatMayBeTheAgentsOwnStaysSo) {
  Before before;
  before.asked("own", "key:ann", 10);
  before.chat("id-of-ann", "own", "/c/1", 10);
  before.asked("gone-on", "key:root", 10);
  before.asked("gone-on", "key:ann", 20);
  before.chat("id-of-ann", "gone-on", "/c/2", 20);
  before.asked("token", "jwt:issuer#root", 10);
  before.chat("id-of-ann", "token", "/c/3", 10);
  before.asked("lost", "key:lost", 10);
  before.chat("id-of-ann", "lost", "/c/4", 10);
  EXPECT_EQ(before.upgraded(),
            (std::vector<std::string>{"gone-on id-of-ann /c/2", "lost id-of-ann /c/4",
                                      "own id-of-ann /c/1", "token id-of-ann /c/3"}));
}

TEST(MessagesUpgrade, WhatTheOperatorHasBegunSinceThenIsKept) {
  Before before;
  before.asked("led", "key:root", 10);
  before.chat("id-of-ann", "led", "/c/1", 10);
  before.asked("led", "key:root", 20);
  before.chat("key:root", "led", "/c/2", 20);
  EXPECT_EQ(before.upgraded(), (std::vector<std::string>{"led key:root /c/2"}));
}

}  // namespace
}  // namespace services::messages
