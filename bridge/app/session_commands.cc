// flywheel session: the health of the browser session, and signing in by hand. A running daemon is
// asked, for its browser has the profile; without one, a browser runs for the length of the
// command.
#include "bridge/app/session_commands.h"

#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/loop.h"
#include "bridge/app/session_report.h"
#include "bridge/app/sign_in_by_hand.h"
#include "bridge/app/storage_state.h"
#include "bridge/base/limits.h"
#include "bridge/chat/eyes.h"
#include "bridge/chat/inspection.h"

#include <memory>
#include <optional>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct SessionOptions {
  BridgeOptions bridge;
  std::string file;
  int wait_s = 20;
};

// Opens the conversation and waits until the page has settled, whatever it then is.
base::Task<std::unique_ptr<BrowserSession>> open_settled(BrowserSettings settings, int wait_s,
                                                         base::Clock& clock) {
  settings.chat.ready_limit = std::chrono::seconds(wait_s);
  CO_TRY(auto session, co_await BrowserSession::open(std::move(settings), clock));
  // Why it is not ready is judged by the caller from a look of its own.
  (void)co_await session->chat().wait_until_ready();
  co_return std::move(session);
}

// What is on the page; the session stays open for more.
base::Task<chat::Inspection> look_at(BrowserSession& session, int turns) {
  chat::Inspection found;
  CO_TRY(found.seen, co_await session.chat().look(turns));
  CO_TRY(found.judged, co_await session.chat().judge_now(found.seen));
  if (turns > 0 && found.judged.state == chat::State::unknown_ui) {
    if (auto digest = co_await session.chat().digest()) found.digest = std::move(*digest);
  }
  co_return found;
}

awaitable<int> check(Console& console, const SessionOptions& options, const Config& config,
                     base::Clock& clock) {
  auto opened =
      co_await open_settled(browser_settings(config, options.bridge), options.wait_s, clock);
  if (!opened) co_return print_failed(console, opened.error());
  auto session = std::move(*opened);
  const auto found = co_await look_at(*session, 0);
  if (!found) co_return print_failed(console, found.error());
  auto version = co_await session->browser().version();
  json::object view;
  const auto all = chat::view_of(*found, config.crt_url);
  for (const auto* key :
       {"state", "can_send", "evidence", "advice", "shell", "conversation", "url", "title"}) {
    view[key] = all.at(key);
  }
  view["browser"] = version ? *version : "unknown";
  print_check(console, view);
  (void)co_await session->close();
  co_return status_of_session(view);
}

awaitable<int> inspect(Console& console, const SessionOptions& options, const Config& config,
                       base::Clock& clock) {
  auto opened =
      co_await open_settled(browser_settings(config, options.bridge), options.wait_s, clock);
  if (!opened) co_return print_failed(console, opened.error());
  auto session = std::move(*opened);
  const auto found = co_await look_at(*session, limits::turns_inspected);
  if (!found) co_return print_failed(console, found.error());
  print_inspection(console, chat::view_of(*found, config.crt_url));
  (void)co_await session->close();
  co_return found->judged.state == chat::State::unknown_ui ? exit_negative : exit_ok;
}

awaitable<int> screenshot(Console& console, const SessionOptions& options, const Config& config,
                          base::Clock& clock) {
  auto opened =
      co_await open_settled(browser_settings(config, options.bridge), options.wait_s, clock);
  if (!opened) co_return print_failed(console, opened.error());
  auto session = std::move(*opened);
  auto picture = co_await session->chat().page().screenshot();
  (void)co_await session->close();
  if (!picture) {
    co_return print_failed(console, chat::translate(picture.error(), "take a screenshot"));
  }
  co_return print_screenshot(console, options.file, *picture);
}

// flywheel-browser.service keeps its profile in the state directory. Whether the daemon uses it is
// known while one runs.
void note_browser_of_service(Console& console, const BridgeOptions& options, const Config& config) {
  std::error_code error;
  const auto profile = config.state / "browser";
  const bool is_there = std::filesystem::exists(profile / "DevToolsActivePort", error);
  if (options.attach || !is_there) return;
  print_notice(console, fmt::format("this is about the profile {}; the browser of "
                                    "flywheel-browser.service has its own, and takes part with "
                                    "--attach {}",
                                    config.browser.profile_dir.string(), profile.string()));
}

// Which browser keeps the session.
std::string place_of_session(const BridgeOptions& options, const Config& config) {
  return options.attach ? "the browser at " + *options.attach : config.browser.profile_dir.string();
}

