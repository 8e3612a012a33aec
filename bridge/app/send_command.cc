// flywheel send: one packet into the configured conversation, inside this process.
#include "bridge/app/command_line.h"
#include "bridge/app/exchange_report.h"
#include "bridge/app/project.h"
#include "bridge/app/send_here.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"

#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

struct SendOptions {
  SendHere here;
  std::string packet;
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

int print_answer(Console& console, const services::Answered& answered) {
  for (const auto& warning : answered.warnings) print_warning(console, warning);
  if (console.is_json) {
    print_json(console, to_json(answered));
  } else {
    console.out << protocol::pretty_json(answered.reply.body()) << std::endl;
  }
  return exit_ok;
}

int run_send(Console& console, const SendOptions& options, bool waits) {
  if (!waits) {
    print_error(console,
                "no daemon is running here, and --no-wait needs one: without it a packet "
                "is sent and answered inside this command");
    return exit_daemon_away;
  }
  auto packet = read_packet(console, options.packet);
  if (!packet) {
    const int status = print_failed(console, packet.error());
    return packet.error().reason == "invalid_packet" ? exit_bad_input : status;
  }
  return send_here(console, *packet, options.here, [&](const services::Answered& answered) {
    return print_answer(console, answered);
  });
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
                   ->add_option("--wait", options->here.wait_s,
                                "Seconds to wait for the reply (default: as configured)")
                   ->type_name("SECONDS")
                   ->check(CLI::Range(1, 86400));
  command->add_flag("--no-wait", *no_wait, "Only queue the packet; needs a running daemon")
      ->excludes(wait);
  add_bridge_options(*command, options->here.bridge);
  command->callback([options, no_wait, &line] {
    line.run = [options, no_wait](Console& console) {
      return run_send(console, *options, !*no_wait);
    };
  });
}

}  // namespace app
