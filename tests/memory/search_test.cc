// What is found, in which order, and what of it is shown.
#include "bridge/services/memory/text_index.h"
#include "tests/memory/fixture.h"
#include "tests/store/fixture.h"

#include <fmt/format.h>

namespace services::memory {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class SearchTest : public MemoryFixture {
 protected:
  static Search with(const std::function<void(Search&)>& change) {
    Search search{.query = *Query::parse("x")};
    change(search);
    return search;
  }
};

TEST_F(SearchTest, AllWordsMustBeThereAndTheBestComesFirst) {
  keep("conversation", "the plan has three steps");
  keep("conversation", "a plan, a better plan and the best plan");
  keep("conversation", NewEntry{.title = "Plan", .content = "what we do first"});
  keep("conversation", "nothing of it");
  EXPECT_THAT(found(operator_, "conversation", "plan"),
              ElementsAre("what we do first", "a plan, a better plan and the best plan",
                          "the plan has three steps"));
  EXPECT_THAT(found(operator_, "conversation", "PLAN steps"),
              ElementsAre("the plan has three steps"));
  EXPECT_THAT(found(operator_, "conversation", "plan absent"), IsEmpty());
}

TEST_F(SearchTest, WhatIsEquallyGoodComesNewestFirst) {
  for (const auto* content : {"same text 1", "same text 2", "same text 3"}) {
    keep("conversation", content);
  }
  EXPECT_THAT(found(operator_, "conversation", "same text"),
              ElementsAre("same text 3", "same text 2", "same text 1"));
}

TEST_F(SearchTest, NoTextOfACallerIsAnOperator) {
  keep("conversation", "alpha beta");
  keep("conversation", "alpha");
  keep("conversation", "wanted OR alpha NOT NEAR beta AND title marks");
  for (const std::string text :
       {"alpha OR beta", "alpha NOT beta", "NEAR beta", "title : alpha", "marks:alpha", "alpha\"",
        "\"alpha", "alpha' --", "alpha) OR (beta", "{title}:alpha", "^alpha", "alpha + beta",
        "alpha\" OR \"beta", "-title : alpha", "alpha \"\" beta", "**alpha", "alpha , beta"}) {
    const auto result = look(operator_, "conversation", text);
    EXPECT_TRUE(result) << text << ": " << (result ? "" : result.error().message);
  }
  EXPECT_THAT(found(operator_, "conversation", "alpha OR beta"),
              ElementsAre("wanted OR alpha NOT NEAR beta AND title marks"));
  EXPECT_THAT(found(operator_, "conversation", "beta -"), SizeIs(2));
}

TEST_F(SearchTest, PhrasesAndBeginningsAreFound) {
  keep("conversation", "retry with backoff");
  keep("conversation", "backoff with retry");
  EXPECT_THAT(found(operator_, "conversation", "\"retry with\""),
              ElementsAre("retry with backoff"));
  EXPECT_THAT(found(operator_, "conversation", "back*"), SizeIs(2));
  EXPECT_THAT(found(operator_, "conversation", "back"), IsEmpty());
}

TEST_F(SearchTest, AScoreTellsNothingOfWhatOthersKeep) {
  const auto spy = add_agent({.name = "spy"});
  add_agent({.name = "keeper"});
  const Asker asker{.principal = "key:2", .agent = spy};
  keep("spy", "the password is hunq");
  const auto score = [&](const std::string& text, Scope scope) {
    const auto result = look(asker, "spy", text, with([&](Search& s) { s.scope = scope; }));
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
    return result && result->hits.size() == 1 ? result->hits[0].score : 0;
  };
  for (const auto scope : {Scope::own, Scope::all}) {
    for (const std::string text : {"\"the password is hun*", "password hun*", "hunq"}) {
      const auto before = score(text, scope);
      EXPECT_GT(before, 0) << text;
      keep("keeper", "the password is hunter2 and hunq, in a longer text");
      EXPECT_EQ(score(text, scope), before) << text;
    }
  }
}

TEST_F(SearchTest, ASnippetShowsWhereItIs) {
  std::string content;
  for (int i = 0; i < 100; ++i) content += fmt::format("filler{} ", i);
  keep("conversation", content + "the Needle in the haystack");
  for (const auto* text : {"needle", "needle hay*", "need*"}) {
    const auto result = look(operator_, "conversation", text);
    ASSERT_TRUE(result);
    ASSERT_THAT(result->hits, SizeIs(1));
    EXPECT_THAT(result->hits[0].snippet, HasSubstr("[Needle]")) << text;
    EXPECT_LT(result->hits[0].snippet.size(), 400u);
    EXPECT_LE(result->hits[0].entry.content.size(), limits::memory_excerpt_characters);
    EXPECT_GT(result->hits[0].score, 0);
  }
}

TEST_F(SearchTest, MarksCannotBeFoundAsWords) {
  const auto entry = keep("conversation", "words");
  EXPECT_THAT(found(operator_, "conversation", mark::of_agent("conversation")), IsEmpty());
  EXPECT_THAT(found(operator_, "conversation", mark::of_type(entry.type)), IsEmpty());
}

TEST_F(SearchTest, FiltersHold) {
  keep("conversation", NewEntry{.content = "plan one", .type = "note", .tags = {"bd-1", "x"}});
  keep("conversation", NewEntry{.content = "plan two", .type = "analysis", .tags = {"bd-1"}});
  clock.advance_to(clock.now() + 1h);
  const auto later = clock.wall();
  keep("conversation", NewEntry{.content = "plan three", .type = "note", .tags = {"bd-2"}});
  const auto by = [&](const std::function<void(Search&)>& change) {
    return found(operator_, "conversation", "plan", with(change));
  };
  EXPECT_THAT(by([](Search& s) { s.type = "note"; }),
              UnorderedElementsAre("plan one", "plan three"));
  EXPECT_THAT(by([](Search& s) { s.tag = "bd-1"; }), UnorderedElementsAre("plan one", "plan two"));
  EXPECT_THAT(by([](Search& s) { s.type = "note", s.tag = "bd-1"; }), ElementsAre("plan one"));
  EXPECT_THAT(by([&](Search& s) { s.since = later; }), ElementsAre("plan three"));
  EXPECT_THAT(by([](Search& s) { s.limit = 1; }), SizeIs(1));
  EXPECT_THAT(by([](Search& s) { s.tag = "bd"; }), IsEmpty());
}

// What is more than is ranked: the answer says so, and a filter is not lost in the crowd.
TEST_F(SearchTest, AmongVeryManyTheNewestAreRanked) {
  constexpr int many = limits::memory_candidates_max + 100;
  const auto filled = run(store->write([&](store::Tx& tx) -> base::Result<> {
    const Act act{tx, journal, clock.wall(), "key:1"};
    TRY_OK(remember(act, {"conversation"}, Origin::person,
                    {.content = "crowd crowd crowd", .type = "first"}, {}));
    for (int i = 0; i < many; ++i) {
      TRY_OK(remember(act, {"conversation"}, Origin::person, {.content = "a crowd of texts"}, {}));
    }
    return {};
  }));
  ASSERT_TRUE(filled);
  const auto all = look(operator_, "conversation", "crowd");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->is_bounded);
  EXPECT_EQ(all->ranked, limits::memory_candidates_max);
  EXPECT_EQ(all->hits[0].entry.number, many + 1);
  const auto own =
      look(operator_, "conversation", "crowd", with([](Search& s) { s.type = "first"; }));
  ASSERT_TRUE(own);
  EXPECT_FALSE(own->is_bounded);
  ASSERT_THAT(own->hits, SizeIs(1));
  EXPECT_EQ(own->hits[0].entry.content, "crowd crowd crowd");
}

