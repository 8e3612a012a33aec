#include "bridge/engine/journal.h"

#include "tests/engine/fixture.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace engine {
namespace {

base::Sha256 naive_root(const std::vector<std::string>& leaves) {
  if (leaves.empty()) return base::sha256("");
  if (leaves.size() == 1) return base::sha256(std::string(1, '\0') + leaves.front());
  std::size_t split = 1;
  while (split * 2 < leaves.size()) split *= 2;
  const auto middle = leaves.begin() + static_cast<std::ptrdiff_t>(split);
  const auto left = naive_root({leaves.begin(), middle});
  const auto right = naive_root({middle, leaves.end()});
  std::string bytes(1, '\x01');
  bytes.append(left.begin(), left.end());
  bytes.append(right.begin(), right.end());
  return base::sha256(bytes);
}

TEST(Merkle, TheRootIsThatOfTheRecursiveDefinition) {
  MerkleTree tree;
  std::vector<std::string> leaves;
  EXPECT_EQ(tree.root(), naive_root(leaves));
  for (int i = 0; i < 70; ++i) {
    leaves.push_back(fmt::format("leaf {}", i));
    tree.append(leaves.back());
    ASSERT_EQ(tree.root(), naive_root(leaves)) << i;
    const auto again = MerkleTree::from_state(tree.size(), tree.state());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->root(), tree.root());
  }
  EXPECT_FALSE(MerkleTree::from_state(3, std::string(32, 'x')));
}

