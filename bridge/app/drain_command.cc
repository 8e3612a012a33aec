// flywheel drain: until the queue has nothing to do, by this command or by the daemon that runs.
#include "bridge/app/bridge.h"
#include "bridge/app/bridge_options.h"
#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/daemon_file.h"
#include "bridge/app/loop.h"
#include "bridge/base/limits.h"
#include "bridge/store/lock_file.h"
#include "bridge/store/survey.h"

#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct DrainOptions {
  BridgeOptions bridge;
  bool stops = false;  // the daemon ends as well
};

// Who has worked the queue.
enum class Worker { daemon, this_process };

int report_left(Console& console, int left, Worker worker) {
  const bool is_here = worker == Worker::this_process;
  if (console.is_json) {
    json::object told{{"left", left}};
    if (is_here) told["in_process"] = true;
    print_json(console, told);
  }
  if (left == 0) {
    if (!console.is_json) console.out << "drained: nothing is left" << std::endl;
    return exit_ok;
  }
  print_error(console,
              fmt::format("drained, but {} job{} left: they wait for a person or for time{}; see "
                          "flywheel packet list and flywheel queue show",
                          left, left == 1 ? " is" : "s are",
                          is_here ? ", or for the daemon, which alone works other lanes than the "
                                    "packets'"
                                  : ""));
  return exit_negative;
}

base::Result<int> left_in(store::Tx& tx, const engine::Queue& queue) {
  TRY(const auto counts, queue.counts(tx));
  int left = 0;
  for (const auto& [state, count] : counts) left += count;
  return left;
}

// ---- without a daemon

awaitable<int> drain_here(Console& console, BridgeSettings settings,
                          boost::asio::any_io_executor executor, Signals& signals) {
  base::SystemClock clock;
  base::Faults faults;
  settings.holder = "flywheel drain";
  auto opened = Bridge::open(executor, clock, faults, std::move(settings));
  if (!opened) co_return print_failed(console, opened.error());
  auto bridge = *std::move(opened);
  bridge->on_lane = [&console](const engine::LaneNotice& notice) {
    print_progress(console, fmt::format("{} {}", notice.what, notice.detail));
  };
  auto work = [](Bridge& running) -> base::Task<> {
    CO_TRY_OK(co_await running.start());
    co_await running.drain();
    co_return base::Result<>();
  };
  auto drained = co_await signals.until(bridge->while_store_lives(work(*bridge)));
  co_await bridge->stop();
  if (!drained) co_return exit_interrupted;
  if (!*drained) co_return print_failed(console, drained->error());
  const auto left = co_await bridge->store().read(
      [&bridge](store::Tx& tx) { return left_in(tx, bridge->queue()); });
  co_return left ? report_left(console, *left, Worker::this_process)
                 : print_failed(console, left.error());
}

// ---- beside a daemon

struct Look {
  bool is_drained = false;
  int left = 0;
  std::string text;
};

base::Task<Look> look(http::Client& client, http::ClientRequest request) {
  CO_TRY(const auto answer, co_await client.call_json(std::move(request)));
  const auto* view = answer.if_object();
  const auto* depths = view ? view->if_contains("depths") : nullptr;
  const auto* drained = view ? view->if_contains("drained") : nullptr;
  if (!depths || !depths->is_object() || !drained || !drained->is_bool()) {
    co_return base::fail(base::Code::internal, "the daemon does not say what its queue has to do");
  }
  Look seen{.is_drained = drained->get_bool()};
  for (const auto& [state, count] : depths->get_object()) {
    if (!count.is_int64()) continue;
    seen.left += static_cast<int>(count.get_int64());
    seen.text += fmt::format("{}{} {}", seen.text.empty() ? "  " : ", ", count.get_int64(),
                             std::string_view(state));
  }
  co_return seen;
}

awaitable<int> wait_until_drained(Console& console, http::Client& client) {
  print_progress(console, "waiting until the daemon's queue has nothing more to do");
  base::SystemClock clock;
  Look last;
  for (;;) {
    auto seen = co_await look(client, {.target = "/api/queue"});
    if (!seen) co_return print_failed(console, seen.error());
    if (seen->text != last.text) print_progress(console, seen->text);
    last = *std::move(seen);
    if (last.is_drained) co_return report_left(console, last.left, Worker::daemon);
    co_await clock.sleep_until(clock.now() + limits::drain_look);
  }
}

