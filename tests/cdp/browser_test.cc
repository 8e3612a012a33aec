#include "cdp/json_text.h"
#include "cdp/profile.h"
#include "cdp/transport.h"
#include "tests/cdp/browser_fixture.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using cdp::Failure;
using cdp_test::must;
using cdp_test::run;
using cdp_test::Story;

class BrowserTest : public cdp_test::BrowserFixture {
 protected:
  fs::path write_program(std::string_view script) const {
    auto program = profile.path() / "program";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(program, fs::perms::owner_all);
    return program;
  }
};

// The processes whose command line names the directory.
std::vector<int> processes_of(const fs::path& directory) {
  std::vector<int> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    std::ifstream in(entry.path() / "cmdline");
    std::string line((std::istreambuf_iterator<char>(in)), {});
    if (line.find(directory.string()) != line.npos) found.push_back(std::stoi(name));
  }
  return found;
}

// Passes everything on, after the test has seen and perhaps changed what is sent.
class SeenTransport final : public cdp::Transport {
 public:
  using Eye = std::function<void(std::string& text)>;
  SeenTransport(std::shared_ptr<cdp::Transport> inner, Eye eye)
      : inner_(std::move(inner)), eye_(std::move(eye)) {}

  cdp::Result<> send(std::string text) override {
    eye_(text);
    return inner_->send(std::move(text));
  }
  cdp::Task<std::string_view> receive() override { return inner_->receive(); }
  void close() override { inner_->close(); }

 private:
  std::shared_ptr<cdp::Transport> inner_;
  Eye eye_;
};

