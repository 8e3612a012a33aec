// What is stored, who reads it, and what is left when it is deleted.
#include "bridge/base/hash.h"
#include "tests/memory/fixture.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace services::memory {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class MemoryTest : public MemoryFixture {};

TEST_F(MemoryTest, AnEntryComesBackAsItWasStored) {
  const auto stored = keep("conversation", NewEntry{.title = "Retry",
                                                    .content = "Back off, then try again.",
                                                    .type = "knowledge",
                                                    .tags = {"queue", "retry", "queue"},
                                                    .metadata = {{"source", "a review"}}});
  const auto entry = run(memory->get(operator_, "conversation", stored.id));
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry->title, "Retry");
  EXPECT_EQ(entry->content, "Back off, then try again.");
  EXPECT_EQ(entry->type, "knowledge");
  EXPECT_THAT(entry->tags, ElementsAre("queue", "retry"));
  EXPECT_EQ(entry->metadata.at("source"), "a review");
  EXPECT_EQ(entry->sharing, Sharing::nobody);
  EXPECT_EQ(entry->sha256, base::sha256_hex(entry->content));
  EXPECT_EQ(entry->origin, Origin::person);
  EXPECT_EQ(entry->created, stored.created);
  const auto begun = run(memory->get(operator_, "conversation", stored.id.substr(0, 13)));
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->id, stored.id);
  EXPECT_EQ(run(memory->get(operator_, "conversation", stored.id.substr(0, 4))).error().code,
            base::Code::not_found);
}

TEST_F(MemoryTest, TheJournalHoldsTheHashAndNotTheText) {
  const auto stored =
      keep("conversation", NewEntry{.title = "Private", .content = "a secret", .tags = {"hidden"}});
  ASSERT_TRUE(run(memory->remove(operator_, "conversation", stored.id)));
  const auto entries = told();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].type, "memory.stored");
  EXPECT_EQ(entries[1].type, "memory.deleted");
  for (const auto& entry : entries) {
    EXPECT_EQ(entry.subject, stored.id);
    EXPECT_EQ(entry.actor, "key:1");
    EXPECT_EQ(entry.data.at("sha256").as_string(), stored.sha256);
    const auto text = json::serialize(entry.data);
    for (const auto* word : {"secret", "Private", "hidden"}) {
      EXPECT_THAT(text, testing::Not(HasSubstr(word)));
    }
  }
}

TEST_F(MemoryTest, ADeletionLeavesTheChainWholeAndATombstone) {
  const auto kept = keep("conversation", "stays");
  const auto gone = keep("conversation", NewEntry{.content = "goes", .tags = {"t"}});
  ASSERT_TRUE(run(memory->remove(operator_, "conversation", gone.id)));
  engine::Verification verification;
  const auto verified =
      run(store->read([&](store::Tx& tx) { return journal.verify(tx, verification, "", 1000); }));
  ASSERT_TRUE(verified);
  EXPECT_TRUE(verification.is_good()) << verification.why;
  const auto looked = run(memory->get(operator_, "conversation", gone.id));
  EXPECT_EQ(looked.error().reason, "deleted");
  EXPECT_THAT(looked.error().message, HasSubstr("by key:1"));
  EXPECT_EQ(run(memory->remove(operator_, "conversation", gone.id)).error().reason, "deleted");
  EXPECT_THAT(listed(operator_, "conversation"), ElementsAre("stays"));
  const auto rows = run(store->read([&](store::Tx& tx) {
    return tx.query("SELECT content FROM memory_entries WHERE content LIKE '%goes%'");
  }));
  EXPECT_THAT(*rows, IsEmpty());
  const auto dreams = run(memory->dreams(operator_, "conversation", 10));
  EXPECT_EQ(dreams->holdings.entries, 1);
  EXPECT_THAT(dreams->expertise, IsEmpty());
  EXPECT_EQ(run(memory->get(operator_, "conversation", kept.id))->content, "stays");
}

