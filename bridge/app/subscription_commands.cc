// flywheel subscription: which events an agent is told of, and what became of its webhooks.
#include "bridge/app/foreign_text.h"
#include "bridge/app/project.h"
#include "bridge/app/remote_call.h"
#include "bridge/base/limits.h"

#include <vector>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::size_t secret_bytes_max = 200;

struct SubscriptionOptions {
  BridgeOptions bridge;
  std::string agent, id, url, secret_file, state, from, through, key;
  std::vector<std::string> types, subjects, categories;
};
using Story = std::function<awaitable<int>(Console&, const SubscriptionOptions&, http::Client&)>;

std::string path_of(const SubscriptionOptions& options, std::string_view verb = {}) {
  const auto path = fmt::format("/api/gpt-agents/{}/subscriptions", encoded(options.agent));
  if (options.id.empty()) return path;
  return fmt::format("{}/{}{}", path, encoded(options.id), verb);
}

// A list, joined; "all" where nothing narrows it.
std::string words_of(const json::object& subscription, std::string_view name) {
  const auto* list = subscription.if_contains(name);
  std::string text;
  if (!list || !list->is_array()) return "all";
  for (const auto& word : list->get_array()) {
    if (!text.empty()) text += ", ";
    text += std::string_view(word.as_string());
  }
  return text.empty() ? "all" : text;
}

void print_line(Console& console, const json::object& one) {
  console.out << fmt::format("{}  {:<7}  {:<8}  {}  {}\n", line_in(one, "id"),
                             line_in(one, "delivery"), line_in(one, "state"),
                             shown(words_of(one, "types")), line_in(one, "url"));
}

void print_whole(Console& console, const json::value& answer) {
  const auto& one = answer.as_object();
  const auto row = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) console.out << fmt::format("{:<16} {}\n", name, shown(text));
  };
  for (const auto* name : {"id", "agent", "delivery", "state", "url", "secret"}) {
    row(name, text_in(one, name));
  }
  for (const auto* name : {"types", "subjects", "categories"}) row(name, words_of(one, name));
  for (const auto* name : {"disabled", "failures", "failing_since", "throttled_until", "pending"}) {
    row(name, text_in(one, name));
  }
}

void print_delivery(Console& console, const json::object& one) {
  console.out << fmt::format("{}  {:<9}  event {:<8}  {:<28}  {} tried  {}\n", line_in(one, "id"),
                             line_in(one, "state"), line_in(one, "event"), line_in(one, "type"),
                             line_in(one, "attempts"), line_in(one, "detail"));
}

void add_words(json::object& body, std::string_view name, const std::vector<std::string>& words) {
  if (!words.empty()) body[name] = json::array(words.begin(), words.end());
}

// The secret, or nothing for one that the daemon makes.
base::Result<std::string> secret_of(Console& console, const SubscriptionOptions& options) {
  if (options.secret_file.empty()) return std::string();
  TRY(auto secret, read_input(console, options.secret_file, secret_bytes_max));
  while (secret.ends_with('\n')) secret.pop_back();
  return secret;
}

awaitable<int> create(Console& console, const SubscriptionOptions& options, http::Client& client) {
  auto secret = secret_of(console, options);
  if (!secret) co_return print_failed(console, secret.error());
  json::object body;
  add_words(body, "types", options.types);
  add_words(body, "subjects", options.subjects);
  add_words(body, "categories", options.categories);
  if (!options.url.empty()) body["url"] = options.url;
  if (!secret->empty()) body["secret"] = *secret;
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  http::ClientRequest request{
      .method = "POST",
      .target = fmt::format("/api/gpt-agents/{}/subscribe", encoded(options.agent)),
      .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    print_whole(console, answer);
    if (!text_in(answer.as_object(), "secret").empty()) {
      console.err << "the secret is not shown again\n";
    }
  });
}

awaitable<int> list(Console& console, const SubscriptionOptions& options, http::Client& client) {
  const auto target = fmt::format("{}?limit={}", path_of(options), limits::http_page_max);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      print_line(console, item.as_object());
    }
    if (items_of(answer).empty()) console.err << "no subscriptions\n";
  });
}

awaitable<int> show(Console& console, const SubscriptionOptions& options, http::Client& client) {
  co_return co_await call(console, client, {.target = path_of(options)},
                          [&](const json::value& answer) { print_whole(console, answer); });
}

awaitable<int> remove(Console& console, const SubscriptionOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "POST",
      .target = fmt::format("/api/gpt-agents/{}/unsubscribe", encoded(options.agent)),
      .body = json::value(json::object{{"subscription", options.id}})};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value&) { console.out << options.id << " removed\n"; });
}

awaitable<int> enable(Console& console, const SubscriptionOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "POST", .target = path_of(options, "/enable")};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value& answer) { print_whole(console, answer); });
}

