#include "bridge/services/agents/agent_limits.h"
#include "bridge/services/fleets.h"
#include "bridge/services/keys.h"
#include "tests/services/registry_test.h"
#include "tests/support/virtual_clock.h"

#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace services {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using agents::Facts;
using agents::Liveness;
using agents::Status;
using agents::Tier;
using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class AgentsTest : public RegistryTest {
 protected:
  AgentsTest() {
    registry.emplace(Agents::Needs{.store = *store, .journal = journal, .clock = clock},
                     Agents::Settings());
    keys.emplace(*store, journal, clock);
  }

  agents::Agent added(Facts facts) {
    auto done = run(registry->add(admin, std::move(facts), {}));
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
    return done->agent;
  }
  // The slug of who answers to this, or "".
  std::string answers(std::string which) {
    const auto found = run(registry->get(std::move(which)));
    return found ? found->slug : "";
  }
  agents::Beaten beat(std::string which, std::string status = {}) {
    auto beaten = run(registry->beat(admin, std::move(which), std::move(status), {}));
    EXPECT_TRUE(beaten) << (beaten ? "" : beaten.error().message);
    return *beaten;
  }
  void pass(std::chrono::seconds time) { clock.advance_to(clock.now() + time); }
  int sweep() {
    return *run(store->write(
        [&](store::Tx& tx) { return agents::sweep({tx, journal, clock.wall(), "bridge"}, {}); }));
  }

  test::VirtualClock clock;
  const base::Instant started = clock.now();
  std::optional<Agents> registry;
  std::optional<Keys> keys;
  const Caller admin{.principal = "key:1", .name = "root", .is_admin = true};
};

TEST_F(AgentsTest, OneIsFoundByIdSlugNameAndAliasButNeverByAPartOfThem) {
  const auto agent = added({.name = "Aeromax Optimizer", .aliases = {{"the optimizer"}}});

  EXPECT_EQ(agent.slug, "aeromax-optimizer");
  for (const auto& word : {agent.id, agent.slug, agent.name, agent.aliases.front()}) {
    EXPECT_EQ(answers(word), agent.slug) << word;
  }
  for (const auto* part : {"aero", "aeromax", "Aeromax", "optimizer", "aeromax optimizer", ""}) {
    EXPECT_EQ(answers(part), "") << part;
  }
  EXPECT_EQ(answers(agent.id.substr(0, 12)), "");
}

TEST_F(AgentsTest, ASlugIsMadeOfTheNamesLettersAndIsNobodyElses) {
  EXPECT_EQ(added({.name = "R&D / Lab \u2014 One"}).slug, "r-d-lab-one");
  const auto imported =
      run(registry->import(admin, {{.name = "r d lab one"}, {.name = "R D (Lab) One"}}, {}));
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->agents.at(0).slug, "r-d-lab-one-2");
  EXPECT_EQ(imported->agents.at(1).slug, "r-d-lab-one-3");
  EXPECT_EQ(added({.name = "\u2014"}).slug, "agent");
  // A path that means something else.
  EXPECT_EQ(added({.name = "Stats"}).slug, "stats-2");
}

TEST_F(AgentsTest, WhatOneAnswersToNobodyElseMayTake) {
  added({.name = "Culture Code", .aliases = {{"cc"}}});
  const auto other = added({.name = "Other"});

  const auto named = run(registry->add(admin, {.name = "Culture Code"}, {}));
  EXPECT_EQ(named.error().reason, "name_taken");
  EXPECT_EQ(named.error().violations.at(0).pointer, "/name");
  for (const auto* word : {"cc", "culture-code", "Culture Code"}) {
    const auto aliased = run(registry->add(admin, {.name = "New", .aliases = {{word}}}, {}));
    EXPECT_EQ(aliased.error().reason, "alias_taken") << word;
    const auto changed = run(registry->change(admin, other.slug, {.aliases = {{word}}}, {}));
    EXPECT_EQ(changed.error().reason, "alias_taken") << word;
  }
  const auto renamed = run(registry->change(admin, other.slug, {.name = "cc"}, {}));
  EXPECT_EQ(renamed.error().reason, "name_taken");
  const auto imported = run(registry->import(admin, {{.name = "CC"}}, {}));
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->agents.at(0).slug, "cc-2") << "a slug must not hide an alias";
}

