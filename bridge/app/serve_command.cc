// flywheel serve: the daemon.
#include "bridge/app/bridge_options.h"
#include "bridge/app/command_line.h"
#include "bridge/app/daemon.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/loop.h"
#include "bridge/app/memory.h"
#include "bridge/app/open_files.h"
#include "bridge/app/service_manager.h"
#include "bridge/base/faults.h"

#include <memory>
#include <optional>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace app {
namespace {

using boost::asio::awaitable;

struct ServeOptions {
  BridgeOptions bridge;
  std::optional<std::string> listen;
  std::optional<std::string> store;
  std::optional<std::string> writer;
};

// One JSON line an event, on stderr.
class Log {
 public:
  Log() : logger_("flywheel", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_pattern("%v");
  }
  void write(std::string_view event, boost::json::object fields) {
    boost::json::object line{{"time", base::rfc3339(base::SystemClock().wall())}, {"event", event}};
    for (auto& [key, value] : fields) line[key] = std::move(value);
    logger_.info("{}", http::redact(boost::json::serialize(line)));
  }

 private:
  spdlog::logger logger_;
};

void log_bridge(Bridge& bridge, Log& log) {
  bridge.on_lane = [&log](const engine::LaneNotice& notice) {
    log.write("lane", {{"lane", notice.lane.text},
                       {"what", notice.what},
                       {"detail", notice.detail},
                       {"job", notice.job ? notice.job->text : std::string()}});
  };
  bridge.on_session = [&log](const chat::SessionView& view) {
    log.write(
        "session",
        {{"state", chat::name(view.state)}, {"evidence", view.evidence}, {"advice", view.advice}});
    notify_service_manager(fmt::format("STATUS=session {}", chat::name(view.state)));
  };
  bridge.on_trouble = [&log](std::string_view what, const base::Error* error) {
    log.write("upkeep", {{"what", what},
                         {"detail", error ? error->message : std::string("it works again")},
                         {"failed", error != nullptr}});
  };
}

// Tells the service manager that the loop turns.
awaitable<void> feed_watchdog(base::Clock& clock) {
  const auto period = watchdog_period();
  if (!period) co_return;
  for (;;) {
    notify_service_manager("WATCHDOG=1");
    co_await clock.sleep_until(clock.now() + *period);
  }
}

// Readiness is told before the start has quite ended: its tail looks at the house, the session and
// what waits.
awaitable<void> forget_start(base::Clock& clock) {
  forget_code();
  co_await clock.sleep_until(clock.now() + limits::start_tail);
  forget_code();
}

base::Task<> drained(Daemon& daemon) {
  co_await daemon.drained();
  co_return base::Result<>();
}

// Nobody shall wonder why the daemon dies.
void warn_of_fault(const base::Faults& faults, Log& log) {
  const auto* fault = dynamic_cast<const base::FatalFault*>(&faults);
  if (fault == nullptr) return;
  log.write("warning",
            {{"detail", fmt::format("{} is set: this process kills itself at {}, the "
                                    "{}. time it comes there",
                                    base::FatalFault::variable, fault->point(), fault->count())}});
}

awaitable<int> serve(Console& console, DaemonSettings settings, base::Faults& faults,
                     boost::asio::any_io_executor executor, Signals& signals) {
  base::SystemClock clock;
  Log log;
  warn_of_fault(faults, log);
  const auto connections_max = settings.server.limits.connections_max;
  auto opened = Daemon::open(executor, clock, faults, std::move(settings));
  if (!opened) co_return print_failed(console, opened.error());
  auto daemon = *std::move(opened);
  log_bridge(daemon->bridge(), log);
  if (auto started = co_await daemon->start(); !started) {
    co_await daemon->stop();
    co_return print_failed(console, started.error());
  }
  if (!daemon->replaced_key().empty()) {
    log.write("admin_key",
              {{"replaced", daemon->replaced_key()},
               {"detail", "the key in admin.key was good no more: a new one is there"}});
  }
  const auto& recovered = daemon->bridge().recovered();
  log.write("listening", {{"url", daemon->url()},
                          {"version", FLYWHEEL_VERSION},
                          {"connections_max", connections_max},
                          {"requeued", recovered.queued},
                          {"doubtful", recovered.doubtful}});
  notify_service_manager("READY=1");
  daemon->bridge().tasks().spawn(forget_start(clock));
  daemon->bridge().tasks().spawn(feed_watchdog(clock));
  auto ended = co_await signals.until(daemon->bridge().while_store_lives(drained(*daemon)));
  notify_service_manager("STOPPING=1");
  log.write("stopping", {{"why", !ended ? "signal" : *ended ? "drained" : ended->error().message}});
  co_await daemon->stop();
  log.write("stopped", {});
  if (ended && !*ended) co_return print_failed(console, ended->error());
  co_return exit_ok;
}

base::Result<Config> config_of(const ServeOptions& options) {
  TRY(auto config, config_for(options.bridge));
  if (options.listen) config.listen = *options.listen;
  if (options.store && is_url(*options.store)) {
    return base::fail(base::Code::invalid, fmt::format("--store: {}", store_is_a_path),
                      "configuration");
  }
  if (options.store) config.store = *options.store;
  if (options.writer && *options.writer != config.writer_agent) {
    return base::fail(base::Code::denied,
                      fmt::format("the conversation's writer is \"{}\" (writer_agent in {}), not "
                                  "\"{}\"",
                                  config.writer_agent, config.file.string(), *options.writer),
                      "writer_mismatch");
  }
  TRY_OK(make_state_folder(config));
  return config;
}

int run_serve(Console& console, const ServeOptions& options) {
  auto config = config_of(options);
  if (!config) return print_failed(console, config.error());
  auto settings = daemon_settings(*config, options.bridge);
  if (!settings) return print_failed(console, settings.error());
  const OpenFiles files = raise_open_files();
  settings->server.limits = connections_within(files.now);
  // Some programs cope with few only, such as those that call select().
  settings->program_open_files = settings->bridge.chrome.launch.open_files = files.before;
  auto faults = base::faults_of_environment();
  if (!faults) return print_failed(console, faults.error());
  return run_with_signals([&](boost::asio::any_io_executor executor, Signals& signals) {
    return serve(console, *settings, **faults, std::move(executor), signals);
  });
}

}  // namespace

void add_serve_command(CLI::App& root, CommandLine& line) {
  CLI::App* serve = add_command(root, "serve", "Run the daemon: queue, browser and HTTP interface",
                                "flywheel serve --listen 127.0.0.1:8765");
  auto options = std::make_shared<ServeOptions>();
  serve->add_option("--listen", options->listen, "Address and port of the HTTP interface")
      ->type_name("ADDRESS:PORT");
  serve->add_option("--store", options->store, "The SQLite file that keeps the queue")
      ->type_name("FILE");
  serve->add_option("--writer", options->writer, "Refuse to start unless this is writer_agent")
      ->type_name("NAME");
  add_bridge_options(*serve, options->bridge);
  serve->callback([options, &line] {
    line.run = [options](Console& console) { return run_serve(console, *options); };
  });
}

}  // namespace app
