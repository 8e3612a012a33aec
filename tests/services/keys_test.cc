#include "bridge/services/keys.h"

#include "bridge/services/agents/rules.h"
#include "tests/services/registry_test.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

namespace services {
namespace {

class KeysTest : public RegistryTest {
 protected:
  KeysTest() {
    keys.emplace(*store, journal, clock);
    std::string name = (std::filesystem::temp_directory_path() / "keys-XXXXXX").string();
    BRIDGE_ASSERT(::mkdtemp(name.data()));
    folder = name;
    file = folder / "admin.key";
  }
  ~KeysTest() override { std::filesystem::remove_all(folder); }

  NewKey new_key(std::string_view text, std::string request = "", std::string hash = "") {
    return {.name = "ci",
            .scopes = {"packets"},
            .digest = base::sha256(text),
            .creator = "key:1",
            .request = std::move(request),
            .request_hash = std::move(hash)};
  }
  std::string first_line() const {
    std::ifstream in(file);
    std::string line;
    std::getline(in, line);
    return line;
  }

  std::string trouble() {
    const auto found = run(
        store->read([this](store::Tx& tx) { return admin_key_trouble(tx, file, clock.wall()); }));
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    return found.value_or("?");
  }

  base::SystemClock clock;
  std::optional<Keys> keys;
  std::filesystem::path folder;
  std::filesystem::path file;
};

TEST_F(KeysTest, AreFoundByTheirDigestAndByTheBeginningOfTheirId) {
  const auto made = run(keys->create(new_key("a")));
  ASSERT_TRUE(made);
  const auto found = run(keys->find(base::sha256("a")));
  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->id, made->key.id);
  EXPECT_EQ((*found)->digest, base::sha256("a"));
  EXPECT_THAT((*found)->scopes, testing::ElementsAre("packets"));
  EXPECT_FALSE(*run(keys->find(base::sha256("b"))));
  EXPECT_EQ(run(keys->get(made->key.id.substr(0, 8)))->id, made->key.id);
  EXPECT_EQ(run(keys->get(made->key.id.substr(0, 3))).error().code, base::Code::not_found);
  ASSERT_TRUE(run(keys->create(new_key("b"))));
  EXPECT_EQ(run(keys->get(made->key.id.substr(0, 4))).error().reason, "ambiguous_id");
}

TEST_F(KeysTest, AreMadeAndRevokedOnceAndTheJournalTellsIt) {
  const auto made = run(keys->create(new_key("a", "r-1", "hash")));
  const auto again = run(keys->create(new_key("b", "r-1", "hash")));
  const auto other = run(keys->create(new_key("c", "r-1", "another")));
  ASSERT_TRUE(made && again);
  EXPECT_TRUE(again->is_replay);
  EXPECT_EQ(again->key.digest, base::sha256("a"));
  EXPECT_EQ(other.error().reason, "idempotency_mismatch");
  const auto revoked = run(keys->revoke(made->key.id, "key:1"));
  const auto twice = run(keys->revoke(made->key.id, "key:1"));
  ASSERT_TRUE(revoked && twice);
  EXPECT_TRUE(revoked->revoked);
  EXPECT_EQ(revoked->revoked, twice->revoked);
  EXPECT_EQ((*run(keys->find(base::sha256("a"))))->revoked, revoked->revoked);
  EXPECT_THAT(told(), testing::ElementsAre("key.created", "key.revoked"));
}

TEST_F(KeysTest, TheAdminsFileIsMadeOnceForItsOwnerOnly) {
  const auto make = [] { return std::string("fwk_new"); };
  ASSERT_TRUE(run(keys->ensure_admin(file, make)));
  EXPECT_EQ(first_line(), "fwk_new");
  struct stat about{};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  ASSERT_TRUE(run(keys->ensure_admin(file, [] { return std::string("fwk_other"); })));
  EXPECT_EQ(first_line(), "fwk_new");
  const auto found = run(keys->find(base::sha256("fwk_new")));
  ASSERT_TRUE(found && *found);
  EXPECT_THAT((*found)->scopes, testing::ElementsAre("admin"));
  EXPECT_EQ(run(keys->list({}, 10))->keys.size(), 1u);
}

TEST_F(KeysTest, AnAdminsFileIsBelievedByAnotherStoreAndReplacedAfterItWasRevoked) {
  std::ofstream(file) << "fwk_not-yet-known\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  const auto make = [] { return std::string("fwk_next"); };
  const auto digest = base::sha256("fwk_not-yet-known");
  const auto first = run(keys->ensure_admin(file, make));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->key.digest, digest);
  EXPECT_EQ(first->replaced, "");
  EXPECT_EQ(trouble(), "");
  ASSERT_TRUE(run(keys->revoke(first->key.id, "test")));
  EXPECT_EQ(trouble(), "has been revoked");
  const auto next = run(keys->ensure_admin(file, make));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->replaced, first->key.id);
  EXPECT_EQ(next->key.digest, base::sha256("fwk_next"));
  EXPECT_EQ(first_line(), "fwk_next");
  struct stat about{};
  ASSERT_EQ(::stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_EQ(trouble(), "");
  EXPECT_TRUE((*run(keys->find(digest)))->revoked) << "the old one is not good again";
  EXPECT_EQ(run(keys->ensure_admin(file, make))->replaced, "") << "once is enough";
}

TEST_F(KeysTest, AKeyThatAllowsLessIsNoAdmins) {
  const auto made = run(keys->create(new_key("fwk_weak")));
  ASSERT_TRUE(made);
  std::ofstream(file) << "fwk_weak\n";
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  EXPECT_EQ(trouble(), "lacks the scope admin");
  const auto admin = run(keys->ensure_admin(file, [] { return std::string("fwk_strong"); }));
  ASSERT_TRUE(admin);
  EXPECT_EQ(admin->replaced, made->key.id);
  EXPECT_THAT(admin->key.scopes, testing::ElementsAre("admin"));
  EXPECT_FALSE((*run(keys->find(base::sha256("fwk_weak"))))->revoked);
}

TEST_F(KeysTest, AnAdminsFileThatOthersMayReadIsRefused) {
  const auto make = [] { return std::string("fwk_x"); };
  std::ofstream(file) << "fwk_known-to-all\n";
  std::filesystem::permissions(file, std::filesystem::perms(0644));
  EXPECT_EQ(run(keys->ensure_admin(file, make)).error().code, base::Code::denied);
  EXPECT_EQ(run(keys->ensure_admin(folder / "none" / "x", make)).error().code,
            base::Code::unavailable);
}

}  // namespace
}  // namespace services
