#include "bridge/app/send_packet.h"

#include "bridge/app/daemon_client.h"
#include "bridge/app/exit_status.h"
#include "bridge/app/job_report.h"
#include "bridge/app/loop.h"
#include "bridge/base/limits.h"
#include "bridge/http/authenticator.h"
#include "bridge/services/keys.h"

#include <algorithm>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using OnEnd = std::function<int(const json::object&)>;

base::Instant this_moment() { return base::Instant::clock::now(); }

// Before the caller was known by a key, a packet was sent under this name.
constexpr std::string_view former_principal = "local";

// Who hands a packet in here is who would by the daemon, where the same packet is the same job.
base::Task<services::Caller> caller_of(Console& console, Bridge& bridge, const base::Clock& clock,
                                       const std::filesystem::path& state,
                                       const protocol::Packet& packet) {
  services::Keys keys(bridge.store(), bridge.journal(), clock);
  CO_TRY(const auto admin, co_await keys.ensure_admin(state / "admin.key", http::new_api_key));
  if (!admin.replaced.empty()) {
    print_notice(console, "the key in admin.key was good no more: a new one is there");
  }
  CO_TRY(const auto former, co_await bridge.store().read([&](store::Tx& tx) {
    return bridge.queue().find(tx, std::string(former_principal), packet.idempotency_key());
  }));
  // Whoever can start this command could as well write the store.
  co_return services::Caller{
      .principal = former ? std::string(former_principal) : "key:" + admin.key.id,
      .name = std::string(packet.sender()),
      .may_send_for_others = true};
}

awaitable<int> send_here(Console& console, const protocol::Packet& packet, const Config& config,
                         const SendOptions& options, const OnEnd& on_end,
                         boost::asio::any_io_executor executor, Signals& signals) {
  base::SystemClock clock;
  base::Faults faults;
  Progress progress(console, clock, Chatter::terminal_only);
  auto settings = bridge_settings(config, options.bridge);
  settings.holder = "flywheel send";
  auto opened = Bridge::open(executor, clock, faults, std::move(settings));
  if (!opened) co_return print_failed(console, opened.error());
  auto bridge = *std::move(opened);
  progress.begin(
      fmt::format("{} for {} into {}", packet.type().name, packet.bead_id(), config.crt_url));
  const auto deadline =
      options.wait_s ? clock.now() + std::chrono::seconds(*options.wait_s) : base::Instant::max();
  int status = exit_interrupted;
  const auto caller =
      co_await bridge->while_store_lives(caller_of(console, *bridge, clock, config.state, packet));
  if (!caller) {
    status = print_failed(console, caller.error());
    co_await bridge->stop();
    co_return status;
  }
  auto ended = co_await signals.until(see_through(*bridge, *caller, json::value(packet.body()),
                                                  progress, deadline, Rest::left_alone));
  if (ended && *ended) (**ended)["in_process"] = true;
  if (ended) status = *ended ? on_end(**ended) : print_failed(console, ended->error());
  co_await bridge->stop();
  if (!ended) {
    print_error(console,
                "interrupted; the packet stays in the queue, and a message that may have been "
                "sent is looked for before anything is sent again");
  }
  co_return status;
}

// A daemon that is started anew answers again.
bool may_come_back(const base::Error& error) {
  return error.code == base::Code::unavailable || error.code == base::Code::timeout ||
         error.code == base::Code::busy;
}

base::Task<json::object> look_at_packet(http::Client& client, const std::string& id,
                                        base::Instant deadline) {
  // Rounded up: whoever asks for no time is answered at once, and would ask without end.
  const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - this_moment());
  const auto wait = std::clamp<std::int64_t>(left.count(), 0, limits::http_wait_max.count());
  http::ClientRequest request{.target = fmt::format("/api/packets/{}?wait={}", id, wait)};
  CO_TRY(auto answer, co_await client.call_json(std::move(request)));
  if (!answer.is_object()) {
    co_return base::fail(base::Code::internal, "the daemon's answer is no object");
  }
  co_return std::move(answer.get_object());
}

// A packet that the daemon has. Over a restart of the daemon it is looked for again, for its
// address and its key may be others by then.
class Following {
 public:
  Following(Console& console, http::Client& client, const BridgeOptions& bridge, std::string id)
      : console_(console), client_(client), bridge_(bridge), id_(std::move(id)) {}
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;
  // Whoever interrupts the command is told as well how to go on.
  ~Following() {
    if (!is_told_) print_notice(console_, how_to_go_on());
  }

  // Held by the daemon for as long as it allows, again and again.
  base::Task<json::object> to_the_end(base::Instant deadline, Progress& progress) {
    std::string shown;
    for (;;) {
      CO_TRY(auto view, co_await look(deadline));
      const std::string state(view.at("state").as_string());
      const std::string stage(view.at("stage").as_string());
      if (std::string now_there = state + ", " + stage; now_there != shown) {
        progress.say(fmt::format("  {}", now_there));
        shown = std::move(now_there);
      }
      const bool goes_on = state == "queued" || state == "running";
      if (goes_on && this_moment() < deadline) continue;
      is_told_ = true;
      co_return view;
    }
  }

