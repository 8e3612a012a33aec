// What every test in a real browser needs: a loop, a fresh profile, a quiet headless browser.
#pragma once

#include "cdp/browser.h"

#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace cdp_test {

using Story = boost::asio::awaitable<void>;

// The value, or an exception that fails the test with the error's message.
template <class T>
T must(cdp::Result<T> result) {
  if (!result) {
    throw std::runtime_error(std::string(cdp::name(result.error().failure)) + ": " +
                             result.error().message);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

// Runs a coroutine to its end on a loop of its own; fails the test if it takes longer than `limit`.
inline void run(const std::function<Story()>& story,
                std::chrono::seconds limit = std::chrono::seconds(60)) {
  boost::asio::io_context loop;
  bool has_ended = false;
  std::exception_ptr error;
  boost::asio::co_spawn(loop, story(), [&](std::exception_ptr thrown) {
    has_ended = true;
    error = std::move(thrown);
    loop.stop();
  });
  loop.run_for(limit);
  if (error) std::rethrow_exception(error);
  EXPECT_TRUE(has_ended) << "the test's coroutine did not end in time";
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    auto pattern = (std::filesystem::temp_directory_path() / "flywheel-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Each test owns a profile that is new and goes away with it.
class BrowserFixture : public testing::Test {
 protected:
  cdp::LaunchOptions options(std::vector<std::string> extra_args = {}) const {
    return {.profile_dir = profile.path(), .extra_args = std::move(extra_args)};
  }

  cdp::Task<std::unique_ptr<cdp::Browser>> launch(std::vector<std::string> extra_args = {}) const {
    return cdp::Browser::launch(options(std::move(extra_args)));
  }

  TemporaryDirectory profile;
};

}  // namespace cdp_test
