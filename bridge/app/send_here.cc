#include "bridge/app/send_here.h"

#include "bridge/app/exchange_report.h"
#include "bridge/app/exit_status.h"
#include "bridge/app/loop.h"

#include <algorithm>

#include <fmt/format.h>

namespace app {
namespace {

using OnAnswer = std::function<int(const services::Answered&)>;

struct Job {
  const protocol::Packet& packet;
  Config config;
  std::string key;
};

base::Result<Job> prepare(const protocol::Packet& packet, const SendHere& options) {
  TRY(auto config, config_for(options.bridge));
  const bool is_welcome =
      config.senders.empty() ||
      std::ranges::find(config.senders, packet.sender()) != config.senders.end();
  if (!is_welcome) {
    return base::fail(base::Code::denied,
                      fmt::format("sender \"{}\" is not among bridge.senders", packet.sender()));
  }
  TRY(auto key, marker_key(config));
  return Job{packet, std::move(config), std::move(key)};
}

int print_failure(Console& console, const services::ExchangeFailure& failure) {
  if (console.is_json) print_json(console, to_json(failure));
  if (!console.is_json && !failure.raw.empty()) {
    print_error(console, "the reply as it came:\n" + failure.raw);
  }
  return print_failed(console, failure);
}

boost::asio::awaitable<int> send(Console& console, const SendHere& options, const Job& job,
                                 const OnAnswer& on_answer, ProgressObserver& observer,
                                 base::Clock& clock) {
  observer.begin(fmt::format("{} for {} into {}", job.packet.type().name, job.packet.bead_id(),
                             job.config.crt_url));
  auto opened = co_await BrowserSession::open(browser_settings(job.config, options.bridge), clock);
  if (!opened) co_return print_failed(console, opened.error());
  auto session = std::move(*opened);
  const auto reply_limit =
      options.wait_s ? std::chrono::seconds(*options.wait_s) : job.config.timeouts.reply;
  services::Exchange exchange(session->chat(), clock, job.key,
                              {.reply = reply_limit, .repairs_max = job.config.limits.repairs});
  auto answered = co_await exchange.run(job.packet, observer);
  int status = answered ? on_answer(*answered) : print_failure(console, answered.error());
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

}  // namespace

int print_failed(Console& console, const base::Error& error) {
  print_error(console, error.message);
  return exit_status_of(error);
}

int send_here(Console& console, const protocol::Packet& packet, const SendHere& options,
              const OnAnswer& on_answer) {
  auto job = prepare(packet, options);
  if (!job) return print_failed(console, job.error());
  print_progress(console, "no daemon is running here: the packet is sent by this command itself");
  base::SystemClock clock;
  ProgressObserver observer(console, clock, Chatter::terminal_only);
  const int status =
      run_to_end(console, [&] { return send(console, options, *job, on_answer, observer, clock); });
  if (status == exit_interrupted && observer.is_armed()) {
    print_warning(console,
                  "the message may have been sent; look into the conversation before the "
                  "packet is sent again");
  }
  return status;
}

}  // namespace app
