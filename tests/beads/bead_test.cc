#include "bridge/services/beads/git.h"
#include "bridge/services/beads/workspace.h"
#include "tests/beads/samples.h"

#include <set>

#include <gmock/gmock.h>

namespace beads {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Bead, TheSampleWorkspaceHasEveryStatus) {
  const Beads beads = sample_beads();
  EXPECT_GE(beads.all.size(), 12u);
  std::set<std::string> statuses;
  for (const Bead& bead : beads.all) statuses.emplace(bead.status());
  EXPECT_EQ(statuses, (std::set<std::string>{"open", "in_progress", "blocked", "deferred", "closed",
                                             "tombstone", "pinned", "needs-plan"}));
}

TEST(Bead, UnknownFieldsAreKept) {
  const Bead bead = sample("bd-uf01");
  EXPECT_EQ(bead.fields().at("wisp").at("parts").at(2), 1.5);
  EXPECT_EQ(*Bead::parse(json::serialize(bead.fields())), bead);
}

TEST(Bead, NeedsAPlanByStatusOrByLabelUnlessItIsClosed) {
  EXPECT_TRUE(sample("bd-x9k1").needs_plan());
  EXPECT_TRUE(sample("bd-2xb6.1").needs_plan());
  EXPECT_FALSE(sample("bd-rl42").needs_plan());
  EXPECT_FALSE(with(sample("bd-2xb6.1"), {{"status", "closed"}}).needs_plan());
  EXPECT_TRUE(sample("bd-c105").is_closed());
  EXPECT_TRUE(sample("bd-t0mb").is_closed());
  EXPECT_FALSE(sample("bd-d07").is_closed());
}

TEST(Bead, TheContentHashCoversWhatAnAnswerIsAbout) {
  const Bead bead = sample("bd-rl42");
  for (const char* member : {"title", "description", "design", "acceptance_criteria"}) {
    EXPECT_NE(with(bead, {{member, "other"}}).content_hash(), bead.content_hash()) << member;
  }
  for (const char* member : {"status", "notes", "assignee", "updated_at", "close_reason"}) {
    EXPECT_EQ(with(bead, {{member, "closed"}}).content_hash(), bead.content_hash()) << member;
  }
  // A text does not move from one member to the next unseen.
  EXPECT_NE(Bead::parse(R"({"id":"a","title":"xy"})")->content_hash(),
            Bead::parse(R"({"id":"a","title":"x","description":"y"})")->content_hash());
  EXPECT_EQ(Bead::parse(R"({"id":"a","design":null})")->content_hash(),
            Bead::parse(R"({"id":"a"})")->content_hash());
}

TEST(Beads, ErrorsNameTheLine) {
  const auto refusal = [](std::string_view text) {
    auto beads = parse_beads(text, "issues.jsonl");
    EXPECT_FALSE(beads) << text;
    return beads ? "" : beads.error().message;
  };
  EXPECT_THAT(refusal("{\"id\":\"bd-aa\"}\n\n{\"id\":\n{\"id\":\"bd-bb\"}\n"),
              HasSubstr("issues.jsonl: line 3: not JSON"));
  EXPECT_THAT(refusal("<<<<<<< HEAD\n{\"id\":\"bd-aa\"}\n"), HasSubstr("line 1: not JSON"));
  EXPECT_THAT(refusal("[]\n"), HasSubstr("line 1: must be a JSON object"));
  EXPECT_THAT(refusal("{}\n"), HasSubstr("line 1: /id: must be a string"));
  EXPECT_THAT(refusal("{\"id\":\"\"}\n"), HasSubstr("/id"));
  EXPECT_THAT(refusal("{\"id\":\"a\",\"title\":4}\n"), HasSubstr("/title: must be a string"));
  EXPECT_THAT(refusal("{\"id\":\"a\",\"labels\":[4]}\n"), HasSubstr("/labels"));
  EXPECT_THAT(refusal("{\"id\":\"a\",\"id\":\"b\"}\n"), HasSubstr("duplicate object key"));
}

TEST(Beads, ALaterLineReplacesAnEarlierOne) {
  const auto beads = parse_beads(
      "{\"id\":\"a\",\"title\":\"1\"}\r\n{\"id\":\"b\"}\n"
      "{\"id\":\"a\",\"title\":\"2\"}\n",
      "f");
  ASSERT_EQ(beads->all.size(), 2u);
  EXPECT_EQ(beads->find("a")->title(), "2");
}

// Wherever a writer is interrupted, the whole lines before are there and nothing else.
TEST(Beads, AHalfWrittenLastLineIsLeftOut) {
  const std::string whole = to_lines({sample("bd-7"), sample("bd-ünïcode")});
  const std::size_t first_line = whole.find('\n') + 1;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const auto beads = parse_beads(std::string_view(whole).substr(0, size), "f");
    ASSERT_TRUE(beads) << size;
    // A line is whole with its last brace, with or without the end of the line.
    const std::size_t count = (size + 1 >= first_line) + (size + 1 >= whole.size());
    EXPECT_EQ(beads->all.size(), count) << size;
    const bool is_between =
        size == 0 || size + 1 == first_line || size == first_line || size + 1 >= whole.size();
    EXPECT_EQ(beads->has_partial_tail, !is_between) << size;
  }
}