TEST_F(AgentsTest, WhatIsTakenForAnothersNameIsRefused) {
  const auto first = added({.name = "Culture Code", .aliases = {{"The Tone"}}});
  const auto other = added({.name = "Other"});
  // It keeps its slug, and answers to a new name.
  ASSERT_TRUE(run(registry->change(admin, other.slug, {.name = "Night Shift"}, {})));

  for (const auto* word :
       {"culture code", "CULTURE-CODE", "Culture_Code!", "the-tone", "OTHER", "night  shift"}) {
    const auto named = run(registry->add(admin, {.name = word}, {}));
    ASSERT_FALSE(named) << word;
    EXPECT_EQ(named.error().code, Code::conflict);
    EXPECT_EQ(named.error().reason, "name_taken") << word;
    EXPECT_THAT(named.error().message, HasSubstr("too much like")) << word;
    const auto aliased = run(registry->add(admin, {.name = "New", .aliases = {{word}}}, {}));
    EXPECT_EQ(aliased.error().reason, "alias_taken") << word;
  }
  const auto renamed = run(registry->change(admin, other.slug, {.name = "culture code"}, {}));
  EXPECT_EQ(renamed.error().reason, "name_taken");
  const auto aliased = run(registry->change(admin, other.slug, {.aliases = {{"the tone"}}}, {}));
  EXPECT_EQ(aliased.error().reason, "alias_taken");
  // Its own words are its to take in any spelling.
  EXPECT_TRUE(run(registry->change(admin, first.slug, {.name = "culture code"}, {})));
  EXPECT_TRUE(run(registry->change(admin, first.slug,
                                   {.aliases = std::vector<std::string>{"THE TONE", "cc"}}, {})));
  EXPECT_TRUE(run(registry->add(admin, {.name = "Culture Codex"}, {})));
}

TEST_F(AgentsTest, WhoWasImportedUnderALikeNameCanStillBeChanged) {
  ASSERT_TRUE(run(registry->import(
      admin, {{.name = "R&D", .aliases = {{"lab"}}}, {.name = "r d", .aliases = {{"Lab!"}}}}, {})));
  const auto changed = run(registry->change(
      admin, "r-d-2", {.name = "r d", .purpose = "Finds out.", .aliases = {{"Lab!"}}}, {}));
  EXPECT_TRUE(changed) << (changed ? "" : changed.error().message);
  EXPECT_EQ(run(registry->change(admin, "r-d-2", {.name = "R d"}, {})).error().reason,
            "name_taken");
}

TEST_F(AgentsTest, ANameThatIsAnothersSlugOrIdIsRefused) {
  const auto first = added({.name = "Hotel Optimizer X"});
  const auto other = added({.name = "Other"});

  for (const auto& word : {first.slug, first.id}) {
    const auto named = run(registry->add(admin, {.name = word}, {}));
    EXPECT_EQ(named.error().reason, "name_taken") << word;
    const auto renamed = run(registry->change(admin, other.slug, {.name = word}, {}));
    EXPECT_EQ(renamed.error().reason, "name_taken") << word;
    const auto imported = run(registry->import(admin, {{.name = word}}, {}));
    EXPECT_EQ(imported.error().violations.at(0).pointer, "/import/0/name") << word;
  }
  const auto own = run(registry->change(admin, first.slug, {.name = first.slug}, {}));
  EXPECT_TRUE(own) << "its own slug is its to take";
}

TEST_F(AgentsTest, NobodyIsCalledByAWordThatMeansSomethingElse) {
  const auto other = added({.name = "Other"});
  for (const auto* word : {"broadcast", "conversation", "register", "stats"}) {
    const auto named = run(registry->add(admin, {.name = word}, {}));
    ASSERT_FALSE(named) << word;
    EXPECT_EQ(named.error().code, Code::conflict);
    EXPECT_EQ(named.error().reason, "name_taken") << word;
    EXPECT_EQ(named.error().violations.at(0).pointer, "/name");
    const auto aliased = run(registry->add(admin, {.name = "New", .aliases = {{word}}}, {}));
    EXPECT_EQ(aliased.error().reason, "alias_taken") << word;
    const auto renamed = run(registry->change(admin, other.slug, {.name = word}, {}));
    EXPECT_EQ(renamed.error().reason, "name_taken") << word;
    const auto imported = run(registry->import(admin, {{.name = "Fine"}, {.name = word}}, {}));
    ASSERT_FALSE(imported) << word;
    EXPECT_EQ(imported.error().violations.at(0).pointer, "/import/1/name");
    const auto listed = run(registry->import(admin, {{.name = "Fine", .aliases = {{word}}}}, {}));
    ASSERT_FALSE(listed) << word;
    EXPECT_EQ(listed.error().violations.at(0).pointer, "/import/0/aliases/0");
    EXPECT_EQ(answers(word), "") << word;
  }
  EXPECT_EQ(answers("Fine"), "");
}

