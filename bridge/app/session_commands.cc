// flywheel session: the health of the browser session, and signing in by hand.
#include "bridge/app/bridge_options.h"
#include "bridge/app/command_line.h"
#include "bridge/app/loop.h"
#include "bridge/app/session_report.h"
#include "bridge/app/storage_state.h"

#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

using boost::asio::awaitable;

struct SessionOptions {
  BridgeOptions bridge;
  std::string file;
  int wait_s = 20;
};

int failed(Console& console, const base::Error& error) {
  if (console.is_json) {
    print_json(
        console,
        {{"error",
          {{"code", error.reason.empty() ? std::string(base::name(error.code)) : error.reason},
           {"detail", error.message}}}});
  }
  print_error(console, error.message);
  return exit_status_of(error);
}

// Opens the conversation and waits until the page has settled, whatever it then is.
base::Task<std::unique_ptr<BrowserSession>> open_settled(BrowserSettings settings, int wait_s,
                                                         base::Clock& clock) {
  settings.chat.ready_limit = std::chrono::seconds(wait_s);
  CO_TRY(auto session, co_await BrowserSession::open(std::move(settings), clock));
  // Why it is not ready is judged by the caller from a look of its own.
  (void)co_await session->chat().wait_until_ready();
  co_return std::move(session);
}

int status_of(const chat::Judgement& judged) {
  return judged.can_send ? exit_ok : exit_status_of(chat::as_error(judged.state, judged.evidence));
}

awaitable<int> check(Console& console, const SessionOptions& options, const Config& config,
                     base::Clock& clock) {
  auto opened =
      co_await open_settled(browser_settings(config, options.bridge), options.wait_s, clock);
  if (!opened) co_return failed(console, opened.error());
  auto session = std::move(*opened);
  auto seen = co_await session->chat().look(0);
  if (!seen) co_return failed(console, seen.error());
  auto judged = co_await session->chat().judge_now(*seen);
  if (!judged) co_return failed(console, judged.error());
  auto version = co_await session->browser().version();
  const SessionReport report{.seen = std::move(*seen),
                             .judged = *judged,
                             .browser = version ? *version : "unknown",
                             .conversation = config.crt_url,
                             .digest = {}};
  print_check(console, report);
  (void)co_await session->close();
  co_return status_of(*judged);
}

awaitable<int> inspect(Console& console, const SessionOptions& options, const Config& config,
                       base::Clock& clock) {
  auto opened =
      co_await open_settled(browser_settings(config, options.bridge), options.wait_s, clock);
  if (!opened) co_return failed(console, opened.error());
  auto session = std::move(*opened);
  constexpr int turns_shown = 100;
  auto seen = co_await session->chat().look(turns_shown);
  if (!seen) co_return failed(console, seen.error());
  auto judged = co_await session->chat().judge_now(*seen);
  if (!judged) co_return failed(console, judged.error());
  SessionReport report{.seen = std::move(*seen),
                       .judged = *judged,
                       .browser = {},
                       .conversation = config.crt_url,
                       .digest = {}};
  if (judged->state == chat::State::unknown_ui) {
    auto digest = co_await session->chat().digest();
    if (digest) report.digest = std::move(*digest);
  }
  print_inspection(console, report);
  (void)co_await session->close();
  co_return judged->state == chat::State::unknown_ui ? exit_negative : exit_ok;
}

// A person acts in the window; the bridge only looks, and leaves when the page is ready.
awaitable<int> login(Console& console, const SessionOptions& options, const Config& config,
                     base::Clock& clock) {
  auto settings = browser_settings(config, options.bridge);
  settings.launch.window = cdp::Window::headed;
  auto opened = co_await BrowserSession::open(std::move(settings), clock);
  if (!opened) co_return failed(console, opened.error());
  auto session = std::move(*opened);
  console.err << "Sign in in the browser window. This command ends by itself when the conversation "
                 "is ready, or when you close the window."
              << std::endl;
  std::string shown;
  for (;;) {
    auto judged = co_await session->chat().state();
    if (!judged && judged.error().reason == "navigated") continue;
    if (!judged) co_return failed(console, judged.error());
    if (judged->can_send) break;
    if (shown != chat::name(judged->state)) {
      shown = chat::name(judged->state);
      console.err << fmt::format("  {}: {}", shown, judged->evidence) << std::endl;
    }
    co_await clock.sleep_until(clock.now() + std::chrono::milliseconds(500));
  }
  if (auto closed = co_await session->close(); !closed) co_return failed(console, closed.error());
  if (console.is_json) {
    print_json(console, {{"state", "ready"}});
  } else {
    console.out << "Signed in; the session is kept in " << config.browser.profile_dir.string()
                << std::endl;
  }
  co_return exit_ok;
}

