#include "bridge/services/events/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace events {
namespace {

using testing::HasSubstr;

Address address(const std::string& text) { return boost::asio::ip::make_address(text); }

std::vector<Network> networks(std::initializer_list<std::string_view> texts) {
  std::vector<Network> found;
  for (const auto text : texts) found.push_back(*Network::parse(text));
  return found;
}

TEST(WebhookAddresses, PublicOnesMayBeUsed) {
  for (const auto* text :
       {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
        "192.169.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::5e",
        "2001:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
    EXPECT_EQ(objection_to(address(text), {}), "") << text;
  }
}

TEST(WebhookAddresses, WhatOnlyThisMachineCanReachMayNot) {
  const std::pair<const char*, const char*> table[] = {
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"10.0.0.1", "private"},
      {"10.255.255.255", "private"},
      {"100.64.0.1", "NAT"},
      {"100.127.255.255", "NAT"},
      {"100.100.100.200", "metadata"},
      {"127.0.0.1", "loopback"},
      {"127.255.255.254", "loopback"},
      {"168.63.129.16", "metadata"},
      {"169.254.0.1", "link-local"},
      {"169.254.169.254", "metadata"},
      {"172.16.0.1", "private"},
      {"172.31.255.255", "private"},
      {"192.0.0.8", "protocol"},
      {"192.0.2.1", "documentation"},
      {"192.88.99.1", "6to4"},
      {"192.168.1.1", "private"},
      {"198.18.0.1", "benchmarks"},
      {"198.19.255.255", "benchmarks"},
      {"198.51.100.7", "documentation"},
      {"203.0.113.7", "documentation"},
      {"224.0.0.1", "multicast"},
      {"239.255.255.255", "multicast"},
      {"240.0.0.1", "reserved"},
      {"255.255.255.255", "reserved"},
      {"::", "unspecified"},
      {"::1", "loopback"},
      {"::127.0.0.1", "unspecified"},
      {"::ffff:127.0.0.1", "loopback"},
      {"::ffff:10.0.0.1", "private"},
      {"::ffff:169.254.169.254", "metadata"},
      {"::ffff:0:127.0.0.1", "no global"},
      {"64:ff9b::127.0.0.1", "loopback"},
      {"64:ff9b::10.1.2.3", "private"},
      {"64:ff9b:1::1", "NAT64"},
      {"100::1", "discards"},
      {"2001::1", "unspecified"},                    // Teredo: its server is 0.0.0.0
      {"2001:0:808:808:0:0:80ff:fffe", "loopback"},  // Teredo: its client is 127.0.0.1
      {"2001:2::1", "protocol"},
      {"2001:db8::1", "documentation"},
      {"2002:7f00:1::1", "loopback"},
      {"2002:a00:1::1", "private"},
      {"3fff::1", "documentation"},
      {"fc00::1", "private"},
      {"fd00:ec2::254", "metadata"},
      {"fdff::1", "private"},
      {"fe80::1", "link-local"},
      {"fec0::1", "site-local"},
      {"ff02::1", "multicast"},
      {"4000::1", "no global"},
      {"5f00::1", "no global"},
  };
  for (const auto& [text, why] : table) {
    EXPECT_THAT(objection_to(address(text), {}), HasSubstr(why)) << text;
  }
}

TEST(WebhookAddresses, AListedNetworkMayBeUsedAndNoOther) {
  const auto allowed = networks({"10.1.0.0/16", "fd00:1::/32", "127.0.0.1"});
  for (const auto* text :
       {"10.1.2.3", "fd00:1::5", "127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "8.8.8.8"}) {
    EXPECT_EQ(objection_to(address(text), allowed), "") << text;
  }
  for (const auto* text : {"10.2.2.3", "fd00:2::5", "127.0.0.2", "::1", "::ffff:10.2.2.3"}) {
    EXPECT_NE(objection_to(address(text), allowed), "") << text;
  }
}

TEST(WebhookAddresses, MetadataServicesMustBeListedThemselves) {
  const auto metadata = address("169.254.169.254");
  for (const auto* wide : {"169.254.0.0/16", "0.0.0.0/0", "::/0"}) {
    EXPECT_NE(objection_to(metadata, networks({wide})), "") << wide;
  }
  EXPECT_EQ(objection_to(metadata, networks({"169.254.169.254/32"})), "");
}

TEST(WebhookAddresses, NetworksAreReadStrictly) {
  for (const auto* bad : {"", "10.0.0.0/33", "10.0.0.1/8", "fd00::/129", "10.0.0.0/", "10.0.0.0/8x",
                          "10.0/8", "localhost", "010.0.0.0/8", "10.0.0.0/-1"}) {
    EXPECT_FALSE(Network::parse(bad)) << bad;
  }
}

TEST(WebhookTarget, IsReadAsItWillBeUsed) {
  const auto target = Target::parse("https://Hooks.Example.com:8443/a/b%20c?d=e%2Ff");
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_TRUE(target->is_secure);
  EXPECT_EQ(target->host, "hooks.example.com");
  EXPECT_EQ(target->port, 8443);
  EXPECT_EQ(target->path, "/a/b%20c?d=e%2Ff");
  EXPECT_EQ(target->authority(), "hooks.example.com:8443");
  EXPECT_EQ(Target::parse("https://example.com")->path, "/");
  EXPECT_EQ(Target::parse("https://example.com.")->host, "example.com");
  EXPECT_EQ(Target::parse("https://example.com:443/")->authority(), "example.com");
  EXPECT_EQ(Target::parse("http://example.com:80/")->authority(), "example.com");
  EXPECT_EQ(Target::parse("https://[2606:4700::1111]:8443/")->authority(),
            "[2606:4700::1111]:8443");
  EXPECT_EQ(Target::parse("https://8.8.8.8")->address, address("8.8.8.8"));
}

TEST(WebhookTarget, OddSpellingsAreRefused) {
  for (const auto* bad : {
           "",
           "example.com",
           "//example.com/",
           "ftp://example.com/",
           "file:///etc/passwd",
           "https:///path",
           "https://user@example.com/",
           "https://user:password@example.com/",
           "https://example.com/#part",
           "https://0x7f.1/",
           "https://0x7f000001/",
           "https://2130706433/",
           "https://127.1/",
           "https://0177.0.0.1/",
           "https://127.0.0.0x1/",
           "https://1.2.3.4.5/",
           "https://127.0.0.1./",
           "https://256.1.1.1/",
           "https://[::1%25lo]/",
           "https://[::1%lo]/",
           "https://[::1/",
           "https://[v1.x]/",
           "https://exa%6dple.com/",
           "https://ex\xC3\xA4mple.com/",
           "https://example..com/",
           "https://.example.com/",
           "https://example.com../",
           "https://exa mple.com/",
           "https://example.com\r\nX: y/",
           "https://example.com/a b",
           "https://example.com:0/",
           "https://example.com:22/",
           "https://example.com:25/",
           "https://example.com:6667/",
           "https://example.com:65536/",
           "https://example.com:99999999999/",
           "https://example.com:x/",
       }) {
    EXPECT_FALSE(Target::parse(bad)) << bad;
  }
  EXPECT_FALSE(Target::parse("https://example.com/" + std::string(3000, 'a')));
}

TEST(WebhookTarget, EveryAddressOfAHostMustBeGood) {
  const auto target = *Target::parse("https://example.com/");
  EXPECT_TRUE(checked_addresses(target, {address("8.8.8.8"), address("2606:4700::1")}, {}));
  const auto mixed = checked_addresses(target, {address("8.8.8.8"), address("10.0.0.1")}, {});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().reason, "forbidden_target");
  EXPECT_THAT(mixed.error().message, HasSubstr("10.0.0.1"));
  EXPECT_EQ(checked_addresses(target, {}, {}).error().code, base::Code::unavailable);
  EXPECT_FALSE(checked_addresses(target, std::vector(100, address("8.8.8.8")), {}));
}

TEST(WebhookTarget, OddLoopbackAddressesDoNotPass) {
  for (const auto* url : {"https://[::ffff:127.0.0.1]/", "https://[::1]/",
                          "https://[64:ff9b::7f00:1]/", "https://0.0.0.0/"}) {
    const auto target = Target::parse(url);
    ASSERT_TRUE(target && target->address) << url;
    EXPECT_FALSE(checked_addresses(*target, {*target->address}, {})) << url;
  }
}

TEST(WebhookTarget, WithoutTlsOnlyListedNetworksAreReached) {
  const auto target = *Target::parse("http://receiver.internal:9000/");
  const auto allowed = networks({"10.0.0.0/8"});
  EXPECT_TRUE(checked_addresses(target, {address("10.0.0.7")}, allowed));
  EXPECT_FALSE(checked_addresses(target, {address("8.8.8.8")}, allowed));
  EXPECT_FALSE(checked_addresses(target, {address("10.0.0.7"), address("8.8.8.8")}, allowed));
}

}  // namespace
}  // namespace events