TEST_F(AgentsTest, WhoWasCalledByAReservedWordBeforeKeepsIt) {
  const auto agent = added({.name = "Old", .kind = agents::Kind::cli, .aliases = {{"older"}}});
  ASSERT_TRUE(run(store->write([&](store::Tx& tx) -> base::Result<> {
    TRY_OK(tx.execute("UPDATE agents SET name = 'conversation', aliases = '[\"stats\"]'"));
    TRY_OK(tx.execute("UPDATE agent_aliases SET alias = 'stats'"));
    return {};
  })));
  const Facts facts{.name = "conversation", .purpose = "Talks.", .aliases = {{"stats"}}};
  const auto changed = run(registry->change(admin, agent.slug, facts, {}));
  EXPECT_TRUE(changed) << (changed ? "" : changed.error().message);
  const auto imported = run(registry->import(admin, {facts}, {}));
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->agents.at(0).id, agent.id);
  EXPECT_EQ(run(registry->add(admin, {.name = "conversation"}, {})).error().reason, "name_taken");
}

TEST_F(AgentsTest, AWindowThatPassesIsToldOnceAndAReturnToo) {
  added({.name = "Pulse"});

  EXPECT_EQ(beat("pulse").before, Liveness::unknown);
  pass(119s);
  EXPECT_EQ(beat("pulse", "").before, Liveness::active);
  pass(120s);
  EXPECT_EQ(registry->liveness(*run(registry->get("pulse"))), Liveness::degraded);
  EXPECT_EQ(sweep(), 0);
  pass(480s);
  EXPECT_EQ(registry->liveness(*run(registry->get("pulse"))), Liveness::offline);
  EXPECT_EQ(sweep(), 1);
  EXPECT_EQ(sweep(), 0);
  EXPECT_EQ(beat("pulse").before, Liveness::offline);
  EXPECT_EQ(sweep(), 0);

  EXPECT_THAT(told("agent."),
              ElementsAre("agent.registered", "agent.heartbeat", "agent.offline", "agent.online"));
}

TEST_F(AgentsTest, AReturnThatNobodyHadMissedIsToldWithItsAbsence) {
  added({.name = "Pulse"});
  beat("pulse");
  pass(1h);
  beat("pulse");

  EXPECT_THAT(told("agent."),
              ElementsAre("agent.registered", "agent.heartbeat", "agent.offline", "agent.online"));
}

TEST_F(AgentsTest, OneMayCallItselfDegradedOrSayGoodBye) {
  added({.name = "Pulse", .status = Status::active});

  EXPECT_EQ(beat("pulse", "busy").after, Liveness::active);
  EXPECT_EQ(beat("pulse", "degraded").after, Liveness::degraded);
  EXPECT_EQ(beat("pulse", "offline").after, Liveness::offline);
  EXPECT_EQ(beat("pulse", "offline").after, Liveness::offline);
  EXPECT_EQ(beat("pulse").after, Liveness::active);

  EXPECT_EQ(run(registry->get("pulse"))->status, Status::active) << "what people decided stays";
  EXPECT_THAT(told("agent."), ElementsAre("agent.registered", "agent.heartbeat", "agent.heartbeat",
                                          "agent.offline", "agent.online"));
}

TEST_F(AgentsTest, TheHistoryOfHeartbeatsIsBounded) {
  added({.name = "Pulse"});
  for (int i = 0; i < limits::agent_beats_kept + 20; ++i) beat("pulse");

  const auto beats = *run(registry->beats("pulse", 0, 1000));
  EXPECT_EQ(beats.size(), static_cast<std::size_t>(limits::agent_beats_kept));
  EXPECT_EQ(beats.front().number, limits::agent_beats_kept + 20);
  EXPECT_EQ(told("agent.heartbeat").size(), 1u) << "a heartbeat that changes nothing is no news";
}

TEST_F(AgentsTest, WhoFallsSilentIsToldOfWithoutBeingAsked) {
  added({.name = "Pulse"});
  beat("pulse");
  base::Scope tasks(loop.get_executor());
  registry->start(tasks);

  EXPECT_TRUE(test::run_virtually(loop, clock, [&] { return clock.now() >= started + 650s; }));
  bool has_ended = false;
  boost::asio::co_spawn(loop, tasks.join(), [&](const std::exception_ptr&) { has_ended = true; });
  EXPECT_TRUE(test::run_virtually(loop, clock, [&] { return has_ended; }));
  EXPECT_THAT(told("agent.offline"), ElementsAre("agent.offline"));
}

