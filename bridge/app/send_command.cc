// flywheel send: one packet into the configured conversation.
#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/job_report.h"
#include "bridge/app/project.h"
#include "bridge/app/send_packet.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"

#include <memory>

#include <fmt/format.h>

namespace app {
namespace {

base::Result<protocol::Packet> read_packet(Console& console, const std::string& path,
                                           const BridgeOptions& bridge) {
  TRY(const auto types, protocol::MessageTypes::load(own_schemas(bridge.config)));
  TRY(const std::string text, read_input(console, path, limits::packet_bytes_max));
  auto packet = protocol::Packet::parse(text, types);
  if (packet) return *std::move(packet);
  std::string message = fmt::format("{}: {}", path, packet.error().message);
  for (const auto& violation : packet.error().violations) {
    message += "\n  " + protocol::to_line(violation);
  }
  return base::fail(base::Code::invalid, std::move(message), "invalid_packet");
}

int run_send(Console& console, const std::string& path, const SendOptions& options) {
  auto packet = read_packet(console, path, options.bridge);
  if (!packet) {
    const int status = print_failed(console, packet.error());
    return packet.error().reason == "invalid_packet" ? exit_bad_input : status;
  }
  return send_packet(console, *packet, options,
                     [&](const boost::json::object& view) { return print_job(console, view); });
}

}  // namespace

void add_send_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(
      root, "send", "Post a packet into the configured conversation and print the validated reply",
      "flywheel send packet.json");
  auto options = std::make_shared<SendOptions>();
  auto path = std::make_shared<std::string>();
  command->add_option("packet", *path, "The packet; - reads standard input")
      ->type_name("FILE")
      ->required();
  auto* wait =
      add_end_wait(*command, *options,
                   "Wait for the end, at most so many seconds, as in --wait 60 (default: as "
                   "long as it takes)");
  command
      ->add_flag_callback(
          "--no-wait", [options] { options->waits = false; },
          "Only queue the packet; needs a running daemon")
      ->excludes(wait);
  add_bridge_options(*command, options->bridge);
  command->callback([options, path, &line] {
    line.run = [options, path](Console& console) { return run_send(console, *path, *options); };
  });
}

}  // namespace app
