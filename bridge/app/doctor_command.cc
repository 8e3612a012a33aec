// flywheel doctor: what works, what does not, and what to do about it. Sends nothing.
#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/doctor.h"
#include "bridge/app/loop.h"
#include "bridge/app/project.h"
#include "bridge/app/remote_call.h"
#include "bridge/app/session_report.h"
#include "bridge/chat/profile.h"
#include "bridge/protocol/message_types.h"
#include "bridge/store/lock_file.h"

#include <memory>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string_view name(Health health) {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::note:
      return "note";
    case Health::bad:
      return "BAD";
  }
  return "";
}

class Doctor {
 public:
  Doctor(Console& console, const BridgeOptions& options, bool is_offline)
      : console_(console), options_(options), is_offline_(is_offline) {}

  int run() {
    const auto config = check_config();
    check_message_types();
    check_window();
    if (config) {
      add_all(check_files(*config));
      add_all(check_store(*config, clock_.wall()));
      check_profiles(*config);
    }
    add_all(check_service_unit());
    if (!check_daemon(config)) check_browser_and_page(config);
    return report();
  }

 private:
  void add(std::string what, Health health, std::string detail, std::string remedy = {}) {
    findings_.push_back({std::move(what), health, std::move(detail), std::move(remedy)});
  }

  void add_all(Findings more) {
    findings_.insert(findings_.end(), std::make_move_iterator(more.begin()),
                     std::make_move_iterator(more.end()));
  }

  std::optional<Config> check_config() {
    auto config = config_for(options_);
    if (config) {
      add("configuration", Health::ok,
          config->file.empty() ? "none; defaults for --url" : config->file.string());
      return *std::move(config);
    }
    const bool is_none = config.error().code == base::Code::not_found && !options_.config;
    if (is_none && names_daemon_elsewhere()) {
      add("configuration", Health::note,
          "none; the daemon that FLYWHEEL_URL names needs none here");
      return {};
    }
    add("configuration", Health::bad, config.error().message,
        "write .flywheel/chatgpt.json with crt_url, mcp_server and writer_agent");
    return {};
  }

  void check_message_types() {
    const auto types = protocol::MessageTypes::load(own_schemas(options_.config));
    if (types) {
      add("message types", Health::ok, types->request_names());
    } else {
      add("message types", Health::bad, types.error().message,
          "mend or remove the file in .flywheel/schemas");
    }
  }

  void check_window() {
    if (window_here() == cdp::Window::headed) {
      add("display", Health::ok, "windows can be shown");
    } else {
      add("display", Health::note, "none: the browser runs without a window",
          "to sign in, use a desktop, or flywheel session import");
    }
  }

  void check_profiles(const Config& config) {
    const auto profiles = chat::Profiles::load(config.page_profiles);
    if (profiles) {
      add("page profiles", Health::ok,
          fmt::format("shells {}", fmt::join(profiles->shell_names(), ", ")));
    } else {
      add("page profiles", Health::bad, profiles.error().message,
          "mend or remove the file in " + config.page_profiles.string());
    }
  }

  // True if one is there, or another that has the store: then it has the browser. Who can be asked
  // is.
  bool check_daemon(const std::optional<Config>& config) {
    const auto place = find_daemon(options_);
    if (!place || !*place) return check_who_cannot_be_asked(place, config);
    const int status = run_to_end(console_, [&]() -> boost::asio::awaitable<int> {
      http::Client client = client_of(**place);
      co_return co_await ask_daemon(client, **place);
    });
    if (status == exit_interrupted) findings_.clear();
    return true;
  }

  bool check_who_cannot_be_asked(const base::Result<std::optional<DaemonPlace>>& place,
                                 const std::optional<Config>& config) {
    const std::string holder = config ? holder_of(config->store) : std::string();
    if (!place && place.error().reason == "no_key") {
      add("daemon", Health::bad,
          holder.empty() ? place.error().message
                         : fmt::format("{} holds the store's lock, but cannot be asked: {}", holder,
                                       place.error().message),
          "start it again, which makes a missing admin.key anew; or run this as its user");
      return true;
    }
    if (!holder.empty()) {
      const bool serves = holder.starts_with("flywheel serve");
      add("daemon", serves ? Health::bad : Health::note,
          fmt::format("{} holds the store's lock, but cannot be asked: no daemon.json in {} names "
                      "it",
                      holder, config->state.string()),
          serves ? "unless it is just starting: systemctl restart flywheel, or end the process and "
                   "start flywheel serve"
                 : "wait until it has ended");
      return true;
    }
    add("daemon", Health::note,
        place ? "none runs here" : "not looked for: " + place.error().message,
        "flywheel serve, or systemctl start flywheel");
    return false;
  }

  // Who has the store open, for people; empty: nobody.
  static std::string holder_of(const std::string& store) {
    const auto holder = store::LockFile::holder(store + ".lock");
    return holder ? holder->text : std::string();
  }