// What has the words is looked at by itself, newest first; behind that the index goes on. Nothing
// is lost or comes twice where they meet.
TEST_F(SearchTest, AMarkIsFoundHoweverManyHaveTheWords) {
  constexpr std::int64_t many = limits::memory_looked_at_max + 1500;
  // The number of the last that is looked at by itself.
  constexpr std::int64_t seam = many - limits::memory_looked_at_max + 1;
  const auto filled = run(store->write([&](store::Tx& tx) -> base::Result<> {
    const Act act{tx, journal, clock.wall(), "key:1"};
    for (std::int64_t number = 1; number <= many; ++number) {
      NewEntry entry{.content = "a crowd of texts", .tags = {fmt::format("of-{}", number)}};
      if (number % 5 == 0) entry.tags.emplace_back("fifth");
      if (number < 3 || number == many) entry.tags.emplace_back("ends");
      if (number >= seam - 1 && number <= seam + 1) entry.tags.emplace_back("seam");
      TRY_OK(remember(act, {"conversation"}, Origin::person, std::move(entry), {}));
    }
    return {};
  }));
  ASSERT_TRUE(filled);
  const auto by_tag = [&](const std::string& tag) {
    return look(operator_, "conversation", "crowd", with([&](Search& s) { s.tag = tag; }));
  };
  const auto numbers = [&](const std::string& tag) {
    std::vector<std::int64_t> found;
    const auto result = by_tag(tag);
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
    if (!result) return found;
    EXPECT_FALSE(result->is_bounded) << tag;
    EXPECT_EQ(result->ranked, std::ssize(result->hits)) << tag;
    for (const auto& hit : result->hits) found.push_back(hit.entry.number);
    return found;
  };
  EXPECT_THAT(numbers("ends"), UnorderedElementsAre(many, 2, 1));
  EXPECT_THAT(numbers("seam"), UnorderedElementsAre(seam + 1, seam, seam - 1));
  for (const auto number : {seam + 1, seam, seam - 1, std::int64_t{1}}) {
    EXPECT_THAT(numbers(fmt::format("of-{}", number)), ElementsAre(number));
  }
  EXPECT_THAT(numbers("none"), IsEmpty());
  const auto fifths = by_tag("fifth");
  ASSERT_TRUE(fifths);
  EXPECT_TRUE(fifths->is_bounded);
  EXPECT_EQ(fifths->ranked, limits::memory_candidates_max);
}

