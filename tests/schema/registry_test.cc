#include "tests/schema/check.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace schema {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Registry, TheSameSchemaTwiceIsOneAndAnotherIsAConflict) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/a", R"({"minimum":1,"type":"integer"})"));

  EXPECT_TRUE(registry.add_text("http://x/a", R"({"type":"integer","minimum":1.0})"));
  const auto other = registry.add_text("http://x/a", R"({"type":"string"})");

  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, base::Code::conflict);
  EXPECT_EQ(other.error().message,
            "schema http://x/a: another schema is already registered under this URI; give one of "
            "them a different $id");
}

TEST(Registry, EmbeddedIdsAreKnownAndMayConflict) {
  Registry registry;
  ASSERT_TRUE(registry.add_text("http://x/a", R"({"$defs":{"b":{"$id":"sub/b","type":"null"}}})"));

  EXPECT_THAT(registry.uris(), ElementsAre("http://x/a", "http://x/sub/b"));
  EXPECT_FALSE(registry.add_text("http://x/sub/b", "false"));
  // What conflicts leaves nothing behind.
  EXPECT_FALSE(registry.add_text("http://x/c", R"({"$defs":{"b":{"$id":"sub/b"}}})"));
  EXPECT_EQ(registry.uris().size(), 2u);
}

TEST(Registry, TheMetaSchemasAreThereAndCannotBeReplaced) {
  Registry registry;

  EXPECT_TRUE(Schema::compile_uri(registry, "https://json-schema.org/draft/2020-12/schema"));
  EXPECT_TRUE(registry.find("https://json-schema.org/draft/2020-12/meta/format-assertion"));
  EXPECT_FALSE(registry.add_text("https://json-schema.org/draft/2020-12/schema", "true"));
}

TEST(Registry, ASchemaWithoutAnyNameIsRefused) {
  Registry registry;

  EXPECT_FALSE(registry.add_text("", "{}"));
  EXPECT_TRUE(registry.add_text("", R"({"$id":"folder/name.json"})"));
  EXPECT_THAT(registry.uris(), ElementsAre("folder/name.json"));
}

TEST(Registry, AnIdEqualToTheUriIsNotResolvedAgainstIt) {
  Registry registry;

  ASSERT_TRUE(registry.add_text("folder/a.json", R"({"$id":"folder/a.json"})"));

  EXPECT_THAT(registry.uris(), ElementsAre("folder/a.json"));
}

TEST(Registry, AnAnchorTwiceInOneSchemaIsAConflict) {
  Registry registry;

  const auto twice = registry.add_text(
      "http://x/a", R"({"$defs":{"p":{"$anchor":"n"},"q":{"$dynamicAnchor":"n"}}})");

  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message,
            "schema http://x/a#/$defs/q: the anchor \"n\" is already given at "
            "http://x/a#/$defs/p; anchors are unique in a schema");
}

class Directory : public testing::Test {
 protected:
  Directory()
      : folder_(fs::path(testing::TempDir()) /
                ("flywheel_schema_directory_" + std::to_string(::getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "v1");
  }
  ~Directory() override { fs::remove_all(folder_); }

  void write(const std::string& path, std::string_view text) {
    std::ofstream(folder_ / path) << text;
  }

  fs::path folder_;
};

TEST_F(Directory, EveryFileIsKnownByItsIdAndByItsPath) {
  write("v1/a.json", R"({"$id":"proto.v1/a.json","$ref":"b.json#/$defs/n"})");
  write("v1/b.json", R"({"$id":"proto.v1/b.json","$defs":{"n":{"type":"number"}}})");
  write("plain.json", R"({"type":"null"})");
  write("readme.txt", "not JSON");
  Registry registry;

  const auto added = add_directory(registry, folder_);

  ASSERT_TRUE(added) << added.error().message;
  EXPECT_THAT(registry.uris(), ElementsAre("plain.json", "proto.v1/a.json", "proto.v1/b.json",
                                           "v1/a.json", "v1/b.json"));
  for (const char* uri : {"proto.v1/a.json", "v1/a.json"}) {
    const auto schema = Schema::compile_uri(registry, uri);
    ASSERT_TRUE(schema) << schema.error().message;
    EXPECT_TRUE(accepts(*schema, "1"));
    EXPECT_FALSE(accepts(*schema, "null"));
  }
}

TEST_F(Directory, PathsAreBelowTheBaseUri) {
  write("v1/a b.json", "{}");
  Registry registry;

  ASSERT_TRUE(add_directory(registry, folder_, "http://x/schemas/"));

  EXPECT_THAT(registry.uris(), ElementsAre("http://x/schemas/v1/a%20b.json"));
}

TEST_F(Directory, AFileThatIsNotJsonIsNamedAndNothingIsAdded) {
  write("a.json", "{}");
  write("v1/b.json", "{\"type\":");
  Registry registry;

  const auto added = add_directory(registry, folder_);

  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message,
              HasSubstr("load schema " + (folder_ / "v1/b.json").string() + ": not JSON: "));
  EXPECT_TRUE(registry.uris().empty());
}

TEST_F(Directory, AMissingFolderIsNotFound) {
  Registry registry;

  const auto added = add_directory(registry, folder_ / "nowhere");

  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, base::Code::not_found);
}

TEST(PacketSchemas, OfThisRepositoryCompile) {
  Registry registry;
  const auto added = add_directory(registry, SOURCE_DIR "/schemas");
  ASSERT_TRUE(added) << added.error().message;

  for (const auto& uri : registry.uris()) {
    const auto schema = Schema::compile_uri(registry, uri);
    EXPECT_TRUE(schema) << schema.error().message;
  }
}

}  // namespace
}  // namespace schema