TEST_F(AgentsTest, TheTierFollowsCategoryAndStatusUntilAnAdministratorSaysOtherwise) {
  EXPECT_EQ(added({.name = "A", .category = "Core", .status = Status::draft}).tier,
            Tier::architect);
  EXPECT_EQ(added({.name = "B", .category = "Atlas", .status = Status::active}).tier,
            Tier::operator_);
  EXPECT_EQ(added({.name = "C", .category = "Atlas"}).tier, Tier::citizen);
  EXPECT_EQ(run(registry->change(admin, "c", {.status = Status::active}, {}))->tier,
            Tier::operator_);
  EXPECT_EQ(run(registry->change(admin, "c", {.tier = Tier::founder}, {}))->tier, Tier::founder);
  EXPECT_EQ(run(registry->change(admin, "c", {.status = Status::standby}, {}))->tier,
            Tier::founder);
  const Caller other{.principal = "key:2", .name = "writer"};
  const auto denied = run(registry->change(other, "b", {.tier = Tier::founder}, {}));
  EXPECT_EQ(denied.error().code, Code::denied);
  EXPECT_EQ(denied.error().violations.at(0).pointer, "/tier");
}

TEST_F(AgentsTest, NoCategoryGivesATierThatTheCallerMayNotGive) {
  const Caller other{.principal = "key:2", .name = "writer"};
  const auto is_refused = [](const auto& done, std::string_view pointer) {
    EXPECT_FALSE(done);
    if (done) return;
    EXPECT_EQ(done.error().code, Code::denied);
    ASSERT_EQ(done.error().violations.size(), 1u);
    EXPECT_EQ(done.error().violations[0].pointer, pointer);
    EXPECT_THAT(done.error().violations[0].detail, HasSubstr("the tier architect"));
  };
  is_refused(run(registry->add(other, {.name = "A", .category = "Core"}, {})), "/category");
  EXPECT_EQ(answers("A"), "");

  ASSERT_TRUE(run(registry->add(other, {.name = "B", .category = "Atlas"}, {})));
  is_refused(run(registry->change(other, "b", {.category = "core"}, {})), "/category");
  EXPECT_EQ(run(registry->get("b"))->category, "Atlas");
  // What the status gives is everybody's to give.
  EXPECT_EQ(run(registry->change(other, "b", {.status = Status::active}, {}))->tier,
            Tier::operator_);

  is_refused(run(registry->import(other, {{.name = "C"}, {.name = "B", .category = "Core"}}, {})),
             "/import/1/category");
  is_refused(run(registry->import(other, {{.name = "D", .category = "Core"}}, {})),
             "/import/0/category");
  EXPECT_EQ(answers("C"), "");
  EXPECT_EQ(run(registry->get("b"))->tier, Tier::operator_);

  // Who has the tier already keeps it, whoever changes what else there is to say.
  ASSERT_TRUE(run(registry->import(admin, {{.name = "D", .category = "Core"}}, {})));
  EXPECT_EQ(run(registry->change(other, "d", {.purpose = "Plans."}, {}))->tier, Tier::architect);
  ASSERT_TRUE(
      run(registry->import(other, {{.name = "D", .category = "Core", .purpose = "x"}}, {})));
  EXPECT_EQ(run(registry->get("d"))->purpose, "x");
}

TEST_F(AgentsTest, AFileIsTakenWholeOrNotAtAllAndSaysWhatBecameOfEach) {
  const auto import = [&](std::vector<Facts> all) {
    return run(registry->import(admin, std::move(all), {}));
  };
  const auto outcomes = [](const protocol::Checked<Agents::Import>& done) {
    std::vector<std::string> words;
    if (done) {
      for (const auto& one : done->agents) words.push_back(one.outcome + " " + one.slug);
    }
    return words;
  };
  const Facts a{.name = "R&D", .category = "Core", .status = Status::active};
  const Facts b{.name = "r d", .category = "Core", .status = Status::draft};
  auto bad = b;
  bad.link = "https://example.com/g/g-1";

  const auto refused = import({a, bad, a});
  ASSERT_FALSE(refused);
  std::vector<std::string> places;
  for (const auto& wrong : refused.error().violations) places.push_back(wrong.pointer);
  EXPECT_THAT(places, ElementsAre("/import/2/name", "/import/1/link"));
  EXPECT_EQ(answers("R&D"), "");
  EXPECT_THAT(told(), IsEmpty());

  const auto created = import({a, b});
  EXPECT_THAT(outcomes(created), ElementsAre("created r-d", "created r-d-2"));
  EXPECT_THAT(created->agents.at(1).note, HasSubstr("r-d was taken"));
  auto changed = a;
  changed.purpose = "Finds out.";
  EXPECT_THAT(outcomes(import({changed, b})), ElementsAre("updated r-d", "unchanged r-d-2"));
}

class ImportsTest : public AgentsTest {
 protected:
  using Words = std::vector<std::string>;