// RFC 6962 test vectors as its implementations publish them: the first leaf is empty.
TEST(Merkle, TheLeafOfNothingHasItsKnownHash) {
  MerkleTree tree;
  tree.append("");
  EXPECT_EQ(base::hex(tree.root()),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

TEST(Note, ASignatureHoldsForItsTextItsKeyAndItsName) {
  const auto signer = NoteSigner::generate("flywheel/test");
  const std::string note = signer.sign("one\ntwo\n");
  EXPECT_EQ(open_note(note, signer.verifier_key()).value(), "one\ntwo\n");

  std::string changed = note;
  changed[0] = 'O';
  EXPECT_EQ(open_note(changed, signer.verifier_key()).error().code, base::Code::denied);
  const auto other = NoteSigner::generate("flywheel/test");
  EXPECT_EQ(open_note(note, other.verifier_key()).error().code, base::Code::denied);
  const auto renamed = NoteSigner::from_pem("flywheel/else", signer.private_key_pem()).value();
  EXPECT_EQ(open_note(note, renamed.verifier_key()).error().code, base::Code::denied);
  const auto same = NoteSigner::from_pem("flywheel/test", signer.private_key_pem()).value();
  EXPECT_EQ(same.sign("one\ntwo\n"), note);
  EXPECT_EQ(open_note("one\n", signer.verifier_key()).error().code, base::Code::invalid);
  EXPECT_FALSE(NoteSigner::from_pem("flywheel/test", "no key"));
}

TEST(Note, ACheckpointReadsBackWhatItSays) {
  Checkpoint checkpoint{"flywheel/test", 42, base::sha256("root")};
  EXPECT_EQ(Checkpoint::parse(checkpoint.text()).value(), checkpoint);
  EXPECT_EQ(Checkpoint::parse(checkpoint.text() + "more\n").value(), checkpoint);
  for (const char* bad : {"", "origin\n", "origin\n-1\nAAAA\n", "origin\n1x\nAAAA\n",
                          "origin\n1\nAAAA\n", "origin\n1\n!\n"}) {
    EXPECT_FALSE(Checkpoint::parse(bad)) << bad;
  }
}

struct Written {
  Fixture f;
  JournalTail tail{f.loop.get_executor()};
  Journal journal{&tail};
  NoteSigner signer = NoteSigner::generate("flywheel/test");

  std::int64_t append(NewEntry entry) {
    return f.write([&](store::Tx& tx) { return journal.append(tx, entry, f.clock.wall()); })
        .value();
  }
  void append_many(int count) {
    for (int i = 0; i < count; ++i) {
      append({.type = i % 2 == 0 ? "packet.accepted" : "packet.sent",
              .subject = fmt::format("job-{}", i % 3),
              .actor = "alice",
              .thread = fmt::format("thread-{}", i % 5),
              .data = {{"i", i}, {"text", "Grüße"}, {"half", 0.5}}});
    }
  }
  std::string sign() { return f.run(make_checkpoint(*f.store, journal, signer, f.clock)).value(); }
  void sql(std::string statement) {
    const auto done = f.write([&](store::Tx& tx) { return tx.execute(statement); });
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_GT(*done, 0) << statement;
  }
  Verification verify(std::int64_t after = 0) {
    auto progress = f.write([&](store::Tx& tx) { return journal.resume_from(tx, after); }).value();
    while (!progress.is_finished && !progress.broken) {
      const auto step = f.write(
          [&](store::Tx& tx) { return journal.verify(tx, progress, signer.verifier_key(), 7); });
      BRIDGE_ASSERT(step);
    }
    return progress;
  }
};

TEST(Journal, EntriesAreDenseAndVerify) {
  Written w;
  w.append_many(20);
  w.sign();
  w.append_many(20);
  w.sign();
  w.append_many(5);
  const auto seen = w.verify();
  EXPECT_TRUE(seen.is_good());
  EXPECT_EQ(seen.checked, 45);
  EXPECT_EQ(seen.checkpoints, 2);
  EXPECT_TRUE(w.verify(20).is_good());
  EXPECT_TRUE(w.verify(23).is_good());
  EXPECT_EQ(w.verify(23).checkpoints, 1);
}

TEST(Journal, WhatIsHashedIsCanonicalJsonOfEveryField) {
  Entry entry;
  entry.type = "packet.accepted";
  entry.subject = "a \"job\"";
  entry.actor = "alice\n";
  entry.cause = "7";
  entry.data = {{"z", 1}, {"a", "Grüße"}};
  entry.sequence = 12;
  const auto bytes = canonical(entry, base::sha256("before"));
  const auto parsed = base::parse_json(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(base::canonical_json(*parsed), bytes);
  EXPECT_EQ(*parsed, (base::json::object{{"seq", 12},
                                         {"time", "1970-01-01T00:00:00.000Z"},
                                         {"type", entry.type},
                                         {"subject", entry.subject},
                                         {"actor", entry.actor},
                                         {"thread", ""},
                                         {"cause", "7"},
                                         {"data", entry.data},
                                         {"previous", base::sha256_hex("before")}}));
}

TEST(Journal, AnEmptyOneIsGood) {
  Written w;
  EXPECT_TRUE(w.verify().is_good());
}

TEST(Journal, AFailedTransactionLeavesNoGap) {
  Written w;
  w.append_many(2);
  const auto failed = w.f.write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(w.journal.append(tx, {.type = "x.y", .subject = "s"}, w.f.clock.wall()));
    return base::fail(base::Code::invalid, "undone");
  });
  EXPECT_FALSE(failed);
  EXPECT_EQ(w.append({.type = "x.y", .subject = "s"}), 3);
  EXPECT_TRUE(w.verify().is_good());
}

struct Tampering {
  const char* name;
  std::vector<const char*> statements;
  std::int64_t broken;
};

class Tampered : public testing::TestWithParam<Tampering> {};

TEST_P(Tampered, IsFoundAtItsFirstEntry) {
  Written w;
  w.append_many(10);
  w.sign();
  w.append_many(10);
  w.sign();
  w.append_many(4);
  for (const char* statement : GetParam().statements) w.sql(statement);
  const auto seen = w.verify();
  EXPECT_EQ(seen.broken, GetParam().broken) << seen.why;
  EXPECT_FALSE(seen.is_good());
}

INSTANTIATE_TEST_SUITE_P(
    Journal, Tampered,
    testing::Values(
        Tampering{"edit", {"UPDATE journal SET actor = 'mallory' WHERE seq = 7"}, 7},
        Tampering{"edit_time", {"UPDATE journal SET time_at = time_at + 1 WHERE seq = 7"}, 7},
        Tampering{"edit_data", {"UPDATE journal SET data = '{\"i\":8}' WHERE seq = 7"}, 7},
        Tampering{"edit_hash", {"UPDATE journal SET hash = zeroblob(32) WHERE seq = 7"}, 7},
        Tampering{"damage", {"UPDATE journal SET data = 'x' WHERE seq = 7"}, 7},
        Tampering{"delete", {"DELETE FROM journal WHERE seq = 7"}, 7},
        Tampering{"delete_first", {"DELETE FROM journal WHERE seq = 1"}, 1},
        Tampering{"reorder",
                  {"UPDATE journal SET seq = 1000 WHERE seq = 7",
                   "UPDATE journal SET seq = 7 WHERE seq = 8",
                   "UPDATE journal SET seq = 8 WHERE seq = 1000"},
                  7},
        Tampering{"cut_tail", {"DELETE FROM journal WHERE seq > 17"}, 18},
        Tampering{"cut_everything", {"DELETE FROM journal"}, 1},
        Tampering{"other_root",
                  {"UPDATE journal_checkpoints SET root = zeroblob(32) WHERE size = 20"},
                  11},
        Tampering{"forged_note",
                  {"UPDATE journal_checkpoints SET note = replace(note, 'flywheel', 'flywheeL') "
                   "WHERE size = 10"},
                  1}),
    [](const auto& info) { return std::string(info.param.name); });

// Somebody who can write the store writes a chain that is whole: only the signature knows.
TEST(Journal, ARewrittenChainIsNotWhatWasSigned) {
  Written w;
  w.append_many(10);
  w.sign();
  w.sql("DELETE FROM journal WHERE seq > 5");
  w.append_many(5);
  const auto seen = w.verify();
  EXPECT_EQ(seen.broken, 1);
}

TEST(Journal, ABrokenStretchIsNotSigned) {
  Written w;
  w.append_many(5);
  w.sign();
  w.append_many(5);
  w.sql("UPDATE journal SET actor = 'mallory' WHERE seq = 8");
  const auto refused = w.f.run(make_checkpoint(*w.f.store, w.journal, w.signer, w.f.clock));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "journal_broken");
}

