// flywheel demo: the whole way of five packets, on this machine alone.
#include "bridge/app/browser_session.h"
#include "bridge/app/command_line.h"
#include "bridge/app/job_report.h"
#include "bridge/app/loop.h"
#include "bridge/app/temporary_folder.h"
#include "bridge/protocol/text.h"
#include "embedded/example_packets.h"
#include "fixtures/chatgpt/site.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace app {
namespace {

struct DemoOptions {
  std::string shell = "C";
  bool is_headed = false;
  bool keeps = false;
};

// A bead is planned first and accepted last.
std::ptrdiff_t place_in_a_beads_life(const protocol::Packet& packet) {
  static constexpr std::array<std::string_view, 5> order = {
      "RFP_PLAN", "RFP_ARBITRATE", "SPEC_LOCK", "EVIDENCE_BUNDLE", "ACCEPTANCE_GATE"};
  return std::ranges::find(order, packet.type().name) - order.begin();
}

class Demo {
 public:
  Demo(Console& console, DemoOptions options) : console_(console), options_(std::move(options)) {}

  base::Result<> start() {
    fixture::Knobs knobs;
    knobs.shell = options_.shell;
    knobs.generate_ms_min = 400;
    knobs.generate_ms_max = 1400;
    TRY(folder_, TemporaryFolder::make("flywheel-demo"));
    TRY(site_, fixture::Site::start({.knobs = knobs}));
    url_ = site_->new_conversation();
    for (const auto& file : embedded::example_packets()) {
      auto packet = protocol::Packet::parse(file.content, types_);
      if (!packet) return std::unexpected<base::Error>(packet.error());
      packets_.push_back(std::move(*packet));
    }
    std::ranges::sort(packets_, {}, place_in_a_beads_life);
    return {};
  }

  boost::asio::awaitable<int> run(boost::asio::any_io_executor executor, Signals& signals) {
    say(fmt::format("look-alike site: {} (shell {}), a stand-in for the real one on this machine",
                    url_, options_.shell));
    auto opened = Bridge::open(executor, clock_, faults_, settings());
    if (!opened) co_return report(opened.error());
    auto bridge = *std::move(opened);
    auto ended = co_await signals.until(post_all(*bridge));
    if (ended && options_.keeps) co_await keep_open(signals);
    co_await bridge->stop();
    co_return ended.value_or(exit_interrupted);
  }

 private:
  BridgeSettings settings() const {
    BridgeSettings settings;
    settings.state = folder_->path();
    settings.store = (folder_->path() / "flywheel.db").string();
    settings.holder = "flywheel demo";
    settings.account = "demo";
    settings.writer = "demo";
    settings.packets.url = url_;
    settings.exchange.reply = std::chrono::seconds(60);
    settings.chrome.launch.profile_dir = folder_->path() / "profile";
    settings.chrome.launch.window =
        options_.is_headed ? cdp::Window::headed : cdp::Window::headless;
    settings.browser.window = settings.chrome.launch.window;
    settings.browser.care.home_url = url_;
    return settings;
  }

  boost::asio::awaitable<int> post_all(Bridge& bridge) {
    int status = exit_ok;
    for (const auto& packet : packets_) {
      auto view = co_await post(bridge, packet);
      if (!view) co_return report(view.error());
      status = print_job(console_, *view);
      if (status != exit_ok) co_return status;
    }
    auto looked = co_await bridge.account().session().check();
    if (looked) say(fmt::format("\nbrowser: {}, {}", looked->browser, window_name()));
    co_return check_ledger();
  }

  std::string_view window_name() const { return options_.is_headed ? "in a window" : "headless"; }

  base::Task<boost::json::object> post(Bridge& bridge, const protocol::Packet& packet) {
    progress_.begin(fmt::format("\n{} for {}", packet.type().name, packet.bead_id()));
    const services::Caller caller{
        .principal = "demo", .name = std::string(packet.sender()), .may_send_for_others = true};
    co_return co_await see_through(bridge, caller, boost::json::value(packet.body()), progress_,
                                   base::Instant::max(), Rest::worked);
  }

  // The site's own record decides whether the demo kept the bridge's promise.
  int check_ledger() {
    const fixture::Ledger ledger = site_->ledger();
    const std::size_t accepted = ledger.accepted().size();
    say(
        fmt::format("\nthe site's ledger: {} messages accepted for {} packets, {} sent twice, {} "
                    "forbidden clicks",
                    accepted, packets_.size(), ledger.duplicates(), ledger.forbidden.size()));
    const bool is_kept =
        accepted == packets_.size() && ledger.duplicates() == 0 && ledger.forbidden.empty();
    return is_kept ? exit_ok : exit_negative;
  }

  boost::asio::awaitable<void> keep_open(Signals& signals) {
    say(fmt::format("open {} to look around, {}/__fixture/ for the site's controls; Ctrl-C ends it",
                    url_, site_->origin()));
    co_await signals.wait();
  }

  int report(const base::Error& error) {
    print_error(console_, error.message);
    return exit_status_of(error);
  }

  void say(const std::string& text) { console_.err << text << std::endl; }

  Console& console_;
  DemoOptions options_;
  base::SystemClock clock_;
  base::Faults faults_;
  Progress progress_{console_, clock_, Chatter::always};
  std::unique_ptr<TemporaryFolder> folder_;
  protocol::MessageTypes types_ = protocol::MessageTypes::built_in();
  std::unique_ptr<fixture::Site> site_;
  std::string url_;
  std::vector<protocol::Packet> packets_;
};

int run_demo(Console& console, const DemoOptions& options) {
  Demo demo(console, options);
  if (auto started = demo.start(); !started) {
    print_error(console, started.error().message);
    return exit_status_of(started.error());
  }
  return run_with_signals([&demo](boost::asio::any_io_executor executor, Signals& signals) {
    return demo.run(std::move(executor), signals);
  });
}

}  // namespace

void add_demo_command(CLI::App& root, CommandLine& line) {
  CLI::App* command = add_command(root, "demo",
                                  "Post one packet of each type into a look-alike ChatGPT on this "
                                  "machine and print the replies",
                                  "flywheel demo --shell B");
  auto options = std::make_shared<DemoOptions>();
  command->add_option("--shell", options->shell, "The look-alike's page: B, C or D (default C)")
      ->type_name("B|C|D")
      ->check(CLI::IsMember({"B", "C", "D"}));
  command->add_flag("--headed", options->is_headed, "Show the browser in a window");
  command->add_flag("--keep", options->keeps, "Leave site and browser open until Ctrl-C");
  command->callback([options, &line] {
    line.run = [options](Console& console) { return run_demo(console, *options); };
  });
}

}  // namespace app