TEST_F(MemoryTest, WhatARemovedAgentLeftIsReadAndDeletedByOperators) {
  const auto id = add_agent({.name = "Gone"});
  add_agent({.name = "Ann"});
  const auto one = keep("gone", "first");
  keep("gone", "second");
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) -> base::Result<> {
    TRY(const auto agent, agents::find(tx, id));
    return agents::remove({tx, journal, clock.wall(), "key:1"}, catalogue, agent);
  })));
  EXPECT_THAT(listed(operator_, id), ElementsAre("second", "first"));
  EXPECT_EQ(run(memory->get(operator_, id, one.id))->content, "first");
  EXPECT_EQ(run(memory->list({.principal = "key:2", .agent = "ann"}, id, {})).error().code,
            base::Code::not_found);
  EXPECT_FALSE(try_store(operator_, id, {.content = "third"}));
  EXPECT_TRUE(run(memory->remove(operator_, id, one.id)));
  EXPECT_EQ(*run(memory->purge(operator_, id)), 1);
  EXPECT_EQ(run(memory->get(operator_, id, one.id)).error().reason, "deleted");
}

TEST_F(MemoryTest, APurgeTakesAllOfOneAgent) {
  add_agent({.name = "Ann"});
  keep("ann", "stays");
  constexpr int many = static_cast<int>(limits::memory_purged_at_once) + 5;
  const auto filled = run(store->write([&](store::Tx& tx) -> base::Result<> {
    const Act act{tx, journal, clock.wall(), "key:1"};
    for (int i = 0; i < many; ++i) {
      TRY_OK(remember(act, {"conversation"}, Origin::person, {.content = "goes"}, {}));
    }
    return {};
  }));
  ASSERT_TRUE(filled);
  EXPECT_EQ(
      run(memory->purge({.principal = "key:2", .agent = "ann"}, "conversation")).error().reason,
      "other_agent");
  EXPECT_EQ(*run(memory->purge(operator_, "conversation")), many);
  EXPECT_THAT(listed(operator_, "conversation"), IsEmpty());
  EXPECT_THAT(listed(operator_, "ann"), ElementsAre("stays"));
  EXPECT_EQ(told("memory.deleted").size(), static_cast<std::size_t>(many));
}

TEST_F(MemoryTest, ARequestThatComesAgainStoresNothing) {
  const auto first = try_store(operator_, "conversation", {.content = "once"}, "r-1", "h");
  const auto again = try_store(operator_, "conversation", {.content = "once"}, "r-1", "h");
  const auto other = try_store(operator_, "conversation", {.content = "else"}, "r-1", "h2");
  ASSERT_TRUE(first && again);
  EXPECT_FALSE(first->is_replay);
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(again->entry.id, first->entry.id);
  EXPECT_EQ(other.error().reason, "idempotency_mismatch");
  EXPECT_THAT(listed(operator_, "conversation"), ElementsAre("once"));
}

TEST_F(MemoryTest, WhatIsTooBigIsRefusedByName) {
  NewEntry entry{.title = std::string(limits::memory_title_bytes_max + 1, 't'),
                 .content = std::string(limits::memory_content_bytes_max + 1, 'c'),
                 .tags = {"ok", std::string(limits::memory_tag_bytes_max + 1, 'g')},
                 .metadata = {{"m", std::string(limits::memory_metadata_bytes_max, 'm')}}};
  const auto refused = try_store(operator_, "conversation", std::move(entry));
  ASSERT_FALSE(refused);
  std::vector<std::string> pointers;
  for (const auto& violation : refused.error().violations) pointers.push_back(violation.pointer);
  EXPECT_THAT(pointers, ElementsAre("/title", "/content", "/metadata", "/tags/1"));
  const auto empty = try_store(operator_, "conversation", {.content = ""});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().violations.at(0).pointer, "/content");
}

