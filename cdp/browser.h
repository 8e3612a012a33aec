// A browser: one we launch and own, or one that runs already.
#pragma once

#include "cdp/connection.h"
#include "cdp/limits.h"
#include "cdp/page.h"
#include "cdp/result.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cdp {

class Process;

enum class Window { headless, headed };

struct LaunchOptions {
  std::filesystem::path executable = {};  // empty: find_browser()
  // Made if missing, mode 0700. One browser at a time uses it.
  std::filesystem::path profile_dir;
  Window window = Window::headless;
  int width = 1280;
  int height = 900;
  // Chromium's sandbox does not work as root, so there it is off in any case.
  enum class Sandbox { automatic, off } sandbox = Sandbox::automatic;
  std::vector<std::string> extra_args = {};
  Duration start_limit = limits::launch;  // from its start to its first answer
  // How many files it may have open at first; it may raise that. None: as many as this process.
  std::optional<std::size_t> open_files = {};
  // Writes every message to this file, unredacted; see cdp::record.
  std::filesystem::path record_file = {};
};

struct TargetInfo {
  std::string id;
  std::string title;
  std::string url;
};

// $FLYWHEEL_BROWSER, else the first of chromium, google-chrome and their like in $PATH.
Result<std::filesystem::path> find_browser();

// Pages may outlive it; their calls then fail with closed.
class Browser {
 public:
  // Starts a browser over a pipe that no other process can reach. It ends with this object, with
  // this process, and with the thread that launched it.
  // locked: another browser uses the profile. launch: it did not start, or not in time; the message
  // quotes it.
  static Task<std::unique_ptr<Browser>> launch(LaunchOptions options);

  // Connects to a running browser, ws://127.0.0.1:PORT/devtools/browser/ID, or the profile
  // directory of one that was started with --remote-debugging-port. The browser may ask its user
  // for permission each time, so connect once.
  static Task<std::unique_ptr<Browser>> attach(std::string url, Duration limit = limits::connect);

  // Speaks to whatever is behind the transport, such as a replay.
  static std::unique_ptr<Browser> over(const boost::asio::any_io_executor& executor,
                                       std::shared_ptr<Transport> transport);

  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;
  // Kills a launched browser; `close` lets it save its profile first. An attached one lives on.
  ~Browser();

  // The open tabs.
  Task<std::vector<TargetInfo>> pages();
  // A new tab, with the document of `url` loaded. However else it ends, also cancelled, no tab of
  // it stays open.
  Task<std::unique_ptr<Page>> open(std::string url);
  // Takes hold of a tab; it stays open when the Page is destroyed. timeout: the tab does not
  // answer, as when a dialog was open in it before. crashed: its renderer has gone; open another.
  Task<std::unique_ptr<Page>> attach_page(std::string target_id);
  // The tab that a launched browser starts with. detached: there is no tab.
  Task<std::unique_ptr<Page>> first_page();

  // A command to the browser itself.
  Task<json::object> call(std::string method, json::object params = {},
                          Duration limit = limits::command);
  Subscription subscribe(std::vector<std::string> methods);
  // "Chrome/156.0.8078.79".
  Task<std::string> version();

  // Asks a launched browser to save and quit, kills it if it does not, and returns when all its
  // processes have ended; disconnects from an attached one.
  Task<> close();

  // Ends a launched browser at once, saved or not, and returns when all its processes have ended;
  // disconnects from an attached one. timeout: some processes still run.
  Task<> kill();

  bool is_open() const { return !connection_->failure(); }
  // Returns when the browser has gone or was closed, with the reason.
  boost::asio::awaitable<Error> gone() { return connection_->ended(); }
  // Of a launched browser, else 0.
  int process_id() const;

 private:
  Browser(std::shared_ptr<Connection> connection, std::unique_ptr<Process> process);

  std::shared_ptr<Connection> connection_;
  std::unique_ptr<Process> process_;  // of a launched browser
};

}  // namespace cdp