// Nothing if it was interrupted.
awaitable<std::optional<base::Result<>>> wait_for_person(BrowserSession& session, Console& console,
                                                         base::Clock& clock) {
  try {
    co_return co_await wait_for_sign_in(session.chat(), console.err, clock);
  } catch (const boost::system::system_error& error) {
    if (error.code() != boost::asio::error::operation_aborted) throw;
  }
  co_return std::nullopt;
}

// A person acts in the window; the bridge only looks, and leaves when the page is ready.
awaitable<int> login(Console& console, const SessionOptions& options, const Config& config,
                     base::Clock& clock) {
  note_browser_of_service(console, options.bridge, config);
  auto settings = browser_settings(config, options.bridge);
  settings.launch.window = cdp::Window::headed;
  auto opened = co_await BrowserSession::open(std::move(settings), clock);
  if (!opened) co_return print_failed(console, opened.error());
  auto session = std::move(*opened);
  // Whoever signs in there may go on in it, and whoever interrupts this may be half-way.
  session->leave_tab();
  console.err << (options.bridge.attach
                      ? "Sign in in the browser that --attach names, where it shows a window: the "
                        "conversation is open in a tab of it. This command ends by itself when the "
                        "conversation is ready, or when you close that tab; it leaves the tab open."
                      : "Sign in in the browser window. This command ends by itself when the "
                        "conversation is ready, or when you close the window.")
              << std::endl;
  const auto ready = co_await wait_for_person(*session, console, clock);
  // Also after a failure or an interruption: a person may have signed in before it, and a browser
  // that is killed has not yet written that down. Only a second Ctrl-C ends this, at once.
  co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
  const auto closed = co_await session->close();
  if (!ready) co_return exit_interrupted;
  if (!*ready) co_return print_failed(console, ready->error());
  if (!closed) co_return print_failed(console, closed.error());
  if (console.is_json) {
    print_json(console, {{"state", "ready"}});
  } else {
    console.out << "Signed in; the session is kept in " << place_of_session(options.bridge, config)
                << std::endl;
  }
  co_return exit_ok;
}

void print_imported(Console& console, const StorageState& storage, const Imported& imported,
                    const std::string& place) {
  if (console.is_json) {
    print_json(console, {{"cookies", imported.cookies},
                         {"session_cookies", storage.session_cookies},
                         {"expired_cookies", storage.expired_cookies},
                         {"items", imported.items}});
    return;
  }
  console.out << fmt::format("{} cookies and {} stored items are now in {}\n", imported.cookies,
                             imported.items, place);
  if (storage.session_cookies > 0) {
    console.out << fmt::format(
        "{} of the cookies have no date of their own; they are kept for {} days\n",
        storage.session_cookies, limits::session_cookie_kept / std::chrono::days(1));
  }
  if (storage.expired_cookies > 0) {
    console.out << fmt::format("{} more had expired and were left out\n", storage.expired_cookies);
  }
  console.out << "Next: flywheel session check" << std::endl;
}

awaitable<int> import(Console& console, const SessionOptions& options, const Config& config,
                      base::Clock& clock) {
  auto storage = read_storage_state(console, options.file, clock.wall());
  if (!storage) co_return print_failed(console, storage.error());
  note_browser_of_service(console, options.bridge, config);
  auto settings = browser_settings(config, options.bridge);
  settings.launch.window = cdp::Window::headless;
  auto opened = co_await open_browser(settings);
  if (!opened) co_return print_failed(console, opened.error());
  const std::shared_ptr<cdp::Browser> browser = std::move(*opened);
  auto imported = co_await import_storage_state(browser, *storage);
  if (!imported) co_return print_failed(console, imported.error());
  auto closed = co_await browser->close();
  if (!closed) co_return print_failed(console, chat::translate(closed.error(), "save the profile"));
  print_imported(console, *storage, *imported, place_of_session(options.bridge, config));
  co_return exit_ok;
}

using Story =
    std::function<awaitable<int>(Console&, const SessionOptions&, const Config&, base::Clock&)>;
using RemoteStory = std::function<awaitable<int>(Console&, http::Client&, const SessionOptions&)>;

// With a browser of our own.
int run(Console& console, const SessionOptions& options, const Story& story) {
  auto config = config_for(options.bridge);
  if (!config) return print_failed(console, config.error());
  if (auto made = make_state_folder(*config); !made) return print_failed(console, made.error());
  base::SystemClock clock;
  return run_to_end(console, [&] { return story(console, options, *config, clock); });
}

// By the daemon if one runs here; a browser that is named is looked at without it.
int run(Console& console, const SessionOptions& options, const RemoteStory& remote,
        const std::function<int()>& local) {
  if (options.bridge.attach) return local();
  const auto place = find_daemon(options.bridge);
  if (!place) return print_failed(console, place.error());
  if (!*place) return local();
  return run_with_daemon(console, options.bridge,
                         [&](http::Client& client) { return remote(console, client, options); });
}