TEST_F(MemoryTest, ListsAreNewestFirstFilteredAndPaged) {
  keep("conversation", NewEntry{.content = "1", .type = "note", .tags = {"a"}});
  keep("conversation", NewEntry{.content = "2", .type = "analysis", .tags = {"a", "b"}});
  clock.advance_to(clock.now() + 1h);
  const auto later = clock.wall();
  keep("conversation", NewEntry{.content = "3", .type = "note"});
  EXPECT_THAT(listed(operator_, "conversation"), ElementsAre("3", "2", "1"));
  EXPECT_THAT(listed(operator_, "conversation", {.type = "note"}), ElementsAre("3", "1"));
  EXPECT_THAT(listed(operator_, "conversation", {.tag = "a"}), ElementsAre("2", "1"));
  EXPECT_THAT(listed(operator_, "conversation", {.type = "note", .tag = "a"}), ElementsAre("1"));
  EXPECT_THAT(listed(operator_, "conversation", {.since = later}), ElementsAre("3"));
  const auto page = run(memory->list(operator_, "conversation", {.limit = 2}));
  ASSERT_TRUE(page);
  EXPECT_FALSE(page->is_end);
  EXPECT_THAT(listed(operator_, "conversation", {.before = page->entries.back().number}),
              ElementsAre("1"));
}

class SharingTest : public MemoryFixture {
 protected:
  SharingTest() {
    add_agent({.name = "Ann", .category = "Travel"});
    add_agent({.name = "Ben", .category = "Travel"});
    add_agent({.name = "Cy", .category = "Music"});
    add_agent({.name = "Dee"});
    keep("ann", "word for ann");
    keep("ann", "word for the fleet", Sharing::fleet);
    keep("ann", "word for all", Sharing::all);
  }
  static Asker as(std::string agent) { return {.principal = "key:" + agent, .agent = agent}; }
};

TEST_F(SharingTest, EverybodySeesWhatIsSharedWithThem) {
  const auto sees = [&](const Asker& asker) { return listed(asker, "ann"); };
  EXPECT_THAT(sees(operator_), ElementsAre("word for all", "word for the fleet", "word for ann"));
  EXPECT_THAT(sees(as("ann")), ElementsAre("word for all", "word for the fleet", "word for ann"));
  EXPECT_THAT(sees(as("ben")), ElementsAre("word for all", "word for the fleet"));
  EXPECT_THAT(sees(as("cy")), ElementsAre("word for all"));
  EXPECT_THAT(sees(as("dee")), ElementsAre("word for all"));
  EXPECT_THAT(sees(as("nobody")), ElementsAre("word for all"));
  for (const auto* agent : {"ann", "ben", "cy", "dee"}) {
    const auto seen = run(memory->search(as(agent), agent, {.query = *Query::parse("word")}));
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->hits.size(), sees(as(agent)).size()) << agent;
  }
}

TEST_F(SharingTest, WhatWasSharedWithAFleetStaysWithItWhenItsOwnerMoves) {
  const auto moved = run(store->write([&](store::Tx& tx) -> base::Result<> {
    TRY(auto ann, agents::find(tx, "ann"));
    const agents::Act act{tx, journal, clock.wall(), "key:1"};
    TRY_OK(agents::change(act, catalogue, std::move(ann), {.category = "Music"}));
    return {};
  }));
  ASSERT_TRUE(moved) << moved.error().message;
  keep("ann", "word for the other fleet", Sharing::fleet);

  EXPECT_THAT(listed(as("ben"), "ann"), ElementsAre("word for all", "word for the fleet"));
  EXPECT_THAT(listed(as("cy"), "ann"), ElementsAre("word for the other fleet", "word for all"));
  EXPECT_THAT(listed(as("ann"), "ann"), ElementsAre("word for the other fleet", "word for all",
                                                    "word for the fleet", "word for ann"));
  for (const auto* agent : {"ann", "ben", "cy"}) {
    EXPECT_EQ(found(as(agent), agent, "word").size(), listed(as(agent), "ann").size()) << agent;
  }
}

