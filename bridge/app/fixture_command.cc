// flywheel fixture: serves the look-alike site until it is stopped.
#include "bridge/app/browser_session.h"
#include "bridge/app/command_line.h"
#include "fixtures/chatgpt/site.h"

#include <memory>

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace app {
namespace {

struct FixtureOptions {
  std::uint16_t port = 0;
  std::string shell = "C";
  int faults = 0;
};

int serve(Console& console, const FixtureOptions& options) {
  fixture::Knobs knobs;
  knobs.shell = options.shell;
  knobs.faults_percent = options.faults;
  auto site = fixture::Site::start({.port = options.port, .knobs = knobs});
  if (!site) {
    print_error(console, site.error().message);
    return exit_status_of(site.error());
  }
  const std::string url = (*site)->new_conversation();
  if (console.is_json) {
    print_json(console, {{"origin", (*site)->origin()}, {"conversation", url}});
  } else {
    console.out << fmt::format(
                       "a look-alike of ChatGPT for tests, on this machine only\n"
                       "  conversation  {}\n"
                       "  new chat      {}/\n"
                       "  controls      {}/__fixture/\n"
                       "Ctrl-C stops it.",
                       url, (*site)->origin(), (*site)->origin())
                << std::endl;
  }
  (*site)->run_until_stopped();
  return exit_ok;
}

}  // namespace

void add_fixture_command(CLI::App& root, CommandLine& line) {
  CLI::App* command =
      add_command(root, "fixture", "Serve the look-alike ChatGPT site that tests and demo use",
                  "flywheel fixture --port 8080 --shell B");
  auto options = std::make_shared<FixtureOptions>();
  command->add_option("--port", options->port, "The port on 127.0.0.1 (default: any free one)")
      ->type_name("PORT");
  command->add_option("--shell", options->shell, "The page: B, C or D (default C)")
      ->type_name("B|C|D")
      ->check(CLI::IsMember({"B", "C", "D"}));
  command->add_option("--faults", options->faults, "So many of a hundred messages go wrong")
      ->type_name("PERCENT")
      ->check(CLI::Range(0, 100));
  command->callback([options, &line] {
    line.run = [options](Console& console) { return serve(console, *options); };
  });
}

}  // namespace app
