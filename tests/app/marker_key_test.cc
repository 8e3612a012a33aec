// A store and the key of its messages belong together.
#include "bridge/app/marker_key.h"

#include "bridge/app/bridge.h"
#include "bridge/services/posts.h"
#include "bridge/store/sqlite_store.h"
#include "tests/app/process.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using testing::HasSubstr;

class MarkerKeyTest : public testing::Test {
 protected:
  // One write into the store, which is closed afterwards.
  void write(std::function<base::Result<>(store::Tx&)> work) {
    const auto steps = bridge_migrations();
    auto opened = store::SqliteStore::open(
        {.path = store, .threading = store::Threading::in_caller}, loop.get_executor(), steps);
    ASSERT_TRUE(opened) << opened.error().message;
    const auto open = *std::move(opened);
    std::optional<base::Result<>> done;
    boost::asio::co_spawn(
        loop, open->write(std::move(work)),
        [&](const std::exception_ptr&, base::Result<> result) { done.emplace(std::move(result)); });
    loop.restart();
    loop.run();
    ASSERT_TRUE(done && *done) << (done ? done->error().message : "");
  }
  // As every start does.
  void start_with(std::string key) {
    write([key](store::Tx& tx) { return services::marker_keys::note(tx, key); });
  }
  std::string refusal() {
    const auto key = marker_key(folder.path(), store);
    if (key) return "";
    EXPECT_EQ(key.error().reason, "configuration");
    return key.error().message;
  }
  bool has_key() const { return std::filesystem::exists(folder.path() / "marker.key"); }
  Finished restore(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"restore", (folder.path() / "copy.db").string(), "--state",
                                       folder.path().string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return flywheel(arguments, {}, folder.path());
  }

  boost::asio::io_context loop{1};
  TestFolder folder;
  const std::string store = (folder.path() / "flywheel.db").string();
};

TEST_F(MarkerKeyTest, ItIsMadeOnceWhereNoStoreKnowsOne) {
  const auto key = marker_key(folder.path(), store);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->size(), 64u);
  EXPECT_EQ(marker_key(folder.path(), store).value(), *key);
  start_with(*key);
  EXPECT_EQ(refusal(), "");
}

TEST_F(MarkerKeyTest, AStoreTakesNoOtherThanItsOwn) {
  const auto key = marker_key(folder.path(), store).value();
  start_with(key);
  folder.write("marker.key", std::string(64, 'a') + "\n");
  EXPECT_THAT(refusal(), HasSubstr("marker.key is another key"));
  std::filesystem::remove(folder.path() / "marker.key");
  EXPECT_THAT(refusal(), HasSubstr("marker.key is missing"));
  EXPECT_FALSE(has_key()) << "a new one would hide that it is lost";
  folder.write("marker.key", key + "\n");
  EXPECT_EQ(refusal(), "");
}

TEST_F(MarkerKeyTest, AStoreOfAnOlderProgramTakesTheOneThatIsThere) {
  write([](store::Tx& tx) -> base::Result<> {
    TRY_OK(tx.execute("DROP TABLE marker_keys"));
    return {};
  });
  folder.write("marker.key", std::string(64, 'a') + "\n");
  EXPECT_EQ(refusal(), "");
}

TEST_F(MarkerKeyTest, ABackupIsNotPutBackWithoutIt) {
  const auto key = marker_key(folder.path(), store).value();
  start_with(key);
  const auto copy =
      flywheel({"backup", (folder.path() / "copy.db").string(), "--state", folder.path().string()},
               {}, folder.path());
  ASSERT_EQ(copy.status, 0) << copy.err;
  EXPECT_EQ(restore().status, 0);

  std::filesystem::remove(folder.path() / "marker.key");
  const auto refused = restore();
  EXPECT_EQ(refused.status, 78);
  EXPECT_THAT(refused.err, HasSubstr("marker.key is missing"));
  EXPECT_FALSE(has_key());

  const auto taken = restore({"--new-marker-key"});
  EXPECT_EQ(taken.status, 0) << taken.err;
  EXPECT_TRUE(has_key());
  EXPECT_EQ(refusal(), "");
  EXPECT_NE(marker_key(folder.path(), store).value(), key);
  folder.write("marker.key", key + "\n");
  EXPECT_THAT(refusal(), HasSubstr("marker.key is another key"));
}

}  // namespace
}  // namespace app