awaitable<int> import(Console& console, const SessionOptions& options, const Config& config) {
  auto storage = read_storage_state(console, options.file);
  if (!storage) co_return failed(console, storage.error());
  auto settings = browser_settings(config, options.bridge);
  settings.launch.window = cdp::Window::headless;
  auto browser = co_await open_browser(settings);
  if (!browser) co_return failed(console, browser.error());
  auto imported = co_await import_storage_state(**browser, *storage);
  if (!imported) co_return failed(console, imported.error());
  auto closed = co_await (*browser)->close();
  if (!closed) co_return failed(console, chat::translate(closed.error(), "save the profile"));
  if (console.is_json) {
    print_json(console, {{"cookies", imported->cookies}, {"items", imported->items}});
  } else {
    console.out << fmt::format(
                       "{} cookies and {} stored items are now in {}\n"
                       "Next: flywheel session check",
                       imported->cookies, imported->items, config.browser.profile_dir.string())
                << std::endl;
  }
  co_return exit_ok;
}

using Story =
    std::function<awaitable<int>(Console&, const SessionOptions&, const Config&, base::Clock&)>;

int run(Console& console, const SessionOptions& options, const Story& story) {
  auto config = config_for(options.bridge);
  if (!config) return failed(console, config.error());
  if (auto made = make_state_folder(*config); !made) return failed(console, made.error());
  base::SystemClock clock;
  return run_to_end(console, [&] { return story(console, options, *config, clock); });
}

int run_login(Console& console, const SessionOptions& options) {
  if (window_here() == cdp::Window::headless) {
    print_error(console,
                "there is no display to open a window on. Run this on a desktop with the same "
                "profile, or import a session: flywheel session import storageState.json");
    return exit_not_authorised;
  }
  return run(console, options, login);
}

}  // namespace

void add_session_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = root.add_subcommand("session", "Check the browser session, sign in, look");
  group->require_subcommand(0, 1);
  group->fallthrough();
  group->footer("Example:\n  flywheel session check");
  auto options = std::make_shared<SessionOptions>();
  const auto add = [&](const char* name, const char* text, const char* example) {
    CLI::App* command = add_command(*group, name, text, example);
    add_bridge_options(*command, options->bridge);
    return command;
  };
  const auto add_wait = [&](CLI::App& command, const char* text) {
    command.add_option("--wait", options->wait_s, text)
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 600));
  };
  const auto runs = [&line, options](CLI::App& command, std::function<int(Console&)> action) {
    command.callback([&line, action = std::move(action)] { line.run = action; });
  };

  CLI::App* checks = add("check", "Say whether packets can be sent now (exit status 0: yes)",
                         "flywheel session check --json");
  add_wait(*checks, "How long the page may take to become ready (default 20)");
  runs(*checks, [options](Console& console) { return run(console, *options, check); });

  CLI::App* logs_in = add("login", "Open a window to sign in by hand", "flywheel session login");
  runs(*logs_in, [options](Console& console) { return run_login(console, *options); });

  CLI::App* imports = add("import", "Take cookies and storage from a Playwright storageState.json",
                          "flywheel session import storageState.json");
  imports->add_option("file", options->file, "The file; - reads standard input")
      ->type_name("FILE")
      ->required();
  runs(*imports, [options](Console& console) {
    return run(console, *options,
               [](Console& to, const SessionOptions& how, const Config& config, base::Clock&) {
                 return import(to, how, config);
               });
  });

  CLI::App* inspects =
      add("inspect", "Show what the bridge sees on a page: state, evidence, turns, code blocks",
          "flywheel session inspect --url https://chatgpt.com/c/<id> --json");
  add_wait(*inspects, "How long the page may take to settle (default 20)");
  runs(*inspects, [options](Console& console) { return run(console, *options, inspect); });

  group->callback([group, &line, options] {
    if (!group->get_subcommands().empty()) return;
    line.run = [options](Console& console) { return run(console, *options, check); };
  });
}

}  // namespace app