awaitable<int> rotate(Console& console, const SubscriptionOptions& options, http::Client& client) {
  auto secret = secret_of(console, options);
  if (!secret) co_return print_failed(console, secret.error());
  json::object body;
  if (!secret->empty()) body["secret"] = *secret;
  http::ClientRequest request{.method = "POST",
                              .target = path_of(options, "/rotate"),
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value& answer) { print_whole(console, answer); });
}

awaitable<int> replay(Console& console, const SubscriptionOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "POST",
      .target = path_of(options, "/replay"),
      .body = json::value(json::object{{"from", options.from}, {"through", options.through}})};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    const auto& replayed = answer.as_object();
    console.out << fmt::format("{} events, through {}{}\n", text_in(replayed, "replayed"),
                               text_in(replayed, "through"),
                               replayed.at("complete").as_bool() ? "" : "; go on from there");
  });
}

awaitable<int> deliveries(Console& console, const SubscriptionOptions& options,
                          http::Client& client) {
  std::string target = "/api/deliveries";
  add_query(target, "subscription", options.id);
  add_query(target, "state", options.state);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) print_delivery(console, item.as_object());
    if (items_of(answer).empty()) console.err << "no deliveries\n";
  });
}

awaitable<int> redeliver(Console& console, const SubscriptionOptions& options,
                         http::Client& client) {
  http::ClientRequest request{.method = "POST",
                              .target = "/api/deliveries/" + encoded(options.id) + "/replay"};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    print_delivery(console, answer.as_object());
  });
}

using More = std::function<void(CLI::App&, SubscriptionOptions&)>;

void add_agent(CLI::App& command, SubscriptionOptions& options) {
  command.add_option("agent", options.agent, "The agent: id, name or alias")
      ->type_name("AGENT")
      ->required();
}

void add_one(CLI::App& command, SubscriptionOptions& options) {
  add_agent(command, options);
  command.add_option("id", options.id, "The subscription, or the beginning of its id")
      ->type_name("ID")
      ->required();
}

void add_secret(CLI::App& command, SubscriptionOptions& options) {
  command
      .add_option("--secret-file", options.secret_file,
                  "Where the secret is (whsec_…; - reads standard input); without, one is made")
      ->type_name("FILE");
}

void add_new(CLI::App& command, SubscriptionOptions& options) {
  add_agent(command, options);
  command.add_option("--type", options.types, "Only events of this type (\"packet.*\"); repeat it")
      ->type_name("TYPE");
  command.add_option("--subject", options.subjects, "Only about this id; repeat it")
      ->type_name("ID");
  command
      .add_option("--category", options.categories, "Only of agents of this category; repeat it")
      ->type_name("CATEGORY");
  command.add_option("--url", options.url, "POST them there; without, they are a stream to read")
      ->type_name("URL");
  add_secret(command, options);
  command.add_option("--idempotency-key", options.key, "The same key subscribes once")
      ->type_name("KEY");
}

void add_deliveries(CLI::App& command, SubscriptionOptions& options) {
  command.add_option("--subscription", options.id, "Only of this one")->type_name("ID");
  command.add_option("--is", options.state, "Only those in this state; dead: given up")
      ->type_name("pending|delivered|dead")
      ->check(CLI::IsMember({"pending", "delivered", "dead"}));
}

}  // namespace

void add_subscription_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "subscription", "Which events an agent is told of, and how",
                              "flywheel subscription list ann");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, Story story, const More& more) {
    add_remote_command<SubscriptionOptions>(
        *group, line, name, summary, "flywheel subscription " + example, std::move(story), more);
  };
  add("create", "Tell an agent of events from now on",
      "create ann --type 'packet.*' --url https://hooks.example.com/flywheel", create, add_new);
  add("list", "List an agent's subscriptions", "list ann", list, add_agent);
  add("show", "Show one: its state, failures and what waits", "show ann 0197", show, add_one);
  add("delete", "Tell it no more", "delete ann 0197", remove, add_one);
  add("enable", "Let a disabled webhook go on where it stopped", "enable ann 0197", enable,
      add_one);
  add("rotate", "Give a webhook a new secret; the old one signs as well for a day",
      "rotate ann 0197", rotate, [](CLI::App& command, SubscriptionOptions& options) {
        add_one(command, options);
        add_secret(command, options);
      });
  add("replay", "Send events again, by their numbers", "replay ann 0197 --from 120 --through 180",
      replay, [](CLI::App& command, SubscriptionOptions& options) {
        add_one(command, options);
        command.add_option("--from", options.from, "The first")->type_name("EVENT")->required();
        command.add_option("--through", options.through, "The last")
            ->type_name("EVENT")
            ->required();
      });
  add("deliveries", "List what webhooks were sent, newest first; --is dead: what was given up",
      "deliveries --is dead", deliveries, add_deliveries);
  add("redeliver", "Send one again now, with all its retries before it", "redeliver 0197",
      redeliver, [](CLI::App& command, SubscriptionOptions& options) {
        command.add_option("id", options.id, "The delivery")->type_name("ID")->required();
      });
}

}  // namespace app