TEST(Journal, ManyEntriesAreLookedAtInPiecesAndSignedTogether) {
  Written w;
  const int count = 2 * limits::checkpoint_entries + 3;
  w.append_many(count);
  EXPECT_THAT(w.sign(), testing::HasSubstr(fmt::format("\n{}\n", count)));
  EXPECT_TRUE(w.verify().is_good());
  EXPECT_EQ(w.verify().checkpoints, 1);
}

TEST(Journal, WhatIsAppendedOrSignedWhileACheckpointIsMadeStaysTrue) {
  Written w;
  w.append_many(10);
  auto slow = w.f.write([&](store::Tx& tx) { return w.journal.begin_checkpoint(tx); }).value();
  const auto look_on = [&](int limit) {
    return w.f.write([&](store::Tx& tx) { return w.journal.prepare_checkpoint(tx, slow, limit); })
        .value();
  };
  EXPECT_FALSE(look_on(6));
  w.append_many(5);
  EXPECT_TRUE(look_on(6));
  const auto newer = w.sign();
  const auto note = w.f.write([&](store::Tx& tx) {
    return w.journal.sign_checkpoint(tx, slow, w.signer, w.f.clock.wall());
  });
  EXPECT_EQ(note.value(), newer);
  EXPECT_EQ(w.verify().checkpoints, 1);
  EXPECT_EQ(w.verify().vouched, 15);
}

TEST(Journal, CheckpointsAreDueByCountAndByAge) {
  Written w;
  const auto is_due = [&] {
    return w.f
        .write([&](store::Tx& tx) { return w.journal.is_checkpoint_due(tx, w.f.clock.wall()); })
        .value();
  };
  EXPECT_FALSE(is_due());
  w.append_many(1);
  EXPECT_TRUE(is_due());
  const auto note = w.sign();
  EXPECT_FALSE(is_due());
  EXPECT_EQ(w.sign(), note);
  w.append_many(1);
  EXPECT_FALSE(is_due());
  w.f.pass(61min);
  EXPECT_TRUE(is_due());
}

TEST(Journal, PagesFilterAndGoOn) {
  Written w;
  w.append_many(30);
  const auto all = [&](const EntryFilter& filter) {
    std::vector<std::int64_t> found;
    std::int64_t after = 0;
    for (bool is_end = false; !is_end;) {
      const auto page =
          w.f.write([&](store::Tx& tx) { return w.journal.page(tx, after, 4, filter); }).value();
      for (const auto& entry : page.entries) {
        EXPECT_TRUE(filter.matches(entry));
        found.push_back(entry.sequence);
      }
      after = page.last;
      is_end = page.is_end;
    }
    return found;
  };
  EXPECT_EQ(all({}).size(), 30u);
  EXPECT_EQ(all({.type = "packet."}).size(), 30u);
  EXPECT_EQ(all({.type = "packet.sent"}).size(), 15u);
  EXPECT_EQ(all({.type = "pack."}).size(), 0u);
  EXPECT_EQ(all({.subject = "job-1"}).size(), 10u);
  EXPECT_EQ(all({.subject = "job-1", .thread = "thread-1"}).size(), 2u);
  EXPECT_EQ(all({.actor = "bob"}).size(), 0u);
}