  boost::asio::awaitable<int> ask_daemon(http::Client& client, const DaemonPlace& place) {
    const std::string& url = place.url;
    const auto health =
        co_await client.call_json({.target = "/healthz", .limit = std::chrono::seconds(5)});
    if (!health) {
      const std::string holder = place.store.empty() ? "" : holder_of(place.store);
      add("daemon", Health::bad,
          holder.empty() ? fmt::format("no daemon answers: {}", health.error().message)
                         : fmt::format("{} holds the store's lock, but does not answer: {}", holder,
                                       health.error().message),
          "systemctl restart flywheel, or end the process and start flywheel serve");
      co_return exit_negative;
    }
    const auto version = text_in(health->as_object(), "version");
    add("daemon", version == FLYWHEEL_VERSION ? Health::ok : Health::note,
        fmt::format("{} answers, version {}", url, version),
        version == FLYWHEEL_VERSION ? "" : "it is not this program: restart it after an upgrade");
    http::ClientRequest request{.target = "/api/session"};
    if (!is_offline_) {
      request = {
          .method = "POST", .target = "/api/session/check", .limit = std::chrono::minutes(3)};
    }
    const auto session = co_await client.call_json(std::move(request));
    if (!session && session.error().reason == "invalid_token") {
      add("key", Health::bad, session.error().message,
          "the key is in FLYWHEEL_KEY, or else in admin.key, where the daemon puts a good one when "
          "it is started again");
      co_return exit_negative;
    }
    if (!session) {
      add("session", Health::bad, session.error().message, "flywheel session check");
      co_return exit_negative;
    }
    const auto& view = session->as_object();
    add("session", status_of_session(view) == exit_ok ? Health::ok : Health::bad,
        fmt::format("{} since {}: {}", text_in(view, "state"), text_in(view, "since"),
                    text_in(view, "evidence")),
        text_in(view, "advice"));
    co_return exit_ok;
  }

  void check_browser_and_page(const std::optional<Config>& config) {
    const auto executable = config && !config->browser.executable.empty()
                                ? cdp::Result<fs::path>(config->browser.executable)
                                : cdp::find_browser();
    if (!executable) {
      add("browser", Health::bad, executable.error().message,
          "install the package chromium, or name one in bridge.browser.executable");
      return;
    }
    if (is_offline_ || !config) {
      add("browser", Health::ok, executable->string());
      return;
    }
    const int status = run_to_end(console_, [&] { return open_page(*config); });
    if (status == exit_interrupted) findings_.clear();
  }

  boost::asio::awaitable<int> open_page(const Config& config) {
    auto settings = browser_settings(config, options_);
    settings.launch.window = cdp::Window::headless;
    settings.chat.ready_limit = std::chrono::seconds(20);
    auto opened = co_await BrowserSession::open(std::move(settings), clock_);
    if (!opened) {
      add("browser", Health::bad, opened.error().message,
          opened.error().code == base::Code::busy
              ? "close the browser that uses the profile, or stop the daemon"
              : "run the browser by hand and look at its messages");
      co_return exit_negative;
    }
    auto session = std::move(*opened);
    auto version = co_await session->browser().version();
    add("browser", Health::ok, version ? *version : "unknown version");
    (void)co_await session->chat().wait_until_ready();
    auto judged = co_await session->chat().state();
    if (!judged) {
      add("page", Health::bad, judged.error().message,
          judged.error().code == base::Code::invalid
              ? "mend or remove the file in " + config.page_profiles.string()
              : "");
    } else {
      add("page", judged->can_send ? Health::ok : Health::bad,
          fmt::format("{}: {}", chat::name(judged->state), judged->evidence),
          std::string(chat::advice(judged->state)));
    }
    (void)co_await session->close();
    co_return exit_ok;
  }

  int report() {
    json::array list;
    bool is_healthy = !findings_.empty();
    for (const auto& finding : findings_) {
      if (finding.health == Health::bad) is_healthy = false;
      list.push_back({{"check", finding.what},
                      {"health", finding.health == Health::bad ? "bad" : name(finding.health)},
                      {"detail", finding.detail},
                      {"remedy", finding.remedy}});
      if (console_.is_json) continue;
      console_.out << fmt::format("{:<5} {:<16} {}\n", name(finding.health), finding.what,
                                  finding.detail);
      if (!finding.remedy.empty()) {
        console_.out << fmt::format("{:<22} -> {}\n", "", finding.remedy);
      }
    }
    if (console_.is_json) print_json(console_, {{"healthy", is_healthy}, {"checks", list}});
    return is_healthy ? exit_ok : exit_negative;
  }

  Console& console_;
  const BridgeOptions& options_;
  bool is_offline_;
  base::SystemClock clock_;
  Findings findings_;
};

}  // namespace

void add_doctor_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(
      root, "doctor", "Check configuration, keys, store, daemon, browser and page; say what to do",
      "flywheel doctor");
  auto options = std::make_shared<BridgeOptions>();
  auto is_offline = std::make_shared<bool>(false);
  command->add_flag("--offline", *is_offline, "Start no browser and open no page");
  add_bridge_options(*command, *options);
  command->callback([options, is_offline, &line] {
    line.run = [options, is_offline](Console& console) {
      return Doctor(console, *options, *is_offline).run();
    };
  });
}

}  // namespace app
