// flywheel send: one packet into the configured conversation, inside this process.
#include "bridge/app/bridge_options.h"
#include "bridge/app/command_line.h"
#include "bridge/app/exchange_report.h"
#include "bridge/app/loop.h"
#include "bridge/app/project.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

struct SendOptions {
  BridgeOptions bridge;
  std::string packet;
  std::optional<int> wait_s;
};

int failed(Console& console, const base::Error& error) {
  print_error(console, error.message);
  return exit_status_of(error);
}

struct Job {
  Config config;
  protocol::Packet packet;
  std::string key;
};

base::Result<protocol::Packet> read_packet(Console& console, const std::string& path) {
  TRY(const auto types, protocol::MessageTypes::load(own_schemas()));
  TRY(const std::string text, read_input(console, path, limits::packet_bytes_max));
  auto packet = protocol::Packet::parse(text, types);
  if (packet) return *std::move(packet);
  std::string message = fmt::format("{}: {}", path, packet.error().message);
  for (const auto& violation : packet.error().violations) {
    message += "\n  " + protocol::to_line(violation);
  }
  return base::fail(base::Code::invalid, std::move(message), "invalid_packet");
}

base::Result<Job> prepare(Console& console, const SendOptions& options) {
  TRY(auto packet, read_packet(console, options.packet));
  TRY(auto config, config_for(options.bridge));
  const bool is_welcome =
      config.senders.empty() ||
      std::ranges::find(config.senders, packet.sender()) != config.senders.end();
  if (!is_welcome) {
    return base::fail(base::Code::denied,
                      fmt::format("sender \"{}\" is not among bridge.senders", packet.sender()));
  }
  TRY(auto key, marker_key(config));
  return Job{std::move(config), std::move(packet), std::move(key)};
}

int print_answer(Console& console, const services::Answered& answered) {
  for (const auto& warning : answered.warnings) print_warning(console, warning);
  if (console.is_json) {
    print_json(console, to_json(answered));
  } else {
    console.out << protocol::pretty_json(answered.reply.body()) << std::endl;
  }
  return exit_ok;
}

int print_failure(Console& console, const services::ExchangeFailure& failure) {
  if (console.is_json) print_json(console, to_json(failure));
  if (!console.is_json && !failure.raw.empty()) {
    print_error(console, "the reply as it came:\n" + failure.raw);
  }
  return failed(console, failure);
}

boost::asio::awaitable<int> send(Console& console, const SendOptions& options, const Job& job,
                                 ProgressObserver& observer, base::Clock& clock) {
  observer.begin(fmt::format("{} for {} into {}", job.packet.type().name, job.packet.bead_id(),
                             job.config.crt_url));
  auto opened = co_await BrowserSession::open(browser_settings(job.config, options.bridge), clock);
  if (!opened) co_return failed(console, opened.error());
  auto session = std::move(*opened);
  const auto reply_limit =
      options.wait_s ? std::chrono::seconds(*options.wait_s) : job.config.timeouts.reply;
  services::Exchange exchange(session->chat(), clock, job.key,
                              {.reply = reply_limit, .repairs_max = job.config.limits.repairs});
  auto answered = co_await exchange.run(job.packet, observer);
  int status =
      answered ? print_answer(console, *answered) : print_failure(console, answered.error());
  if (answered) {
    auto differences = co_await exchange.settle(observer);
    if (!differences) print_warning(console, differences.error().message);
    if (differences) {
      for (const auto& difference : *differences) print_warning(console, difference);
    }
  }
  if (auto closed = co_await session->close(); !closed) {
    print_warning(console, closed.error().message);
  }
  co_return status;
}

int run_send(Console& console, const SendOptions& options, bool waits) {
  if (!waits) {
    print_error(console,
                "no daemon is running here, and --no-wait needs one: without it a packet "
                "is sent and answered inside this command");
    return exit_daemon_away;
  }
  auto job = prepare(console, options);
  if (!job) {
    const int status = failed(console, job.error());
    return job.error().reason == "invalid_packet" ? exit_bad_input : status;
  }
  print_progress(console, "no daemon is running here: the packet is sent by this command itself");
  base::SystemClock clock;
  ProgressObserver observer(console, clock, Chatter::terminal_only);
  const int status =
      run_to_end(console, [&] { return send(console, options, *job, observer, clock); });
  if (status == exit_interrupted && observer.is_armed()) {
    print_warning(console,
                  "the message may have been sent; look into the conversation before the "
                  "packet is sent again");
  }
  return status;
}

}  // namespace

void add_send_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(
      root, "send", "Post a packet into the configured conversation and print the validated reply",
      "flywheel send packet.json");
  auto options = std::make_shared<SendOptions>();
  auto no_wait = std::make_shared<bool>(false);
  command->add_option("packet", options->packet, "The packet; - reads standard input")
      ->type_name("FILE")
      ->required();
  auto* wait = command
                   ->add_option("--wait", options->wait_s,
                                "Seconds to wait for the reply (default: as configured)")
                   ->type_name("SECONDS")
                   ->check(CLI::Range(1, 86400));
  command->add_flag("--no-wait", *no_wait, "Only queue the packet; needs a running daemon")
      ->excludes(wait);
  add_bridge_options(*command, options->bridge);
  command->callback([options, no_wait, &line] {
    line.run = [options, no_wait](Console& console) {
      return run_send(console, *options, !*no_wait);
    };
  });
}

}  // namespace app