  protocol::Checked<Agents::Import> import(std::vector<Facts> all) {
    return run(registry->import(admin, std::move(all), {}));
  }
  // "created a", in the file's order; nothing if the file was refused.
  static Words outcomes(const protocol::Checked<Agents::Import>& done) {
    Words words;
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
    if (!done) return words;
    for (const auto& one : done->agents) words.push_back(one.outcome + " " + one.slug);
    return words;
  }
  static Words places(const protocol::Checked<Agents::Import>& refused) {
    Words pointers;
    EXPECT_FALSE(refused);
    if (refused) return pointers;
    for (const auto& wrong : refused.error().violations) pointers.push_back(wrong.pointer);
    return pointers;
  }
  Words aliases(std::string which) { return run(registry->get(std::move(which)))->aliases; }

  const std::string link = "https://chatgpt.com/g/g-0a1b2c3d4-heron";
  const std::string renamed_link = "https://chatgpt.com/g/g-0a1b2c3d4-great-egret";
};

TEST_F(ImportsTest, AnAliasMovesWhateverTheOrderOfTheEntries) {
  ASSERT_THAT(outcomes(import({{.name = "A"}, {.name = "B", .aliases = {{"tone"}}}})),
              ElementsAre("created a", "created b"));

  const auto earlier =
      import({{.name = "A", .aliases = {{"tone"}}}, {.name = "B", .aliases = Words()}});
  ASSERT_THAT(outcomes(earlier), ElementsAre("updated a", "updated b"));
  EXPECT_EQ(answers("tone"), "a");
  EXPECT_THAT(earlier->agents.at(0).note, IsEmpty());
  EXPECT_EQ(earlier->agents.at(1).note, "no longer answers to \"tone\"");

  const auto later =
      import({{.name = "A", .aliases = Words()}, {.name = "B", .aliases = {{"tone"}}}});
  EXPECT_THAT(outcomes(later), ElementsAre("updated a", "updated b"));
  EXPECT_EQ(answers("tone"), "b");

  const auto swapped = [&](std::string first, std::string second) {
    return outcomes(
        import({{.name = "A", .aliases = {{first}}}, {.name = "B", .aliases = {{second}}}}));
  };
  EXPECT_THAT(swapped("ink", "tone"), ElementsAre("updated a", "unchanged b"));
  EXPECT_THAT(swapped("tone", "ink"), ElementsAre("updated a", "updated b"));
  EXPECT_EQ(answers("tone") + answers("ink"), "ab");

  EXPECT_THAT(outcomes(import({{.name = "New", .aliases = {{"ink"}}},
                               {.name = "tone"},
                               {.name = "A", .aliases = Words()},
                               {.name = "B", .aliases = Words()}})),
              ElementsAre("created new", "created tone", "updated a", "updated b"));
  EXPECT_EQ(answers("ink"), "new");
}

TEST_F(ImportsTest, AnAliasThatAFileGaveGoesOnlyIfItsEntryListsOthersOrAnotherClaimsIt) {
  ASSERT_TRUE(import({{.name = "A"}, {.name = "B", .aliases = Words{"tone", "ink"}}}));

  EXPECT_THAT(outcomes(import({{.name = "B"}})), ElementsAre("unchanged b"));
  EXPECT_THAT(outcomes(import({{.name = "A", .aliases = {{"tone"}}}, {.name = "B"}})),
              ElementsAre("updated a", "updated b"));
  EXPECT_THAT(aliases("a"), ElementsAre("tone"));
  EXPECT_THAT(aliases("b"), ElementsAre("ink"));
  EXPECT_THAT(outcomes(import({{.name = "B", .aliases = {{"pen"}}}})), ElementsAre("updated b"));
  EXPECT_THAT(aliases("b"), ElementsAre("pen"));
}

TEST_F(ImportsTest, AnAliasThatWasGivenByHandStaysUnlessTheFileGivesItToAnother) {
  ASSERT_TRUE(import({{.name = "A"}, {.name = "B", .aliases = {{"tone"}}}}));
  ASSERT_TRUE(run(registry->change(admin, "b", {.aliases = Words{"hand", "tone"}}, {})));

  const std::vector<Facts> listing{{.name = "A"}, {.name = "B", .aliases = {{"ink"}}}};
  const auto first = import(listing);
  ASSERT_THAT(outcomes(first), ElementsAre("unchanged a", "updated b"));
  EXPECT_EQ(
      first->agents.at(1).note,
      "no longer answers to \"tone\"; still answers to \"hand\", which no file has given to it");
  EXPECT_THAT(aliases("b"), ElementsAre("ink", "hand"));
  EXPECT_THAT(outcomes(import(listing)), ElementsAre("unchanged a", "unchanged b"));

  // Its entry says nothing of aliases.
  EXPECT_THAT(places(import({{.name = "A", .aliases = {{"hand"}}}, {.name = "B"}})),
              ElementsAre("/import/0/aliases/0"));
  EXPECT_EQ(answers("hand"), "b");
  const auto moved =
      import({{.name = "A", .aliases = {{"hand"}}}, {.name = "B", .aliases = {{"ink"}}}});
  ASSERT_THAT(outcomes(moved), ElementsAre("updated a", "updated b"));
  EXPECT_EQ(moved->agents.at(1).note, "no longer answers to \"hand\"");
  EXPECT_EQ(answers("hand"), "a");
}

