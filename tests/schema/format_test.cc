// Formats where the official suite has nothing to say.
#include "bridge/schema/format.h"

#include "bridge/schema/punycode.h"

#include <gtest/gtest.h>

namespace schema {
namespace {

TEST(Format, Time) {
  EXPECT_TRUE(is_date_time("2024-02-29T23:59:60Z"));
  EXPECT_FALSE(is_date_time("2024-02-29 23:59:59Z"));
  EXPECT_FALSE(is_date_time("1900-02-29T00:00:00Z"));
  EXPECT_FALSE(is_time("00:00:00.Z"));
  EXPECT_FALSE(is_time(""));
  EXPECT_TRUE(is_duration("P1Y2M3DT4H5M6S"));
  EXPECT_FALSE(is_duration("P1Y3D"));
  EXPECT_FALSE(is_duration("PT1H6S"));
  EXPECT_FALSE(is_duration("P1.5D"));
}

TEST(Format, Addresses) {
  EXPECT_TRUE(is_email("\"a\\\"b\"@[IPv6:1::2]"));
  EXPECT_FALSE(is_email("\"a\"b\"@example.com"));
  EXPECT_FALSE(is_email("a@"));
  EXPECT_FALSE(is_email("@a"));
  EXPECT_FALSE(is_email("é@example.com"));
  EXPECT_FALSE(is_email(std::string(65, 'a') + "@example.com"));
  EXPECT_TRUE(is_idn_email("é@bücher.example"));
  EXPECT_FALSE(is_idn_email("\xff@example.com"));
  EXPECT_TRUE(is_ipv6("1:2:3:4:5:6:1.2.3.4"));
  EXPECT_FALSE(is_ipv6("1:2:3:4:5:6:7::8"));
  EXPECT_FALSE(is_ipv6(""));
  EXPECT_FALSE(is_ipv6(":"));
  EXPECT_FALSE(is_ipv6(":::"));
  EXPECT_FALSE(is_ipv6("1.2.3.4::"));
  EXPECT_FALSE(is_ipv4("1.2.3."));
  EXPECT_FALSE(is_ipv4(""));
}

TEST(Format, Hostnames) {
  EXPECT_FALSE(is_hostname(""));
  EXPECT_FALSE(is_hostname("a..b"));
  EXPECT_FALSE(is_hostname("a."));
  EXPECT_FALSE(is_hostname("xn--X"));
  EXPECT_TRUE(is_hostname("xn--bcher-kva.example"));
  EXPECT_FALSE(is_hostname("bücher.example"));
  EXPECT_TRUE(is_idn_hostname("bücher\u3002example"));
  EXPECT_FALSE(is_idn_hostname("\xff"));
  std::string long_name = "a";
  while (long_name.size() < 253) long_name += ".a";
  EXPECT_TRUE(is_hostname(long_name));
  EXPECT_FALSE(is_hostname(long_name + ".a"));
}

// The examples of RFC 3492, section 7.1 (B) and (L).
TEST(Format, Punycode) {
  const std::u32string chinese = U"\u4ED6\u4EEC\u4E3A\u4EC0\u4E48\u4E0D\u8BF4\u4E2D\u6587";
  EXPECT_EQ(punycode_decoded("ihqwcrb4cv8a8dqg056pqjye"), chinese);
  EXPECT_EQ(punycode_size(chinese), 24u);
  const std::u32string mixed = U"3\u5E74B\u7D44\u91D1\u516B\u5148\u751F";
  EXPECT_EQ(punycode_decoded("3B-ww4c5e180e575a65lsy2b"), mixed);
  EXPECT_EQ(punycode_size(mixed), 24u);
  EXPECT_FALSE(punycode_decoded("99999999"));
  EXPECT_FALSE(punycode_decoded("a-!"));
}

TEST(Format, Identifiers) {
  EXPECT_TRUE(is_uri("http://[v1.a:b]:80/"));
  EXPECT_TRUE(is_uri("a:"));
  EXPECT_TRUE(is_uri("http://example.com:"));
  EXPECT_FALSE(is_uri("http://[v1]/"));
  EXPECT_FALSE(is_uri("http://[::1"));
  EXPECT_FALSE(is_uri("http://[::1]a"));
  EXPECT_FALSE(is_uri("http://a:b"));
  EXPECT_FALSE(is_uri("http://a/%4"));
  EXPECT_FALSE(is_uri("http://a/%zz"));
  EXPECT_FALSE(is_uri("http://a/\u00e9"));
  EXPECT_FALSE(is_uri("1a:b"));
  EXPECT_FALSE(is_uri("http://a/[b]"));
  EXPECT_TRUE(is_iri("http://a/\u00e9?\ue000"));
  EXPECT_FALSE(is_iri("http://a/\ue000"));
  EXPECT_FALSE(is_iri("http://a/\xff"));
  EXPECT_FALSE(is_uri_reference("a b"));
  EXPECT_FALSE(is_uri_reference("1a:b"));
  EXPECT_TRUE(is_uri_reference("./1a:b"));
  EXPECT_TRUE(is_uri_template("{+path}/here{?x,y*,z:12}{#a.b%20c}"));
  for (const char* text : {"{", "}", "{}", "{a b}", "{a:0}", "{a:10000}", "{a,}", "{.}", "a b",
                           "{a..b}", "{a-b}", "{{a}}", "%zz", "{a:}"}) {
    EXPECT_FALSE(is_uri_template(text)) << text;
  }
  EXPECT_TRUE(is_regex("^\\p{L}$"));
  EXPECT_FALSE(is_regex("\\a"));
}

}  // namespace
}  // namespace schema
