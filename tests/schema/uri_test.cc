#include "bridge/schema/uri.h"

#include <gtest/gtest.h>

namespace schema {
namespace {

// The examples of RFC 3986, section 5.4.
TEST(Uri, ReferencesResolveAsTheRfcSays) {
  const char* cases[][2] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"},
      {"g?y#s", "http://a/b/c/g?y#s"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {"..g", "http://a/b/c/..g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/../h", "http://a/b/c/h"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"g#s/../x", "http://a/b/c/g#s/../x"},
  };
  for (const auto& [reference, expected] : cases) {
    EXPECT_EQ(resolve_uri("http://a/b/c/d;p?q", reference), expected) << reference;
  }
}

TEST(Uri, ABaseMayBeRelativeOrAName) {
  EXPECT_EQ(resolve_uri("proto.v1/a.json", "b.json#/$defs/x"), "proto.v1/b.json#/$defs/x");
  EXPECT_EQ(resolve_uri("proto.v1/a.json", "#/x"), "proto.v1/a.json#/x");
  EXPECT_EQ(resolve_uri("", "a.json"), "a.json");
  EXPECT_EQ(resolve_uri("urn:uuid:1?=q", "#a"), "urn:uuid:1?=q#a");
  EXPECT_EQ(resolve_uri("http://a", "b"), "http://a/b");
  EXPECT_EQ(resolve_uri("http://a/b", "http://c/x/../d"), "http://c/d");
}

TEST(Uri, PointersSurviveTheirEncodings) {
  EXPECT_EQ(pointer_token("a/b~c"), "a~1b~0c");
  EXPECT_EQ(pointer_token_decoded("a~1b~0c~2~"), "a/b~c~2~");
  EXPECT_EQ(pointer_token_decoded("~01"), "~1");
  EXPECT_EQ(pointer_fragment("/a b/é%"), "/a%20b/%C3%A9%25");
  EXPECT_EQ(percent_decoded("%2Fa%2"), "/a%2");
  EXPECT_EQ(percent_decoded(pointer_fragment("/a b/é%")), "/a b/é%");
}

}  // namespace
}  // namespace schema
