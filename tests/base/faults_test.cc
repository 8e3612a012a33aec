#include "bridge/base/faults.h"

#include <csignal>

#include <gtest/gtest.h>

namespace base {
namespace {

TEST(FatalFault, KillsTheProcessTheNthTimeItsPointIsPassed) {
  const auto fault = FatalFault::parse("exchange.armed:3");
  ASSERT_TRUE(fault);
  EXPECT_TRUE((*fault)->at("exchange.armed"));
  EXPECT_TRUE((*fault)->at("exchange.sent"));
  EXPECT_TRUE((*fault)->at("exchange.armed"));
  EXPECT_EXIT((void)(*fault)->at("exchange.armed"), testing::KilledBySignal(SIGKILL), "");
}

TEST(FatalFault, WithoutANumberTheFirstTimeCounts) {
  const auto fault = FatalFault::parse("store.commit");
  ASSERT_TRUE(fault);
  EXPECT_EXIT((void)(*fault)->at("store.commit"), testing::KilledBySignal(SIGKILL), "");
}

TEST(FatalFault, WhatIsNoPointIsRefused) {
  for (const char* text : {"", ":", ":1", "a:", "a:0", "a:-1", "a:1x", "a:99999999999"}) {
    const auto fault = FatalFault::parse(text);
    ASSERT_FALSE(fault) << text;
    EXPECT_EQ(fault.error().code, Code::invalid);
    EXPECT_EQ(fault.error().reason, "configuration");
  }
}

}  // namespace
}  // namespace base