  // Nothing more is to be heard of it here.
  int give_up(base::Error error) {
    is_told_ = true;
    error.message += "; " + how_to_go_on();
    return print_failed(console_, error, {{"id", id_}});
  }

 private:
  base::Task<json::object> look(base::Instant deadline) {
    base::SystemClock clock;
    std::optional<base::Instant> until;  // of a daemon that is away
    for (;;) {
      auto view = co_await look_at_packet(client_, id_, deadline);
      if (view || !may_come_back(view.error())) co_return view;
      if (!until) {
        until = std::min(deadline, this_moment() + limits::daemon_returns);
        print_notice(console_,
                     fmt::format("{}; waiting for the daemon to come back", view.error().message));
      }
      if (this_moment() >= *until) co_return view;
      co_await clock.sleep_until(this_moment() + limits::daemon_look);
      const auto place = find_daemon(bridge_);
      if (place && *place) client_ = client_of(**place);
    }
  }

  std::string how_to_go_on() const {
    return fmt::format(
        "packet {0} is the daemon's and goes on without this command: flywheel "
        "packet show {0} --wait 60",
        id_);
  }

  Console& console_;
  http::Client& client_;
  const BridgeOptions& bridge_;
  const std::string id_;
  bool is_told_ = false;
};

awaitable<int> send_there(Console& console, http::Client& client, const protocol::Packet& packet,
                          const SendOptions& options, const OnEnd& on_end) {
  const base::SystemClock clock;
  Progress progress(console, clock, Chatter::terminal_only);
  progress.begin(fmt::format("{} for {}, by the daemon", packet.type().name, packet.bead_id()));
  http::ClientRequest request{
      .method = "POST", .target = "/api/packets", .body = json::value(packet.body())};
  auto answer = co_await client.call_well(std::move(request));
  if (!answer) {
    if (may_come_back(answer.error())) {
      answer.error().message += "; handed in again it is the same packet, and not sent twice";
    }
    co_return print_failed(console, answer.error());
  }
  const bool is_replay = answer->header("idempotency-replayed") == "true";
  const auto body = answer->json();
  if (!body.is_object()) {
    co_return print_failed(console, {base::Code::internal, "the daemon's answer is no object"});
  }
  auto accepted = body.get_object();
  if (is_replay) accepted["replayed"] = true;
  if (!options.waits) {
    print_warnings(console, accepted);
    if (console.is_json) {
      print_json(console, accepted);
    } else {
      console.out << std::string_view(accepted.at("id").as_string()) << '\n';
    }
    co_return exit_ok;
  }
  const auto deadline =
      options.wait_s ? this_moment() + std::chrono::seconds(*options.wait_s) : base::Instant::max();
  const std::string id(accepted.at("id").as_string());
  progress.say("  packet " + id);
  Following following(console, client, options.bridge, id);
  auto view = co_await following.to_the_end(deadline, progress);
  if (!view) co_return following.give_up(std::move(view).error());
  if (is_replay) (*view)["replayed"] = true;
  co_return on_end(*view);
}

}  // namespace

CLI::Option* add_end_wait(CLI::App& command, SendOptions& options, const std::string& text) {
  // What a flag without a value is for CLI11.
  static constexpr std::string_view without = "true";
  return command.add_flag("--wait")
      ->description(text)
      ->option_text("[=SECONDS]")
      ->type_name("SECONDS")
      ->check([](const std::string& given) {
        return given == without ? std::string() : CLI::Range(1, 86400)(given);
      })
      ->each([&options](const std::string& given) {
        options.wait_s.reset();
        int seconds = 0;
        if (given != without && CLI::detail::lexical_cast(given, seconds)) options.wait_s = seconds;
      });
}

int send_packet(Console& console, const protocol::Packet& packet, const SendOptions& options,
                const OnEnd& on_end) {
  auto place = find_daemon(options.bridge);
  if (!place) return print_failed(console, place.error());
  if (*place) {
    return run_with_daemon(console, options.bridge, [&](http::Client& client) {
      return send_there(console, client, packet, options, on_end);
    });
  }
  if (!options.waits) {
    return print_failed(console, {base::Code::unavailable,
                                  "no daemon is running here, and --no-wait needs one: without it "
                                  "a packet is sent and answered inside this command",
                                  "no_daemon"});
  }
  auto config = config_for(options.bridge);
  if (!config) return print_failed(console, config.error());
  if (auto made = make_state_folder(*config); !made) return print_failed(console, made.error());
  print_notice(console, "no daemon is running here: the packet is sent by this command itself");
  return run_with_signals([&](boost::asio::any_io_executor executor, Signals& signals) {
    return send_here(console, packet, *config, options, on_end, std::move(executor), signals);
  });
}

}  // namespace app