TEST_F(ImportsTest, NothingOfAFileThatIsRefusedIsDone) {
  ASSERT_TRUE(import({{.name = "A"}, {.name = "B", .aliases = {{"tone"}}}}));

  EXPECT_THAT(places(import({{.name = "A", .aliases = {{"tone"}}},
                             {.name = "B", .aliases = Words()},
                             {.name = "C", .link = "https://example.com/g/g-1"}})),
              ElementsAre("/import/2/link"));
  EXPECT_EQ(answers("tone"), "b");
  EXPECT_THAT(aliases("a"), IsEmpty());
  EXPECT_THAT(aliases("b"), ElementsAre("tone"));
}

TEST_F(ImportsTest, AGptThatWasRenamedIsNotImportedTwice) {
  added({.name = "Heron", .link = link, .status = Status::active});
  ASSERT_TRUE(run(registry->change(admin, "heron", {.name = "Egret"}, {})));
  EXPECT_EQ(answers("Heron"), "");

  // The same GPT, whatever its link calls it now.
  const Facts entry{.name = "Heron", .link = renamed_link, .aliases = {{"bird"}}};
  const auto first = import({{.name = "Other"}, entry});
  ASSERT_THAT(outcomes(first), ElementsAre("created other", "updated heron"));
  EXPECT_EQ(first->agents.at(1).name, "Egret");
  EXPECT_THAT(first->agents.at(1).note, HasSubstr("calls it \"Heron\", and gives its link"));
  EXPECT_EQ(run(registry->get("Egret"))->link, renamed_link);
  EXPECT_THAT(aliases("Egret"), ElementsAre("bird", "Heron"));

  const auto again = import({{.name = "Other"}, entry});
  ASSERT_THAT(outcomes(again), ElementsAre("unchanged other", "unchanged heron"));
  EXPECT_THAT(again->agents.at(1).note, HasSubstr("calls it \"Heron\", an alias of it"));

  // The file takes the new name over; the old one is no alias in it.
  const auto followed = import({{.name = "Egret", .link = renamed_link, .aliases = {{"bird"}}}});
  ASSERT_THAT(outcomes(followed), ElementsAre("updated heron"));
  EXPECT_EQ(followed->agents.at(0).note, "no longer answers to \"Heron\"");
}

TEST_F(ImportsTest, WhatTheFileCallsAnAgentStaysAnAliasOfIt) {
  added({.name = "Egret", .aliases = {{"Heron"}}});

  EXPECT_THAT(outcomes(import({{.name = "Heron", .purpose = "Waits."}})),
              ElementsAre("updated egret"));
  EXPECT_THAT(outcomes(import({{.name = "Heron", .aliases = {{"bird"}}}})),
              ElementsAre("updated egret"));
  EXPECT_THAT(aliases("egret"), ElementsAre("bird", "Heron"));
  EXPECT_EQ(run(registry->get("Heron"))->purpose, "Waits.");

  Words many;
  for (std::size_t i = 0; i < limits::agent_words_max; ++i) many.push_back(fmt::format("w{}", i));
  EXPECT_THAT(places(import({{.name = "Heron", .aliases = many}})),
              ElementsAre("/import/0/aliases"));
}

TEST_F(ImportsTest, AnAgentIsTakenForOneEntryAlone) {
  added({.name = "Egret", .aliases = {{"Heron"}}});
  EXPECT_THAT(places(import({{.name = "Heron"}, {.name = "Egret"}})),
              ElementsAre("/import/0/name"));
  EXPECT_THAT(outcomes(import({{.name = "Heron"}, {.name = "Egret", .aliases = Words()}})),
              ElementsAre("created heron", "updated egret"));

  added({.name = "Crane", .aliases = Words{"Stork", "Ibis"}});
  EXPECT_THAT(places(import({{.name = "Stork"}, {.name = "Ibis"}})),
              ElementsAre("/import/0/name", "/import/1/name"));
}

