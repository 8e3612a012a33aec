#include "bridge/base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(Utf8, ABeginningEndsBetweenTwoCharacters) {
  const std::string text = "aä€😀";  // Of 1, 2, 3 and 4 bytes.
  const std::string_view ends[] = {"",    "a",   "a",   "aä",  "aä",    "aä",
                                   "aä€", "aä€", "aä€", "aä€", "aä€😀", "aä€😀"};
  for (std::size_t bytes = 0; bytes < std::size(ends); ++bytes) {
    EXPECT_EQ(beginning_of(text, bytes), ends[bytes]) << bytes;
  }
}

TEST(Utf8, OfWhatIsNoTextNothingIsReadBeyondIt) {
  EXPECT_EQ(beginning_of("", 3), "");
  EXPECT_EQ(beginning_of("\x80\x80\x80", 2), "");
  EXPECT_EQ(beginning_of("\xff\xff\xff", 2), "\xff\xff");
}

}  // namespace
}  // namespace base