// While it can be found it serves, and drains for as long as that takes; then it gives its work
// back and closes its browser. Returns what is left when it has closed the store too.
base::Task<int> left_after_end(DaemonPlace place) {
  base::SystemClock clock;
  auto until = clock.now() + limits::daemon_ends;
  std::optional<store::LockHolder> holder;
  for (;;) {
    holder = store::LockFile::holder(place.store + ".lock");
    // On a full disk it could not say who it is.
    if (!holder || (holder->pid != place.pid && holder->pid != 0)) break;
    const auto daemon = read_daemon_file(place.state);
    if (daemon && daemon->pid == place.pid) until = clock.now() + limits::daemon_ends;
    if (clock.now() >= until) {
      co_return base::fail(
          base::Code::timeout,
          fmt::format("the daemon does not end: {} is held by {}", place.store, holder->text));
    }
    co_await clock.sleep_until(clock.now() + limits::drain_look);
  }
  if (holder) {
    co_return base::fail(
        base::Code::busy,
        fmt::format("the daemon has ended, but {} is open again, held by {}: any caller starts the "
                    "next one where systemd holds the address, so stop flywheel.socket first",
                    place.store, holder->text),
        "locked");
  }
  base::SystemRandom random;
  const engine::Queue queue({}, random);
  int left = 0;
  CO_TRY_OK(store::look_into(place.store, [&](store::Tx& tx) -> base::Result<> {
    TRY(left, left_in(tx, queue));
    return {};
  }));
  co_return left;
}

// All that is known of one whose store is elsewhere is what it told last.
int report_gone(Console& console, const Look& last) {
  if (last.is_drained) return report_left(console, last.left, Worker::daemon);
  if (console.is_json) print_json(console, {{"left", nullptr}, {"left_before", last.left}});
  print_error(console,
              fmt::format("the daemon was told to end and has closed the connection; what is left "
                          "is not known here: before, it was {} job{}",
                          last.left, last.left == 1 ? "" : "s"));
  return exit_negative;
}

// Whether it has ended is looked up at its store: asking at its address would start the next one
// where a socket unit holds that. What it has to do it tells as long as the connection lasts.
awaitable<int> stop_there(Console& console, DaemonPlace place, http::Client& client) {
  std::optional<store::LockHolder> holder;
  if (!place.store.empty()) holder = store::LockFile::holder(place.store + ".lock");
  auto seen = co_await look(
      client,
      {.method = "POST", .target = "/api/queue/drain", .body = json::value(json::object())});
  if (!seen) co_return print_failed(console, seen.error());
  print_progress(console, "the daemon ends when its queue has nothing more to do");
  base::SystemClock clock;
  Look last;
  while (seen) {
    if (seen->text != last.text) print_progress(console, seen->text);
    last = *std::move(seen);
    co_await clock.sleep_until(clock.now() + limits::drain_look);
    seen = co_await look(client, {.target = "/api/queue", .may_connect = false});
  }
  if (seen.error().code != base::Code::unavailable) co_return print_failed(console, seen.error());
  if (place.store.empty()) co_return report_gone(console, last);
  const auto left = co_await left_after_end(std::move(place));
  co_return left ? report_left(console, *left, Worker::daemon)
                 : print_failed(console, left.error());
}

int run_drain(Console& console, const DrainOptions& options) {
  auto place = find_daemon(options.bridge);
  if (!place) return print_failed(console, place.error());
  if (*place) {
    return run_with_daemon(console, options.bridge, [&](http::Client& client) {
      return options.stops ? stop_there(console, **place, client)
                           : wait_until_drained(console, client);
    });
  }
  auto config = config_for(options.bridge);
  if (!config) return print_failed(console, config.error());
  if (auto made = make_state_folder(*config); !made) return print_failed(console, made.error());
  print_notice(console, "no daemon is running here: the queue is worked by this command itself");
  return run_with_signals([&](boost::asio::any_io_executor executor, Signals& signals) {
    return drain_here(console, bridge_settings(*config, options.bridge), std::move(executor),
                      signals);
  });
}

}  // namespace

void add_drain_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(root, "drain",
                                  "Work the queue, or wait for the daemon that does, until nothing "
                                  "is due (exit 1: something is "
                                  "left that waits for a person or for time)",
                                  "flywheel drain");
  auto options = std::make_shared<DrainOptions>();
  command->add_flag("--stop", options->stops,
                    "The daemon ends as well, once it has nothing more to do; without, it serves "
                    "on");
  add_bridge_options(*command, options->bridge);
  command->callback([options, &line] {
    line.run = [options](Console& console) { return run_drain(console, *options); };
  });
}

}  // namespace app