TEST_F(ImportsTest, ALinkTellsWhoAnEntryIsAboutOnlyIfOneAgentAndOneEntryHaveIt) {
  added({.name = "One", .link = link});
  // Its own entry is there; the other is a new one.
  EXPECT_THAT(outcomes(import({{.name = "Two", .link = link}, {.name = "One", .link = link}})),
              ElementsAre("created two", "unchanged one"));
  // Two agents have it.
  EXPECT_THAT(outcomes(import({{.name = "Three", .link = link}})), ElementsAre("created three"));

  // Two entries have it.
  const std::string other = "https://chatgpt.com/g/g-p-55aa-plan/project";
  added({.name = "Plan", .link = other});
  EXPECT_THAT(outcomes(import({{.name = "Four", .link = other}, {.name = "Five", .link = other}})),
              ElementsAre("created four", "created five"));

  // No other project has it, and what is no GPT may have any.
  added({.name = "Map", .link = "https://chatgpt.com/g/g-p-66bb-map/project"});
  EXPECT_THAT(
      outcomes(import({{.name = "Six", .link = "https://chatgpt.com/g/g-p-77cc-map/project"}})),
      ElementsAre("created six"));
  // Two conversations of one project are two agents, whatever the project is called.
  const std::string lab = "https://chatgpt.com/g/g-p-88dd-lab/c/",
                    den = "https://chatgpt.com/g/g-p-88dd-den/c/";
  added({.name = "Writer", .link = lab + "111"});
  EXPECT_THAT(outcomes(import({{.name = "Reader", .link = lab + "222"}})),
              ElementsAre("created reader"));
  EXPECT_THAT(outcomes(import({{.name = "Lector", .link = den + "222"}})),
              ElementsAre("updated reader"));
  added({.name = "Server", .kind = agents::Kind::mcp_client, .link = "https://example.com/mcp"});
  EXPECT_THAT(outcomes(import({{.name = "Seven",
                                .kind = agents::Kind::mcp_client,
                                .link = "https://example.com/mcp"}})),
              ElementsAre("created seven"));
}

TEST_F(ImportsTest, ASlugThatIsMadeUpTakesNoWordOfAnotherEntry) {
  EXPECT_THAT(outcomes(import({{.name = "CC"}, {.name = "Culture Code", .aliases = {{"cc"}}}})),
              ElementsAre("created cc-2", "created culture-code"));
  EXPECT_THAT(outcomes(import({{.name = "INK"}, {.name = "ink"}})),
              ElementsAre("created ink-2", "created ink"));
}

TEST_F(AgentsTest, ARequestThatComesAgainGetsItsFirstAnswer) {
  const Agents::Request request{.key = "r-1", .hash = "h"};
  const auto first = run(registry->add(admin, {.name = "Once"}, request));
  const auto again = run(registry->add(admin, {.name = "Once"}, request));
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(again->agent.id, first->agent.id);
  const auto other = run(registry->add(admin, {.name = "Twice"}, {.key = "r-1", .hash = "x"}));
  EXPECT_EQ(other.error().reason, "idempotency_mismatch");
  EXPECT_TRUE(run(registry->remove(admin, "once", {})));
  const auto gone = run(registry->add(admin, {.name = "Once"}, request));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, base::Code::conflict);
  EXPECT_EQ(gone.error().reason, "agent_removed");
}

TEST_F(AgentsTest, ListsMeetEveryFilterByWholeWordsButTheSearch) {
  added({.name = "Rail & Ferry", .category = "Travel & Commerce", .capabilities = {{"booking"}}});
  added({.name = "Cart", .category = "Commerce", .purpose = "100% of carts"});
  const auto slugs = [&](agents::Filter filter) {
    std::vector<std::string> all;
    for (const auto& agent : run(registry->list(std::move(filter), {}, 10))->agents) {
      all.push_back(agent.slug);
    }
    return all;
  };
  EXPECT_THAT(slugs({.category = "Commerce"}), ElementsAre("cart"));
  EXPECT_THAT(slugs({.category = "travel-commerce"}), ElementsAre("rail-ferry"));
  EXPECT_THAT(slugs({.category = "TRAVEL & commerce"}), ElementsAre("rail-ferry"));
  EXPECT_THAT(slugs({.category = "&"}), IsEmpty());
  EXPECT_THAT(slugs({.capability = "booking"}), ElementsAre("rail-ferry"));
  EXPECT_THAT(slugs({.capability = "book"}), IsEmpty());
  EXPECT_THAT(slugs({.text = "FERRY"}), ElementsAre("rail-ferry"));
  EXPECT_THAT(slugs({.text = "100%"}), ElementsAre("cart"));
  EXPECT_THAT(slugs({.text = "%f%"}), IsEmpty());
}