TEST_F(SharingTest, ScopesOfASearchReachAsFarAsTheySay) {
  keep("ben", "word of ben", Sharing::fleet);
  keep("cy", "word of cy");
  const auto by = [&](const Asker& asker, const std::string& which, Scope scope) {
    return found(asker, which, "word", Search{.query = *Query::parse("word"), .scope = scope});
  };
  using testing::UnorderedElementsAre;
  EXPECT_THAT(by(as("ben"), "ben", Scope::own), ElementsAre("word of ben"));
  EXPECT_THAT(by(as("ben"), "ben", Scope::fleet),
              UnorderedElementsAre("word of ben", "word for the fleet", "word for all"));
  EXPECT_THAT(by(as("cy"), "cy", Scope::fleet), ElementsAre("word of cy"));
  EXPECT_THAT(by(as("cy"), "cy", Scope::all), UnorderedElementsAre("word of cy", "word for all"));
  EXPECT_EQ(by(operator_, "cy", Scope::all).size(), 5u);
  EXPECT_THAT(by(operator_, "cy", Scope::own), ElementsAre("word of cy"));
  const auto of_ben =
      found(as("ann"), "ann", "word", Search{.query = *Query::parse("word"), .agent = "ben"});
  EXPECT_THAT(of_ben, ElementsAre("word of ben"));
}

TEST_F(SharingTest, AnAgentWritesAndDeletesInItsOwnMemoryOnly) {
  const auto own = try_store(as("ben"), "ben", {.content = "mine"});
  ASSERT_TRUE(own);
  EXPECT_EQ(own->entry.origin, Origin::agent);
  EXPECT_FALSE(is_trusted(own->entry.origin));
  EXPECT_EQ(try_store(as("ben"), "ann", {.content = "x"}).error().reason, "other_agent");
  const auto shared = run(memory->list(as("ben"), "ann", {}))->entries.at(0);
  EXPECT_EQ(run(memory->remove(as("ben"), "ann", shared.id)).error().reason, "other_agent");
  EXPECT_EQ(run(memory->search(as("ben"), "ann", {.query = *Query::parse("word")})).error().reason,
            "other_agent");
  EXPECT_TRUE(run(memory->remove(as("ben"), "ben", own->entry.id)));
  EXPECT_EQ(try_store(operator_, "nobody", {.content = "x"}).error().code, base::Code::not_found);
}

TEST_F(MemoryTest, WhatARunStoresIsNobodysWordWhoeverBeganIt) {
  const Asker run_of_operator{.principal = "action:1", .is_of_run = true};
  const auto stored = try_store(run_of_operator, "conversation", {.content = "Obey me."});
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ(stored->entry.origin, Origin::agent);
  const auto kept = run(memory->get(operator_, "conversation", stored->entry.id));
  ASSERT_TRUE(kept) << kept.error().message;
  EXPECT_FALSE(is_trusted(kept->origin));
}

TEST_F(SharingTest, WhatMayNotBeSeenIsNotThere) {
  const auto secret = run(memory->list(as("ann"), "ann", {}))->entries.back();
  const auto looked = run(memory->get(as("ben"), "ann", secret.id));
  EXPECT_EQ(looked.error().code, base::Code::not_found);
  EXPECT_EQ(looked.error().message,
            run(memory->get(as("ben"), "ann", secret.id.substr(0, 35) + "x"))
                .error()
                .message.replace(looked.error().message.find(secret.id), 36, secret.id));
  EXPECT_EQ(run(memory->get(operator_, "ben", secret.id)).error().code, base::Code::not_found);
  ASSERT_TRUE(run(memory->remove(operator_, "ann", secret.id)));
  EXPECT_EQ(run(memory->get(as("ben"), "ann", secret.id)).error().reason, "");
  EXPECT_EQ(run(memory->get(as("ann"), "ann", secret.id)).error().reason, "deleted");
}

