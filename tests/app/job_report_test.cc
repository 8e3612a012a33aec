#include "bridge/app/job_report.h"

#include "bridge/app/exit_status.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

namespace json = boost::json;

json::object ended(std::string_view state, std::string_view code) {
  return {{"id", "p1"}, {"state", state}, {"error", {{"code", code}, {"detail", "why it is"}}}};
}

TEST(JobReport, WhatEndedWithoutAReplyIsAFailedJobWhateverEndedIt) {
  for (const auto* code : {"invalid_reply", "timeout", "too_long", "conversation_not_found",
                           "payload_altered", "ui_changed", "upstream_failed", "refused",
                           "unknown_outcome", "fork_detected", "offline", "browser_unavailable"}) {
    EXPECT_EQ(exit_status_of(ended("failed", code)), exit_job_failed) << code;
  }
  EXPECT_EQ(exit_status_of(ended("held", "unknown_outcome")), exit_job_failed);
  EXPECT_EQ(exit_status_of(ended("cancelled", "cancelled")), exit_job_failed);
  EXPECT_EQ(exit_status_of(ended("expired", "expired")), exit_job_failed);
  EXPECT_EQ(exit_status_of(json::object{{"state", "cancelled"}}), exit_job_failed);
}

TEST(JobReport, WhatAPersonOrTimeMendsHasItsOwnStatus) {
  EXPECT_EQ(exit_status_of(ended("failed", "login_required")), exit_not_authorised);
  EXPECT_EQ(exit_status_of(ended("failed", "challenge")), exit_not_authorised);
  EXPECT_EQ(exit_status_of(ended("failed", "rate_limited")), exit_try_again);
  EXPECT_EQ(exit_status_of(ended("failed", "usage_cap")), exit_try_again);
}

TEST(JobReport, OnlyWhatStillWaitsHasTimedOut) {
  EXPECT_EQ(exit_status_of(json::object{{"state", "queued"}}), exit_timeout);
  EXPECT_EQ(exit_status_of(ended("queued", "ui_changed")), exit_timeout);
  EXPECT_EQ(exit_status_of(json::object{{"state", "running"}}), exit_timeout);
  EXPECT_EQ(exit_status_of(json::object{{"state", "done"}}), exit_ok);
}

TEST(JobReport, AnEndIsToldWithItsReason) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{.in = in, .out = out, .err = err};
  EXPECT_EQ(print_job(console, ended("expired", "expired")), exit_job_failed);
  EXPECT_EQ(print_job(console, {{"id", "p2"}, {"state", "cancelled"}}), exit_job_failed);
  EXPECT_EQ(print_job(console, {{"id", "p3"}, {"state", "queued"}}), exit_timeout);
  EXPECT_EQ(err.str(),
            "flywheel: why it is\nflywheel: the packet is cancelled\n"
            "flywheel: packet p3 is still queued\n");
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace app