TEST(Journal, APageOfLongEntriesEndsBeforeItsLimitAndTheNextGoesOn) {
  Written w;
  const std::string text(limits::entry_bytes_max / 2, 'x');
  const int count = 3 * static_cast<int>(limits::list_part_bytes / text.size());
  const auto written = w.f.write([&](store::Tx& tx) -> base::Result<> {
    for (int i = 0; i < count; ++i) {
      TRY_OK(w.journal.append(tx,
                              {.type = "packet.sent", .subject = "job-1", .data = {{"text", text}}},
                              w.f.clock.wall()));
    }
    return {};
  });
  ASSERT_TRUE(written) << written.error().message;
  for (const EntryFilter& filter : {EntryFilter{}, EntryFilter{.subject = "job-1"}}) {
    std::int64_t after = 0;
    int pages = 0;
    for (bool is_end = false; !is_end; ++pages) {
      const auto page = w.f.write(
          [&](store::Tx& tx) { return w.journal.page(tx, after, limits::list_max, filter); });
      ASSERT_TRUE(page) << page.error().message;
      ASSERT_FALSE(page->entries.empty());
      EXPECT_LE(page->entries.size() * text.size(), limits::list_part_bytes);
      EXPECT_EQ(page->is_cut, !page->is_end);
      for (const auto& entry : page->entries) ASSERT_EQ(entry.sequence, ++after);
      ASSERT_EQ(page->last, after);
      is_end = page->is_end;
    }
    EXPECT_EQ(after, count);
    EXPECT_GE(pages, 3);
  }
}

TEST(Follow, EveryReaderSeesEveryEntryOnceInOrderFromWhereItIs) {
  Written w;
  w.append_many(600);
  std::vector<std::int64_t> late, early;
  const auto read = [&](std::int64_t after,
                        std::vector<std::int64_t>& into) -> boost::asio::awaitable<void> {
    Follower follower(w.journal, *w.f.store, w.tail, w.f.clock, after);
    while (into.empty() || into.back() < 700) {
      auto entries = co_await follower.next(w.f.clock.now() + 1h);
      EXPECT_TRUE(entries);
      EXPECT_FALSE(entries->empty());
      for (const auto& entry : *entries) into.push_back(entry->sequence);
    }
  };
  auto write = [&]() -> boost::asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      auto done = co_await w.f.store->write([&](store::Tx& tx) {
        return w.journal.append(tx, {.type = "a.b", .subject = "s"}, w.f.clock.wall());
      });
      EXPECT_TRUE(done);
      co_await w.f.clock.sleep_until(w.f.clock.now() + 1s);
    }
  };
  int running = 3;
  const auto ended = [&](std::exception_ptr error) {
    EXPECT_FALSE(error);
    --running;
  };
  boost::asio::co_spawn(w.f.loop, read(0, early), ended);
  boost::asio::co_spawn(w.f.loop, read(598, late), ended);
  boost::asio::co_spawn(w.f.loop, write(), ended);
  ASSERT_TRUE(test::run_virtually(w.f.loop, w.f.clock, [&] { return running == 0; }));
  ASSERT_EQ(early.size(), 700u);
  ASSERT_EQ(late.size(), 102u);
  for (std::size_t i = 0; i < early.size(); ++i) EXPECT_EQ(early[i], static_cast<int>(i) + 1);
  for (std::size_t i = 0; i < late.size(); ++i) EXPECT_EQ(late[i], static_cast<int>(i) + 599);
}

TEST(Follow, ATailThatKnowsNothingReadsTheStore) {
  Written w;
  w.append_many(3);
  JournalTail fresh(w.f.loop.get_executor());
  Follower follower(w.journal, *w.f.store, fresh, w.f.clock, 1);
  std::size_t seen = 0;
  bool is_done = false;
  auto read = [&]() -> boost::asio::awaitable<void> {
    seen = (co_await follower.next(w.f.clock.now() + 1s)).value().size();
    EXPECT_TRUE((co_await follower.next(w.f.clock.now() + 1s)).value().empty());
    is_done = true;
  };
  boost::asio::co_spawn(w.f.loop, read(), [](std::exception_ptr error) { EXPECT_FALSE(error); });
  ASSERT_TRUE(test::run_virtually(w.f.loop, w.f.clock, [&] { return is_done; }));
  EXPECT_EQ(seen, 2u);
}

}  // namespace
}  // namespace engine