TEST_F(AgentsTest, AnAgentsKeysGoWithIt) {
  const auto agent = added({.name = "Owner"});
  const auto make = [&](std::string text, std::string bound) {
    return run(keys->create({.name = "k",
                             .agent = std::move(bound),
                             .scopes = {"agents:write"},
                             .digest = base::sha256(text),
                             .creator = "key:1"}));
  };
  const auto bound = make("one", "Owner")->key;
  EXPECT_EQ(bound.agent_id, agent.id);
  EXPECT_EQ(make("two", "somebody else")->key.agent_id, "");

  EXPECT_TRUE(run(registry->remove(admin, "owner", {})));

  EXPECT_TRUE((*run(keys->find(base::sha256("one"))))->revoked);
  EXPECT_FALSE((*run(keys->find(base::sha256("two"))))->revoked);
}

TEST_F(AgentsTest, KeysThatNameAnAgentByItsNameFollowItsNewOne) {
  const auto make = [&](std::string text, std::string bound) {
    EXPECT_TRUE(run(keys->create({.name = "k",
                                  .agent = std::move(bound),
                                  .scopes = {"agents:write"},
                                  .digest = base::sha256(text),
                                  .creator = "key:1"})));
  };
  const auto key = [&](std::string text) { return **run(keys->find(base::sha256(text))); };
  make("early", "Old Name");
  const auto agent = added({.name = "Old Name", .aliases = {{"O"}}});
  make("name", "Old Name");
  make("slug", "old-name");
  make("alias", "O");
  make("id", agent.id);
  make("other", "Somebody");

  EXPECT_TRUE(run(registry->change(admin, "O", {.name = "New Name"}, {})));

  EXPECT_EQ(key("name").agent, "New Name");
  EXPECT_EQ(key("early").agent, "New Name");
  EXPECT_EQ(key("early").agent_id, agent.id);
  EXPECT_EQ(key("slug").agent, "old-name");
  EXPECT_EQ(key("alias").agent, "O");
  EXPECT_EQ(key("id").agent, agent.id);
  EXPECT_EQ(key("other").agent, "Somebody");
}

TEST_F(AgentsTest, ADraftIsNotDeployedAndAnOldRevisionChangesNothing) {
  const auto agent = added({.name = "New"});
  const auto deployed = run(registry->change(admin, "new", {.status = Status::deployed}, {}));
  EXPECT_EQ(deployed.error().reason, "not_active");
  EXPECT_TRUE(run(registry->change(admin, "new", {.purpose = "a"}, agent.revision)));
  const auto late = run(registry->change(admin, "new", {.purpose = "b"}, agent.revision));
  EXPECT_EQ(late.error().reason, "precondition_failed");
  EXPECT_EQ(run(registry->get("new"))->purpose, "a");
}

TEST(AgentCatalogue, EcosystemsClustersAndTiersAreWhatTheFileSays) {
  const auto catalogue = agents::Catalogue::parse(R"({
    "ecosystems": [{"name": "Sea & Air", "purpose": "Moves."}],
    "clusters": [{"name": "Freight", "categories": ["Sea & Air"], "capabilities": ["loading"]},
                 {"name": "Words", "capabilities": ["writing"]}],
    "tiers": {"by_category": {"Sea & Air": "founder"}, "by_status": {"active": "operator"}}})");
  ASSERT_TRUE(catalogue) << catalogue.error().message;
  ASSERT_NE(catalogue->ecosystem("sea-air"), nullptr);
  EXPECT_EQ(catalogue->ecosystem("sea-air")->purpose, "Moves.");
  EXPECT_EQ(catalogue->ecosystem("core"), nullptr);

  agents::Agent agent;
  agent.category_key = "sea-air";
  EXPECT_THAT(catalogue->clusters_of(agent), ElementsAre("Freight"));
  agent.capabilities = {"writing"};
  EXPECT_THAT(catalogue->clusters_of(agent), ElementsAre("Freight", "Words"));
  agent.category_key = "core";
  EXPECT_THAT(catalogue->clusters_of(agent), ElementsAre("Words"));

  EXPECT_EQ(catalogue->tier("sea-air", Status::draft), Tier::founder);
  EXPECT_EQ(catalogue->tier("core", Status::active), Tier::operator_);
  EXPECT_EQ(catalogue->tier("core", Status::draft), Tier::visitor);

  const auto wrong = agents::Catalogue::parse(R"({
    "ecosystems": [], "clusters": [{"name": "Freight", "agents": ["x"]}],
    "tiers": {"by_category": {}, "by_status": {}}})");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("/clusters/0/agents"));
}

}  // namespace
}  // namespace services