int login_here(Console& console, const SessionOptions& options) {
  if (window_here() == cdp::Window::headless && !options.bridge.attach) {
    print_error(console,
                "there is no display to open a window on. Run this on a desktop with the same "
                "profile, or import a session: flywheel session import storageState.json");
    return exit_not_authorised;
  }
  return run(console, options, login);
}

int run_import(Console& console, const SessionOptions& options) {
  if (options.bridge.attach) return run(console, options, import);
  const auto place = find_daemon(options.bridge);
  if (!place) return print_failed(console, place.error());
  SessionOptions there = options;
  if (*place && !(*place)->attached.empty()) there.bridge.attach = (*place)->attached;
  if (*place && !there.bridge.attach) {
    return print_failed(
        console, {base::Code::busy,
                  fmt::format("import {}: the daemon at {} uses the browser's profile; stop it, "
                              "import, and start it again",
                              options.file, (*place)->url),
                  "daemon_runs"});
  }
  return run(console, there, import);
}

int run_check(Console& console, const SessionOptions& options) {
  return run(
      console, options,
      [](Console& to, http::Client& client, const SessionOptions&) {
        return remote_session::check(to, client);
      },
      [&] { return run(console, options, check); });
}

int run_inspect(Console& console, const SessionOptions& options) {
  return run(
      console, options,
      [](Console& to, http::Client& client, const SessionOptions& how) {
        return remote_session::inspect(to, client, how.bridge.url.value_or(""));
      },
      [&] { return run(console, options, inspect); });
}

int run_login(Console& console, const SessionOptions& options) {
  return run(
      console, options,
      [](Console& to, http::Client& client, const SessionOptions&) {
        return remote_session::login(to, client);
      },
      [&] { return login_here(console, options); });
}

int run_screenshot(Console& console, const SessionOptions& options) {
  return run(
      console, options,
      [](Console& to, http::Client& client, const SessionOptions& how) {
        return remote_session::screenshot(to, client, how.file);
      },
      [&] { return run(console, options, screenshot); });
}

}  // namespace

void add_session_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = root.add_subcommand("session", "Check the browser session, sign in, look");
  group->require_subcommand(0, 1);
  group->fallthrough();
  group->footer("Example:\n  flywheel session check");
  auto options = std::make_shared<SessionOptions>();
  // Before the command's name and behind it, which counts more.
  add_bridge_options(*group, options->bridge);
  const auto add = [&](const char* name, const char* text, const char* example,
                       int (*run_it)(Console&, const SessionOptions&)) {
    CLI::App* command = add_command(*group, name, text, example);
    add_bridge_options(*command, options->bridge);
    // The environment gives what stands nowhere: the group has taken it.
    for (CLI::Option* option : command->get_options()) option->envname("");
    command->callback([&line, options, run_it] {
      line.run = [options, run_it](Console& console) { return run_it(console, *options); };
    });
    return command;
  };
  const auto add_wait = [&](CLI::App& command, const char* text) {
    command.add_option("--wait", options->wait_s, text)
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 600));
  };
  const auto add_file = [&](CLI::App& command, const char* text) {
    command.add_option("file", options->file, text)->type_name("FILE")->required();
  };
  CLI::App* checks = add("check", "Say whether packets can be sent now (exit status 0: yes)",
                         "flywheel session check --json", run_check);
  add_wait(*checks, "Without a daemon: how long the page may take to become ready (default 20)");
  add("login", "Open a window to sign in by hand", "flywheel session login", run_login);
  add_file(*add("import", "Take cookies and storage from a Playwright storageState.json",
                "flywheel session import storageState.json", run_import),
           "The file; - reads standard input");
  CLI::App* inspects =
      add("inspect", "Show what the bridge sees on a page: state, evidence, turns, code blocks",
          "flywheel session inspect --url https://chatgpt.com/c/<id> --json", run_inspect);
  add_wait(*inspects, "Without a daemon: how long the page may take to settle (default 20)");
  CLI::App* pictures = add("screenshot",
                           "Save a picture of the page (a daemon gives it if "
                           "bridge.session.screenshots is true)",
                           "flywheel session screenshot page.png", run_screenshot);
  add_file(*pictures, "The PNG file to write; - writes to standard output");
  add_wait(*pictures, "Without a daemon: how long the page may take to settle (default 20)");
  group->callback([group, &line, options] {
    if (!group->get_subcommands().empty()) return;
    line.run = [options](Console& console) { return run_check(console, *options); };
  });
}

}  // namespace app
