// The bridge's part of the chat bench, and what the other drivers need from it. Every role prints
// JSON lines; times are nanoseconds of CLOCK_MONOTONIC, as in the site's ledger.
//   jobs pipe|WS_URL CONVERSATION both|dom_only PACKET COUNT   posts it COUNT + 1 times
//   bare pipe|WS_URL CONVERSATION PROMPTS    posts every prompt and reads the stream, no more
//   commands pipe|WS_URL COUNT                                CPU time of so many commands
//   first WS_URL                                             attaches, evaluates once
//   prompts PACKET COUNT                                     the prompts of COUNT jobs
//   start PROGRAM ARGUMENT...                                runs a `first`, tells how long
#include "bridge/base/hash.h"
#include "bridge/base/ids.h"
#include "bridge/chat/chat_page.h"
#include "bridge/protocol/prompt.h"
#include "bridge/services/finish.h"
#include "cdp/browser.h"
#include "tests/bench/chat/bare_reader.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr int usage_error = 64;

std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

double cpu_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

// A line of /proc/self/status, such as VmRSS, in KiB.
std::int64_t memory_kib(std::string_view name) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::atoll(line.c_str() + name.size() + 1);
  }
  return 0;
}

void print(const json::object& line) {
  fmt::print("{}\n", json::serialize(line));
  std::fflush(stdout);
}

base::Result<protocol::Packet> read_packet(const char* file, const protocol::MessageTypes& types) {
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  auto packet = protocol::Packet::parse(text, types);
  if (!packet) return std::unexpected<base::Error>(packet.error());
  return *std::move(packet);
}