TEST(Workspace, IsFoundFromBelow) {
  const app::TestFolder folder;
  folder.write(".beads/issues.jsonl", to_lines({sample("bd-7")}));
  folder.write("src/deep/.beads/config.yaml", "");  // no workspace: it has no file of beads
  const auto workspace = Workspace::find(folder.path() / "src/deep");
  ASSERT_TRUE(workspace) << workspace.error().message;
  EXPECT_EQ(workspace->root(), folder.path());
  EXPECT_EQ(workspace->read()->all.size(), 1u);
  const app::TestFolder empty;
  const auto none = Workspace::find(empty.path());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, base::Code::not_found);
}

TEST(Workspace, ABeadIsChosenByItsIdItsPacketIdOrAUniqueBeginning) {
  const Beads beads = sample_beads();
  EXPECT_EQ(choose(beads, "bd-2xb6")->id(), "bd-2xb6");
  EXPECT_EQ(choose(beads, "bd-x_bd-2xb6_2e1")->id(), "bd-2xb6.1");
  EXPECT_EQ(choose(beads, "shop")->id(), "shop-77");
  EXPECT_EQ(choose(beads, "nothing").error().code, base::Code::not_found);
  EXPECT_EQ(choose(beads, "").error().code, base::Code::not_found);
  const auto many = choose(beads, "bd-2");
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, base::Code::conflict);
  EXPECT_THAT(many.error().message, HasSubstr("bd-2xb6, bd-2xb6.1, bd-2xb6.1.3"));
}

TEST(Git, RepoAndBranchComeFromGitsFiles) {
  const app::TestFolder folder;
  folder.write("top/.git/HEAD", "ref: refs/heads/feature/limits\n");
  folder.write(
      "top/.git/config",
      "[core]\n\turl = wrong\n[remote \"fork\"]\n\turl = git@host:me/fork.git\n"
      "[remote \"origin\"]\n\turl = https://joe:s3cret@git.example.com/acme/orders-api.git\n");
  folder.write("top/src/main.c", "");
  const GitPlace place = git_place(folder.path() / "top/src");
  EXPECT_EQ(place.repo, "acme/orders-api");
  EXPECT_EQ(place.branch, "feature/limits");

  // A linked work tree has its own HEAD and the config of the main one.
  folder.write("linked/.git", "gitdir: ../top/.git/worktrees/linked\n");
  folder.write("top/.git/worktrees/linked/HEAD", "0123456789abcdef0123456789abcdef01234567\n");
  folder.write("top/.git/worktrees/linked/commondir", "../..\n");
  const GitPlace linked = git_place(folder.path() / "linked");
  EXPECT_EQ(linked.repo, "acme/orders-api");
  EXPECT_EQ(linked.branch, "detached at 0123456789ab");
}

TEST(Git, TheCommitIsThatOfHeadWhereverGitKeepsIt) {
  const std::string first(40, '1');
  const std::string second(40, '2');
  const app::TestFolder folder;
  folder.write("top/.git/HEAD", "ref: refs/heads/main\n");
  const auto commit = [&](const char* place) { return git_place(folder.path() / place).commit; };
  EXPECT_EQ(commit("top"), "");  // the branch has none yet
  folder.write("top/.git/packed-refs", "# pack-refs with: peeled\n" + second +
                                           " refs/heads/other\n" + first + " refs/heads/main\n");
  EXPECT_EQ(commit("top"), first);
  folder.write("top/.git/refs/heads/main", second + "\n");
  EXPECT_EQ(commit("top"), second);  // the loose one is the newer

  folder.write("linked/.git", "gitdir: ../top/.git/worktrees/linked\n");
  folder.write("top/.git/worktrees/linked/HEAD", "ref: refs/heads/other\n");
  folder.write("top/.git/worktrees/linked/commondir", "../..\n");
  EXPECT_EQ(commit("linked"), second);
  folder.write("top/.git/worktrees/linked/HEAD", first + "\n");
  EXPECT_EQ(commit("linked"), first);

  folder.write("top/.git/HEAD", "ref: ../../secret\n");
  folder.write("secret", first);
  EXPECT_EQ(commit("top"), "");
}

TEST(Git, OriginsOfEveryFormGiveOwnerAndName) {
  const std::pair<const char*, const char*> forms[] = {
      {"git@github.com:acme/api.git", "acme/api"},
      {"ssh://git@host:2222/acme/api/", "acme/api"},
      {"https://token@host/acme/api", "acme/api"},
      {"https://host/group/sub/api.git", "sub/api"},
      {"/srv/git/api.git", "git/api"},
      {"host:api.git", "api"},
      {"https://s3cret@host", "work"}};
  for (const auto& [url, repo] : forms) {
    const app::TestFolder folder;
    folder.write("work/.git/HEAD", "ref: refs/heads/main\n");
    folder.write("work/.git/config", std::string("[remote \"origin\"]\nurl=") + url + "\n");
    EXPECT_EQ(git_place(folder.path() / "work").repo, repo) << url;
  }
}

TEST(Git, WithoutGitTheFolderIsTheRepo) {
  const app::TestFolder folder;
  folder.write("shop/a", "");
  const GitPlace place = git_place(folder.path() / "shop");
  EXPECT_EQ(place.repo, "shop");
  EXPECT_EQ(place.branch, "none");
  EXPECT_EQ(place.commit, "");
}

}  // namespace
}  // namespace beads
