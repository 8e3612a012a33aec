// Actions of which nobody knows whether they were done, and what a person says to them.
#include "tests/http/acting.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/wait.h>

namespace http_test {
namespace {

using testing::HasSubstr;

// An approved action whose program was running when the bridge ended.
struct Doubtful : Acting {
  asio::awaitable<std::string> held(std::string asker) {
    const auto asked = co_await execute(asker, "builder", "mark", {{"file", file.string()}});
    const auto id = text(asked.json(), "id");
    EXPECT_EQ((co_await decide(bert, id)).status, 200);
    co_await written("action.armed");
    co_await rest();
    co_await go_on();
    EXPECT_EQ(co_await becomes(id), "held");
    co_return id;
  }
  // What the program writes.
  std::string marks() const {
    std::ifstream read(file);
    return {std::istreambuf_iterator<char>(read), {}};
  }
  void let_it_end() const { std::ofstream(file).flush(); }

  Doubtful() {
    std::string name = (std::filesystem::temp_directory_path() / "actions-XXXXXX").string();
    BRIDGE_ASSERT(::mkdtemp(name.data()) != nullptr);
    folder = name;
    file = folder / "mark";
  }
  ~Doubtful() { std::filesystem::remove_all(folder); }

  std::filesystem::path folder, file;
};

TEST(ActionResolution, WhatWasDoneIsRecordedAsDoneWithWhatThePersonSays) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    EXPECT_EQ((co_await f.resolve(f.anna, id, "sent", "seen in the console")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    const auto found = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_EQ(found.at("error"), nullptr);
    EXPECT_EQ(found.at("result").at("by"), "anna");
    EXPECT_EQ(found.at("result").at("note"), "seen in the console");
    EXPECT_EQ(found.at("resolutions").at(0).at("verdict"), "sent");
    EXPECT_EQ(f.marks(), "");
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).json().at("code"), "not_held");
  });
}

TEST(ActionResolution, WhatWasNotDoneIsDoneOnceIfTheApprovalStillHolds) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    f.let_it_end();
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    EXPECT_EQ(f.marks(), "x\n");
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).json().at("code"), "not_held");
  });
}

TEST(ActionResolution, WhatCouldNotBeKilledAfterItsTimeIsHeldToo) {
  Acting f;
  pid_t program = 0;
  f.program_means.kill = [&](pid_t whom, int) {
    program = std::abs(whom);
    errno = EPERM;
    return -1;
  };
  f.build_actions({});
  f.act([&]() -> Story {
    const auto slow = co_await f.execute(f.builder, "builder", "slow", {});
    const auto id = text(slow.json(), "id");
    EXPECT_EQ(co_await f.becomes(id), "held") << slow.body;
    EXPECT_EQ(slow.json().at("error"), "unknown_outcome") << slow.body;
    EXPECT_EQ((co_await f.resolve(f.anna, id, "sent", "seen in the console")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
  });
  ASSERT_GT(program, 1);
  EXPECT_EQ(::kill(program, SIGKILL), 0);
  EXPECT_EQ(::waitpid(program, nullptr, 0), program);
}

TEST(ActionResolution, WhatMayNotBeDoneAnyMoreSaysWhy) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    f.let_it_end();
    co_await f.post(f.admin, "actions/kill",
                    json::object{{"action", "mark"}, {"on", true}, {"reason", "not now"}});
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "failed");
    const auto found = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_EQ(found.at("error"), "not_allowed");
    EXPECT_THAT(text(found, "detail"), HasSubstr("not now"));
    EXPECT_EQ(f.marks(), "");
  });
}

TEST(ActionResolution, WhatWasApprovedForADayIsNotDoneWeeksLater) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    f.let_it_end();
    f.clock.advance(std::chrono::hours(24 * 14));
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "expired");
    const auto found = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_EQ(found.at("error"), "expired");
    EXPECT_EQ(found.at("detail"), "the approval has expired");
    EXPECT_EQ(f.marks(), "");
    EXPECT_EQ(co_await f.done(), 0u);
  });
}

TEST(ActionResolution, WhatWasDoneInItsTimeIsRecordedHoweverLate) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    f.clock.advance(std::chrono::hours(24 * 14));
    EXPECT_EQ((co_await f.resolve(f.anna, id, "sent", "it was in the log")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "done");
    EXPECT_EQ(f.marks(), "");
  });
}

TEST(ActionResolution, WhatIsGivenUpEndsAndTheNextOneIsDone) {
  Doubtful f;
  f.act([&]() -> Story {
    const auto id = co_await f.held(f.builder);
    f.let_it_end();
    EXPECT_EQ((co_await f.resolve(f.anna, id, "abandon", "no matter")).status, 200);
    EXPECT_EQ(co_await f.becomes(id), "failed");
    const auto found = (co_await f.call("GET", "/api/approvals/" + id)).json();
    EXPECT_THAT(text(found, "detail"), HasSubstr("no matter"));
    EXPECT_EQ(f.marks(), "");
    const auto next = co_await f.execute(f.builder, "builder", "mark", {{"file", f.file.string()}});
    const auto other = text(next.json(), "id");
    EXPECT_EQ((co_await f.decide(f.anna, other)).status, 200);
    EXPECT_EQ(co_await f.becomes(other), "done");
    EXPECT_EQ(f.marks(), "x\n");
  });
}

TEST(ActionResolution, AnAttackGetsNothingDoneTwice) {
  Doubtful f;
  f.act([&]() -> Story {
    // Anna asked for it herself, and may approve what others want.
    const auto id = co_await f.held(f.anna);
    f.let_it_end();
    EXPECT_EQ((co_await f.resolve(f.anna, id, "not-sent")).json().at("code"), "own_request");
    EXPECT_EQ((co_await f.resolve(f.builder, id, "not-sent")).json().at("code"), "not_a_person");
    EXPECT_EQ((co_await f.resolve(f.guest, id, "not-sent")).status, 403);
    EXPECT_EQ((co_await f.resolve(f.bert, id, "maybe")).status, 422);
    // By the door of the packets neither.
    const auto job = text((co_await f.call("GET", "/api/approvals/" + id)).json(), "job");
    for (const std::string verb : {"resolve", "retry", "cancel"}) {
      json::object body;
      if (verb == "resolve") body["verdict"] = "not-sent";
      const auto tried = co_await f.post(f.admin, "packets/" + job + "/" + verb, body);
      EXPECT_EQ(tried.status, 404) << tried.body;
    }
    EXPECT_EQ(co_await f.becomes(id), "held");
    EXPECT_EQ(f.marks(), "");
    EXPECT_EQ(co_await f.done(), 0u);
  });
}

}  // namespace
}  // namespace http_test
