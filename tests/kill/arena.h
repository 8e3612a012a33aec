// What many lives of daemons share: one look-alike site, and one browser to attach to.
#pragma once

#include "fixtures/chatgpt/site.h"
#include "tests/app/process.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <sys/types.h>

namespace kill_test {

// A headless Chromium that outlives every daemon and no test.
class SharedBrowser {
 public:
  SharedBrowser();
  SharedBrowser(const SharedBrowser&) = delete;
  SharedBrowser& operator=(const SharedBrowser&) = delete;
  ~SharedBrowser();

  const std::string& url() const { return url_; }  // ws://…
  // The tabs that are open now.
  std::size_t tabs() const;
  // Closes one whose address has this in it, as a person might. False: there is none.
  bool lose_a_tab(std::string_view part_of_address) const;

 private:
  void run(std::promise<std::string> told, std::promise<void>& shall_end);

  app::TestFolder folder_;
  std::promise<void> shall_end_;
  std::thread thread_;
  std::string url_;
};

struct Arena {
  Arena();
  std::unique_ptr<fixture::Site> site;
  SharedBrowser browser;
};

// Waits until no process runs with this environment entry ("NAME=value"), and gives those that are
// left. What has ended and was not waited for does not count.
std::vector<pid_t> wait_for_processes_with(const std::string& entry,
                                           std::chrono::steady_clock::time_point until);
// Waits for ended processes of killed daemons' browsers, which this process inherits.
void reap_orphans();

}  // namespace kill_test