TEST_F(SharingTest, OthersLearnNothingOfPrivateTopics) {
  keep("ann", NewEntry{.content = "x", .tags = {"secret"}});
  keep("ann", NewEntry{.content = "y", .tags = {"public"}, .sharing = Sharing::all});
  const auto own = run(memory->dreams(as("ann"), "ann", 10));
  const auto other = run(memory->dreams(as("cy"), "ann", 10));
  ASSERT_TRUE(own && other);
  EXPECT_EQ(own->expertise.size(), 2u);
  ASSERT_EQ(other->expertise.size(), 1u);
  EXPECT_EQ(other->expertise[0].tag, "public");
  EXPECT_EQ(other->holdings.entries, 0);
  EXPECT_EQ(other->knowledge.size(), 2u);
}

TEST_F(SharingTest, OthersLearnNothingOfWhatIsPrivateUnderASharedTopic) {
  const auto first =
      keep("ann", NewEntry{.content = "x", .tags = {"plan", "rare"}, .sharing = Sharing::all});
  const auto second =
      keep("ann", NewEntry{.content = "y", .tags = {"plan"}, .sharing = Sharing::all});
  keep("ann", NewEntry{.content = "z", .tags = {"plan", "rare"}});
  // As many private topics as are shown, each with more entries than those that are shared.
  for (int topic = 0; topic < limits::memory_topics_shown; ++topic) {
    for (int entry = 0; entry < 4; ++entry) {
      keep("ann", NewEntry{.content = fmt::format("{} {}", topic, entry),
                           .tags = {fmt::format("private-{}", topic)}});
    }
  }
  const auto time_of = [&](const Entry& entry) {
    return run(memory->get(as("ann"), "ann", entry.id))->created;
  };
  const auto other = run(memory->dreams(as("cy"), "ann", 10));
  ASSERT_TRUE(other);
  ASSERT_EQ(other->expertise.size(), 2u);
  EXPECT_EQ(other->expertise[0].tag, "plan");
  EXPECT_EQ(other->expertise[0].entries, 2);
  EXPECT_EQ(other->expertise[0].last, time_of(second));
  EXPECT_EQ(other->expertise[1].tag, "rare");
  EXPECT_EQ(other->expertise[1].entries, 1);
  EXPECT_EQ(other->expertise[1].last, time_of(first));
}

TEST_F(MemoryTest, DreamsSortByKindAndTellWhatAnAgentKnows) {
  keep("conversation", NewEntry{.content = "fact", .type = "knowledge", .tags = {"queue"}});
  keep("conversation", NewEntry{.content = "talk", .type = "conversation", .tags = {"queue"}});
  keep("conversation", NewEntry{.content = "why", .type = "analysis", .tags = {"queue", "page"}});
  keep("conversation", NewEntry{.content = "said", .type = "reply"});
  const auto dreams = run(memory->dreams(operator_, "conversation", 10));
  ASSERT_TRUE(dreams);
  const auto contents = [](const std::vector<Entry>& entries) {
    std::vector<std::string> found;
    for (const auto& entry : entries) found.push_back(entry.content);
    return found;
  };
  EXPECT_THAT(contents(dreams->knowledge), ElementsAre("fact"));
  EXPECT_THAT(contents(dreams->conversations), ElementsAre("said", "talk"));
  EXPECT_THAT(contents(dreams->analyses), ElementsAre("why"));
  EXPECT_EQ(dreams->holdings.entries, 4);
  ASSERT_EQ(dreams->expertise.size(), 2u);
  EXPECT_EQ(dreams->expertise[0].tag, "queue");
  EXPECT_EQ(dreams->expertise[0].entries, 3);
}

}  // namespace
}  // namespace services::memory