// For the profile of a browser of our own.
struct Folder {
  Folder() { BRIDGE_ASSERT(::mkdtemp(path.data()) != nullptr); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  std::string path = "/tmp/chat-bench-XXXXXX";
};

cdp::Task<std::unique_ptr<cdp::Browser>> connect(const std::string& how,
                                                 const std::filesystem::path& profile) {
  if (how != "pipe") co_return co_await cdp::Browser::attach(how);
  co_return co_await cdp::Browser::launch({.profile_dir = profile});
}

// Notes when the driver has judged the page ready. Nothing is made durable.
class Stopwatch final : public chat::SendSteps {
 public:
  base::Task<> intent(const chat::Baseline&) override {
    ready_ns = now_ns();
    co_return base::Result<>();
  }
  base::Task<> armed() override { co_return base::Result<>(); }
  std::int64_t ready_ns = 0;
};

struct Jobs {
  std::string browser;
  std::filesystem::path profile;
  std::string conversation;
  chat::Routes routes;
  protocol::Packet packet;
  int count;
};

// One exchange from the packet to the checked reply and the page's end of it.
base::Task<json::object> run_job(chat::ChatPage& chat, const protocol::Packet& packet,
                                 const std::string& key, const base::Clock& clock) {
  const std::string id = base::uuid_v7(clock.wall());
  CO_TRY(auto rendered, protocol::render(packet, id, key));
  const chat::Prompt prompt{rendered.text, rendered.marker, rendered.end_marker};
  Stopwatch watch;
  CO_TRY(const auto sent, co_await chat.send(prompt, watch));
  services::ReplyFinish finish(packet, prompt.end_marker);
  CO_TRY(const auto raw, co_await chat.reply(sent, prompt, finish, std::chrono::seconds(60)));
  const auto found = finish.take(raw);
  const std::int64_t read_ns = now_ns();
  if (!found) co_return base::fail(base::Code::invalid, "the reply is not usable");
  CO_TRY_OK(co_await chat.settle(sent, prompt, raw));
  co_return json::object{{"job", id},
                         {"route", raw.route},
                         {"ready_ns", watch.ready_ns},
                         {"received_ns", raw.received.time_since_epoch().count()},
                         {"read_ns", read_ns}};
}

base::Task<> run_jobs(const Jobs& jobs) {
  base::SystemClock clock;
  CO_TRY(const auto profiles, chat::Profiles::load({}));
  auto browser = co_await connect(jobs.browser, jobs.profile);
  if (!browser) co_return std::unexpected(chat::translate(browser.error(), "attach"));
  auto page = co_await (*browser)->open("about:blank");
  if (!page) co_return std::unexpected(chat::translate(page.error(), "open a tab"));
  chat::ChatOptions options{.url = jobs.conversation, .routes = jobs.routes};
  CO_TRY(auto chat,
         co_await chat::ChatPage::open(std::move(*page), profiles, std::move(options), clock));
  const std::string key = base::random_bytes(32);
  // The first job warms both sides up.
  for (int i = 0; i <= jobs.count; ++i) {
    const double cpu_before = cpu_ms();
    CO_TRY(auto timed, co_await run_job(*chat, jobs.packet, key, clock));
    if (i == 0) continue;
    timed["cpu_ms"] = cpu_ms() - cpu_before;
    print(timed);
  }
  print({{"resident_kib", memory_kib("VmRSS")}, {"resident_peak_kib", memory_kib("VmHWM")}});
  (void)co_await (*browser)->close();
  co_return base::Result<>();
}

cdp::Task<> run_bare(const std::string& how, const std::string& conversation,
                     const std::vector<bench::BareJob>& jobs,
                     const std::filesystem::path& profile) {
  CO_TRY(auto browser, co_await connect(how, profile));
  CO_TRY(auto page, co_await browser->open("about:blank"));
  CO_TRY_OK(co_await page->navigate(conversation));
  double cpu_before = cpu_ms();
  bool is_warm = false;
  const auto tell = [&](const bench::BareTimes& times) {
    // The first job warms both sides up.
    if (std::exchange(is_warm, true)) {
      print({{"job", times.job},
             {"ready_ns", times.ready_ns},
             {"read_ns", times.read_ns},
             {"cpu_ms", cpu_ms() - cpu_before}});
    }
    cpu_before = cpu_ms();
  };
  CO_TRY_OK(co_await bench::read_barely(*page, jobs, tell));
  print({{"resident_kib", memory_kib("VmRSS")}, {"resident_peak_kib", memory_kib("VmHWM")}});
  co_return co_await browser->close();
}

cdp::Task<> evaluate(cdp::Page& page, int times) {
  for (int i = 0; i < times; ++i) {
    CO_TRY_OK(co_await page.call("Runtime.evaluate", {{"expression", "1"}}));
  }
  co_return cdp::Result<>();
}

cdp::Task<> run_commands(const std::string& how, int count, const std::filesystem::path& profile) {
  CO_TRY(auto browser, co_await connect(how, profile));
  CO_TRY(auto page, co_await browser->first_page());
  CO_TRY_OK(co_await evaluate(*page, 100));
  const double before = cpu_ms();
  CO_TRY_OK(co_await evaluate(*page, count));
  print({{"commands", count}, {"cpu_ms", cpu_ms() - before}});
  co_return co_await browser->close();
}

cdp::Task<> run_first(const std::string& url) {
  CO_TRY(auto browser, co_await cdp::Browser::attach(url));
  CO_TRY(auto page, co_await browser->first_page());
  CO_TRY(const auto value, co_await page->evaluate("1"));
  print({{"evaluated_ns", now_ns()}, {"value", value}});
  co_return cdp::Result<>();
}

// Says what went wrong; the exit status.
int report(const std::string& message) {
  fmt::print(stderr, "chat_bench: {}\n", message);
  return 1;
}

template <class Outcome>
int run_loop(asio::awaitable<Outcome> story) {
  asio::io_context loop(1);
  int status = 1;
  asio::co_spawn(loop, std::move(story),
                 [&status](const std::exception_ptr& bug, const Outcome& outcome) {
                   if (bug) std::rethrow_exception(bug);
                   status = outcome ? 0 : report(outcome.error().message);
                 });
  loop.run();
  return status;
}

int jobs(char** argument) {
  const auto types = protocol::MessageTypes::built_in();
  auto packet = read_packet(argument[3], types);
  if (!packet) return report(packet.error().message);
  const auto routes =
      std::string_view(argument[2]) == "both" ? chat::Routes::both : chat::Routes::dom_only;
  const Folder profile;
  const Jobs wanted{argument[0], profile.path,       argument[1],
                    routes,      *std::move(packet), std::atoi(argument[4])};
  return run_loop(run_jobs(wanted));
}

int bare(char** argument) {
  std::ifstream in(argument[2]);
  std::vector<bench::BareJob> jobs;
  for (std::string line; std::getline(in, line);) {
    const auto prompt = json::parse(line);
    jobs.push_back({.job = std::string(prompt.at("job").as_string()),
                    .text = std::string(prompt.at("text").as_string())});
  }
  const Folder profile;
  const std::string how = argument[0];
  const std::string conversation = argument[1];
  return run_loop(run_bare(how, conversation, jobs, profile.path));
}

int commands(char** argument) {
  const Folder profile;
  const std::string how = argument[0];
  return run_loop(run_commands(how, std::atoi(argument[1]), profile.path));
}

int first(char** argument) {
  const std::string url = argument[0];
  return run_loop(run_first(url));
}

int prompts(char** argument) {
  const auto types = protocol::MessageTypes::built_in();
  const auto packet = read_packet(argument[0], types);
  if (!packet) return report(packet.error().message);
  const std::string key = base::random_bytes(32);
  for (int i = 0; i < std::atoi(argument[1]); ++i) {
    const std::string job = base::uuid_v7(std::chrono::system_clock::now());
    const auto prompt = protocol::render(*packet, job, key);
    if (!prompt) return report(prompt.error().message);
    print({{"job", job}, {"text", prompt->text}, {"end_marker", prompt->end_marker}});
  }
  return 0;
}

// Measured from here, so that the starting of a process costs every driver the same little.
int start(char** argument) {
  int out[2];
  if (::pipe(out) != 0) return report("no pipe can be made");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addclose(&actions, out[0]);
  pid_t child = 0;
  const std::int64_t started_ns = now_ns();
  const int failure = ::posix_spawnp(&child, argument[0], &actions, nullptr, argument, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  if (failure != 0) return report(fmt::format("{} cannot be started", argument[0]));
  std::string text;
  std::array<char, 512> piece{};
  for (ssize_t size; (size = ::read(out[0], piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
  ::close(out[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  boost::system::error_code malformed;
  const auto told = json::parse(text, malformed);
  if (malformed || status != 0) return report(fmt::format("{} failed: {}", argument[0], text));
  const auto evaluated_ns = told.at("evaluated_ns").to_number<std::int64_t>();
  print({{"first_ms", static_cast<double>(evaluated_ns - started_ns) / 1e6}});
  return 0;
}

struct Role {
  std::string_view name;
  int arguments_min;
  int (*run)(char** argument);
};

constexpr std::array<Role, 6> roles = {{{"jobs", 5, jobs},
                                        {"bare", 3, bare},
                                        {"commands", 2, commands},
                                        {"first", 1, first},
                                        {"prompts", 2, prompts},
                                        {"start", 1, start}}};

}  // namespace

int main(int argc, char** argv) {
  for (const Role& role : roles) {
    if (argc >= 2 && role.name == argv[1] && argc >= 2 + role.arguments_min) {
      return role.run(argv + 2);
    }
  }
  fmt::print(stderr,
             "usage: chat_bench jobs pipe|WS_URL CONVERSATION both|dom_only PACKET COUNT\n"
             "       chat_bench bare pipe|WS_URL CONVERSATION PROMPTS\n"
             "       chat_bench commands pipe|WS_URL COUNT\n"
             "       chat_bench first WS_URL\n"
             "       chat_bench prompts PACKET COUNT\n"
             "       chat_bench start PROGRAM ARGUMENT...\n");
  return usage_error;
}