// A store from before the marks had a table of their own.
TEST_F(SearchTest, WhatAnOlderStoreHoldsIsFound) {
  const store::Folder folder;
  const auto open = [&](std::size_t own_steps) {
    std::vector<store::Migration> steps;
    for (const auto part :
         {engine::migrations(), migrations().first(own_steps), agents::migrations()}) {
      steps.insert(steps.end(), part.begin(), part.end());
    }
    auto opened =
        store::SqliteStore::open({.path = folder / "store.db"}, loop.get_executor(), steps);
    BRIDGE_ASSERT(opened);
    return *std::move(opened);
  };
  {
    const auto older = open(2);
    const Entry entry{.owner = {"conversation"}, .type = "note"};
    ASSERT_TRUE(run(older->write([&](store::Tx& tx) -> base::Result<> {
      TRY_OK(tx.execute(R"sql(
        INSERT INTO memory_entries (id, agent, fleet, type, sharing, origin, marks, title, tags,
                                    metadata, provenance, sha256, bytes, creator, request_hash,
                                    created_at, content)
        VALUES ('i', 'conversation', '', 'note', 'private', 'agent', $1, 'The plan', '[]',
                '{}', '{}', '', 18, 'key:1', '', 0, 'three steps, café.')
      )sql",
                        {marks_of(entry)}));
      TRY_OK(tx.execute("INSERT INTO memory_index (memory_index) VALUES ('rebuild')"));
      return {};
    })));
  }
  memory.reset();
  store = open(migrations().size());
  memory.emplace(*store, journal, clock);
  EXPECT_THAT(found(operator_, "conversation", "plan"), ElementsAre("three steps, café."));
  EXPECT_THAT(found(operator_, "conversation", "cafe", with([](Search& s) { s.type = "note"; })),
              ElementsAre("three steps, café."));
  EXPECT_THAT(found(operator_, "conversation", "cafe", with([](Search& s) { s.type = "reply"; })),
              IsEmpty());
  const auto words = run(
      store->read([](store::Tx& tx) { return tx.query_one("SELECT words FROM memory_marks"); }));
  ASSERT_TRUE(words && *words);
  EXPECT_EQ((*words)->at(0).integer(), 5);
}

TEST_F(SearchTest, WhatWasDeletedIsNotFound) {
  const auto entry = keep("conversation", "secret words");
  ASSERT_TRUE(run(memory->remove(operator_, "conversation", entry.id)));
  EXPECT_THAT(found(operator_, "conversation", "secret"), IsEmpty());
  const auto checked = run(store->write([](store::Tx& tx) {
    return tx.execute("INSERT INTO memory_index (memory_index) VALUES ('integrity-check')");
  }));
  EXPECT_TRUE(checked) << checked.error().message;
  const auto left =
      run(store->read([](store::Tx& tx) { return tx.query("SELECT number FROM memory_marks"); }));
  ASSERT_TRUE(left);
  EXPECT_THAT(*left, IsEmpty());
}

}  // namespace
}  // namespace services::memory