// A browser with a second connection, through which tabs are opened while the first one watches.
class TabsOfABrowser : public BrowserTest {
 protected:
  void watched(const std::function<Story()>& story) {
    run([&]() -> Story {
      owner = must(co_await launch({"--remote-debugging-port=0"}));
      before = co_await open_tabs();
      events = owner->subscribe({"Target.targetCreated", "Target.targetDestroyed"});
      must(co_await owner->call("Target.setDiscoverTargets", {{"discover", true}}));
      try {
        co_await story();
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
      // Both belong to the loop, which ends with this coroutine.
      events = {};
      owner.reset();
    });
  }

  asio::awaitable<std::unique_ptr<cdp::Browser>> guest(SeenTransport::Eye eye) {
    auto url = must(co_await cdp::find_debugging_url(profile.path(), std::chrono::seconds(10)));
    auto transport = must(co_await cdp::websocket_transport(url, std::chrono::seconds(10)));
    co_return cdp::Browser::over(
        co_await asio::this_coro::executor,
        std::make_shared<SeenTransport>(std::move(transport), std::move(eye)));
  }

  asio::awaitable<std::vector<std::string>> open_tabs() {
    std::vector<std::string> ids;
    for (auto& page : must(co_await owner->pages())) ids.push_back(std::move(page.id));
    co_return ids;
  }

  // Returns when a new tab has come and gone.
  Story one_comes_and_goes() {
    const auto deadline = cdp::Clock::now() + std::chrono::seconds(20);
    std::string tab;
    for (;;) {
      const auto event = must(co_await events.next(deadline));
      const auto* info = cdp::object_in(event.params(), "targetInfo");
      if (info == nullptr) {
        if (!tab.empty() && cdp::text_in(event.params(), "targetId") == tab) co_return;
      } else if (tab.empty() && cdp::text_in(*info, "type") == "page") {
        auto id = cdp::text_in(*info, "targetId");
        if (std::ranges::find(before, id) == before.end()) tab = std::move(id);
      }
    }
  }

  std::unique_ptr<cdp::Browser> owner;
  cdp::Subscription events;
  std::vector<std::string> before;  // the ids of the tabs that were there
};

TEST_F(TabsOfABrowser, ACancelledOpeningLeavesNoTabWhereverItWas) {
  watched([&]() -> Story {
    using namespace asio::experimental::awaitable_operators;
    for (const char* at : {"Target.createTarget", "Target.attachToTarget", "Inspector.enable",
                           "Page.enable", "Page.navigate"}) {
      asio::steady_timer reached(co_await asio::this_coro::executor,
                                 asio::steady_timer::time_point::max());
      auto browser = co_await guest([&, name = fmt::format("\"{}\"", at)](std::string& text) {
        if (text.find(name) != text.npos) reached.expires_at(asio::steady_timer::time_point::min());
      });
      const auto open = [&]() -> Story {
        auto opened = co_await browser->open("data:text/html,hello");
        ADD_FAILURE() << at << ": the opening ended by itself";
      };
      const auto wait = [&]() -> Story {
        co_await reached.async_wait(asio::as_tuple(asio::use_awaitable));
      };

      co_await (open() || wait());

      co_await one_comes_and_goes();
      EXPECT_THAT(co_await open_tabs(), testing::UnorderedElementsAreArray(before)) << at;
    }
  });
}

TEST_F(TabsOfABrowser, ATabThatCannotBeTakenHoldOfIsClosed) {
  watched([&]() -> Story {
    for (const std::string at : {"Target.attachToTarget", "Inspector.enable", "Page.enable"}) {
      auto browser = co_await guest([&](std::string& text) {
        const auto found = text.find(at);
        if (found != text.npos) text.replace(found, at.size(), "Nothing.known");
      });

      auto opened = co_await browser->open("about:blank");

      EXPECT_FALSE(opened) << at;
      co_await one_comes_and_goes();
      EXPECT_THAT(co_await open_tabs(), testing::UnorderedElementsAreArray(before)) << at;
    }
  });
}

TEST_F(BrowserTest, LaunchesAndClosesWithoutALeftover) {
  run([&]() -> Story {
    auto browser = must(co_await launch());

    EXPECT_THAT(must(co_await browser->version()), testing::HasSubstr("/"));
    EXPECT_EQ(must(co_await browser->pages()).size(), 1u);
    EXPECT_FALSE(processes_of(profile.path()).empty());
    must(co_await browser->close());

    EXPECT_THAT(processes_of(profile.path()), testing::IsEmpty());
    EXPECT_FALSE(browser->is_open());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  });
}

TEST_F(BrowserTest, DestroyingItEndsAllItsProcesses) {
  run([&]() -> Story {
    auto browser = must(co_await launch());
    auto page = must(co_await browser->first_page());
    auto subscription = page->subscribe({"Page.frameNavigated"});

    browser.reset();

    EXPECT_THAT(processes_of(profile.path()), testing::IsEmpty());
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ((co_await page->evaluate("1")).error().failure, Failure::closed);
    EXPECT_EQ((co_await subscription.next(cdp::Clock::time_point::max())).error().failure,
              Failure::closed);
    EXPECT_EQ(page->state().kind, cdp::PageState::Kind::closed);
  });
}

TEST_F(BrowserTest, TheProfileIsItsOwnersAlone) {
  fs::permissions(profile.path(), fs::perms::all);
  run([&]() -> Story {
    auto browser = must(co_await launch());

    struct stat status{};
    EXPECT_EQ(::stat(profile.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
  });
}

TEST_F(BrowserTest, ALockedProfileNamesItsHolder) {
  run([&]() -> Story {
    auto first = must(co_await launch());

    auto second = co_await launch();

    EXPECT_EQ(second.error().failure, Failure::locked);
    EXPECT_THAT(second.error().message, testing::HasSubstr(std::to_string(first->process_id())));
    must(co_await first->version());
  });
}

// Another browser may take the profile between our look at the lock and Chromium's own.
TEST_F(BrowserTest, ChromiumsOwnRefusalIsRecognised) {
  run([&]() -> Story {
    for (int status : {21, 0}) {
      auto launch_options = options();
      launch_options.executable = write_program(fmt::format("exit {}", status));

      auto refused = co_await cdp::Browser::launch(launch_options);

      EXPECT_EQ(refused.error().failure, Failure::locked);
      EXPECT_EQ(refused.error().code, status);
    }
  });
}

TEST_F(BrowserTest, StartsWithTheLimitOfOpenFilesThatItIsGiven) {
  run([&]() -> Story {
    auto launch_options = options();
    launch_options.executable = write_program("echo $(ulimit -Sn) files at first >&2; exit 3");
    launch_options.open_files = 77;

    auto failed = co_await cdp::Browser::launch(launch_options);

    EXPECT_THAT(failed.error().message, testing::HasSubstr("77 files at first"));
  });
}

TEST_F(BrowserTest, ABrowserThatSaysNothingInItsTimeHasNotStarted) {
  run([&]() -> Story {
    auto launch_options = options();
    launch_options.executable = write_program("echo still thinking >&2; exec sleep 600");
    launch_options.start_limit = std::chrono::milliseconds(750);

    auto failed = co_await cdp::Browser::launch(launch_options);

    EXPECT_EQ(failed.error().failure, Failure::launch);
    EXPECT_THAT(failed.error().message, testing::HasSubstr("no reply within 750 ms"));
  });
}

TEST_F(BrowserTest, ALockOfAnotherHostIsNotBroken) {
  fs::create_symlink("elsewhere-4711", profile.path() / "SingletonLock");
  run([&]() -> Story {
    auto refused = co_await launch();

    EXPECT_EQ(refused.error().failure, Failure::locked);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("process 4711 on host elsewhere"));
  });
}

TEST_F(BrowserTest, WhatADeadBrowserLeftIsNoObstacle) {
  run([&]() -> Story {
    auto first = must(co_await launch({"--remote-debugging-port=0"}));
    must(co_await cdp::find_debugging_url(profile.path(), std::chrono::seconds(10)));
    ::kill(first->process_id(), SIGKILL);
    co_await first->gone();
    first.reset();
    EXPECT_TRUE(fs::is_symlink(profile.path() / "SingletonLock"));

    auto second = must(co_await launch());

    EXPECT_FALSE(fs::exists(profile.path() / "DevToolsActivePort"));
    must(co_await second->close());
  });
}

TEST_F(BrowserTest, AProgramThatIsNoBrowserIsQuoted) {
  run([&]() -> Story {
    auto launch_options = options();
    launch_options.executable = write_program("echo no display here >&2; exit 3");

    auto failed = co_await cdp::Browser::launch(launch_options);

    EXPECT_EQ(failed.error().failure, Failure::launch);
    EXPECT_EQ(failed.error().code, 3);
    EXPECT_THAT(failed.error().message, testing::HasSubstr("no display here"));

    launch_options.executable = profile.path() / "missing";
    auto missing = co_await cdp::Browser::launch(launch_options);
    EXPECT_EQ(missing.error().failure, Failure::launch);
  });
}

TEST_F(BrowserTest, AKilledBrowserFailsEverythingAtOnce) {
  run([&]() -> Story {
    auto browser = must(co_await launch());
    auto page = must(co_await browser->first_page());
    auto waiting = page->evaluate("new Promise(() => {})", {.await_promise = true});
    auto events = page->subscribe({"Page.frameNavigated"});
    ::kill(browser->process_id(), SIGKILL);

    EXPECT_EQ((co_await std::move(waiting)).error().failure, Failure::closed);
    EXPECT_EQ((co_await browser->gone()).failure, Failure::closed);
    EXPECT_EQ((co_await events.next(cdp::Clock::time_point::max())).error().failure,
              Failure::closed);
    EXPECT_EQ((co_await browser->version()).error().failure, Failure::closed);
    must(co_await browser->close());
  });
}

TEST_F(BrowserTest, AttachesOverAWebSocketAndLeavesTheBrowserAlive) {
  run([&]() -> Story {
    auto owner = must(co_await launch({"--remote-debugging-port=0"}));
    auto url = must(co_await cdp::find_debugging_url(profile.path(), std::chrono::seconds(10)));
    auto guest = must(co_await cdp::Browser::attach(url));
    auto page = must(co_await guest->first_page());

    EXPECT_EQ(must(co_await page->evaluate("1 + 1")), 2);
    auto large = must(co_await page->evaluate("'x'.repeat(8 << 20)"));
    EXPECT_EQ(large.as_string().size(), 8u << 20);
    // Chromium takes time by the square of the length to receive this way: half a minute for 1 MB.
    must(co_await page->navigate("data:text/html," + std::string(1 << 17, 'y')));
    must(co_await guest->close());

    EXPECT_EQ((co_await page->evaluate("1")).error().failure, Failure::closed);
    must(co_await owner->version());
    auto by_profile = must(co_await cdp::Browser::attach(profile.path()));
    EXPECT_EQ(must(co_await by_profile->version()), must(co_await owner->version()));
  });
}

TEST_F(BrowserTest, AttachSaysWhyItCannot) {
  run([&]() -> Story {
    for (auto url :
         {"http://127.0.0.1:1/x", "ws://example.com:1/x", "ws://127.0.0.1/x", "nonsense"}) {
      auto failed = co_await cdp::Browser::attach(url);
      EXPECT_EQ(failed.error().failure, Failure::invalid) << url;
    }
    auto refused = co_await cdp::Browser::attach("ws://127.0.0.1:1/devtools/browser/x");
    EXPECT_EQ(refused.error().failure, Failure::launch);

    auto owner = must(co_await launch({"--remote-debugging-port=0"}));
    auto url = must(co_await cdp::find_debugging_url(profile.path(), std::chrono::seconds(10)));
    url.resize(url.find("browser"));
    url += "page/none";
    auto missing = co_await cdp::Browser::attach(url);
    EXPECT_EQ(missing.error().failure, Failure::launch);
    EXPECT_THAT(missing.error().message, testing::HasSubstr("HTTP status"));
  });
}

TEST_F(BrowserTest, AProfileWithoutAPortTimesOut) {
  run([&]() -> Story {
    auto url = co_await cdp::find_debugging_url(profile.path(), std::chrono::milliseconds(1));

    EXPECT_EQ(url.error().failure, Failure::timeout);
  });
}

TEST_F(BrowserTest, TheBrowserDoesNotOutliveAKilledClient) {
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  pid_t client = ::fork();
  if (client == 0) {
    run([&]() -> Story {
      auto browser = co_await launch();
      if (!browser) ::_exit(1);
      int id = (*browser)->process_id();
      static_cast<void>(!::write(ready[1], &id, sizeof(id)));
      co_await (*browser)->gone();
    });
    ::_exit(0);
  }
  ::close(ready[1]);
  int browser = 0;
  ASSERT_EQ(::read(ready[0], &browser, sizeof(browser)), static_cast<ssize_t>(sizeof(browser)));

  ::kill(client, SIGKILL);
  ::waitpid(client, nullptr, 0);

  // Orphans of the client are ours to reap, which waits for their end; so the test needs no clock.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  EXPECT_THAT(processes_of(profile.path()), testing::IsEmpty());
}

TEST_F(BrowserTest, FindsABrowserInThePath) {
  EXPECT_TRUE(cdp::find_browser());
  ::setenv("FLYWHEEL_BROWSER", "/no/such/program", 1);
  EXPECT_EQ(cdp::find_browser().error().failure, Failure::launch);
  ::setenv("FLYWHEEL_BROWSER", "/bin/sh", 1);
  EXPECT_EQ(cdp::find_browser().value(), "/bin/sh");
  ::unsetenv("FLYWHEEL_BROWSER");
}

TEST_F(BrowserTest, ARecordedBrowserCanBeReplayedWithoutOne) {
  auto file = profile.path() / "session.jsonl";
  auto title_of = [](cdp::Browser& browser) -> asio::awaitable<std::string> {
    auto page = must(co_await browser.first_page());
    must(co_await page->navigate("data:text/html,<title>recorded</title>"));
    auto title = must(co_await page->evaluate("document.title"));
    co_return std::string(title.as_string());
  };
  run([&]() -> Story {
    auto recording = options();
    recording.record_file = file;
    auto browser = must(co_await cdp::Browser::launch(recording));
    EXPECT_EQ(co_await title_of(*browser), "recorded");
    must(co_await browser->close());
  });

  run([&]() -> Story {
    auto executor = co_await asio::this_coro::executor;
    auto browser = cdp::Browser::over(executor, must(cdp::replay(executor, file)));
    must(co_await browser->version());
    EXPECT_EQ(co_await title_of(*browser), "recorded");
  });
}

}  // namespace
