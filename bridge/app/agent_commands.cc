// flywheel gpt: the registry of agents that a running daemon keeps.
#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"

#include <optional>
#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct AgentOptions {
  BridgeOptions bridge;
  std::string which, file, text;
  std::optional<std::string> name, kind, link, category, purpose, status, tier, metrics;
  std::optional<std::vector<std::string>> aliases, capabilities;
  std::string key;
};
using Story = std::function<awaitable<int>(Console&, const AgentOptions&, http::Client&)>;

constexpr std::string_view agents_path = "/api/gpt-agents";

std::string path_of(const AgentOptions& options, std::string_view verb = {}) {
  auto path = fmt::format("{}/{}", agents_path, encoded(options.which));
  return verb.empty() ? path : fmt::format("{}/{}", path, verb);
}

std::string joined(const json::object& object, std::string_view key) {
  std::string all;
  const auto* list = object.if_contains(key);
  if (!list || !list->is_array()) return all;
  for (const auto& item : list->get_array()) {
    if (!item.is_string()) continue;
    all += (all.empty() ? "" : ", ") + std::string(item.get_string());
  }
  return all;
}

void print_line(Console& console, const json::object& agent) {
  console.out << fmt::format("{:<28}  {:<20}  {:<8}  {:<9}  {:<9}  {}\n", line_in(agent, "slug"),
                             line_in(agent, "category"), line_in(agent, "status"),
                             line_in(agent, "tier"), line_in(agent, "liveness"),
                             line_in(agent, "name"));
}

void print_whole(Console& console, const json::value& answer) {
  if (!answer.is_object()) return;
  const auto& agent = answer.get_object();
  const auto row = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) console.out << fmt::format("{:<13} {}\n", name, shown(text));
  };
  for (const auto* key : {"name", "slug", "id", "kind", "category"}) row(key, text_in(agent, key));
  row("clusters", joined(agent, "clusters"));
  for (const auto* key : {"purpose", "link", "status", "tier"}) row(key, text_in(agent, key));
  row("aliases", joined(agent, "aliases"));
  row("capabilities", joined(agent, "capabilities"));
  const auto beat = text_in(agent, "last_heartbeat");
  row("liveness", text_in(agent, "liveness") + (beat.empty() ? "" : ", last heard of " + beat));
}

awaitable<int> list(Console& console, const AgentOptions& options, http::Client& client) {
  auto target = fmt::format("{}?limit={}", agents_path, limits::http_page_max);
  const auto add = [&](std::string_view name, const std::optional<std::string>& value) {
    add_query(target, name, value.value_or(""));
  };
  add("category", options.category);
  add("status", options.status);
  add("tier", options.tier);
  add("kind", options.kind);
  if (options.capabilities) add("capability", options.capabilities->front());
  add_query(target, "q", options.text);
  add_query(target, "cursor", options.key);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_line(console, item.get_object());
    }
    if (items_of(answer).empty()) console.err << "no agents\n";
    const auto* page = answer.if_object();
    const auto more = page ? text_in(*page, "next_cursor") : std::string();
    if (!more.empty()) console.err << "there are more: go on with --cursor " << more << '\n';
  });
}

awaitable<int> show(Console& console, const AgentOptions& options, http::Client& client) {
  co_return co_await call(console, client, {.target = path_of(options)},
                          [&](const json::value& answer) { print_whole(console, answer); });
}

json::object facts_of(const AgentOptions& options) {
  json::object body;
  const auto add = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value) body[key] = *value;
  };
  add("name", options.name);
  add("kind", options.kind);
  add("category", options.category);
  add("purpose", options.purpose);
  add("status", options.status);
  add("tier", options.tier);
  // An empty link takes the old one away.
  if (options.link) {
    body["link"] = options.link->empty() ? json::value(nullptr) : json::value(*options.link);
  }
  const auto add_words = [&](std::string_view key, const auto& words) {
    if (words) body[key] = json::array(words->begin(), words->end());
  };
  add_words("aliases", options.aliases);
  add_words("capabilities", options.capabilities);
  return body;
}

awaitable<int> add(Console& console, const AgentOptions& options, http::Client& client) {
  auto body = facts_of(options);
  if (!options.key.empty()) body["idempotency_key"] = options.key;
  http::ClientRequest request{.method = "POST",
                              .target = fmt::format("{}/register", agents_path),
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value& answer) { print_whole(console, answer); });
}

awaitable<int> change(Console& console, const AgentOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "PATCH", .target = path_of(options), .body = json::value(facts_of(options))};
  co_return co_await call(console, client, std::move(request),
                          [&](const json::value& answer) { print_whole(console, answer); });
}

awaitable<int> remove(Console& console, const AgentOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "DELETE", .target = path_of(options)};
  co_return co_await call(console, client, std::move(request), [&](const json::value&) {
    console.out << options.which << " removed\n";
  });
}

awaitable<int> beat(Console& console, const AgentOptions& options, http::Client& client) {
  json::object body;
  if (options.status) body["status"] = *options.status;
  if (options.metrics) {
    auto metrics = base::parse_json(*options.metrics);
    if (!metrics) co_return print_failed(console, metrics.error());
    body["metrics"] = *std::move(metrics);
  }
  http::ClientRequest request{.method = "POST",
                              .target = path_of(options, "heartbeat"),
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    const auto& beaten = answer.as_object();
    console.out << fmt::format("{} is {} (was {})\n", line_in(beaten, "slug"),
                               line_in(beaten, "liveness"), line_in(beaten, "previous_liveness"));
  });
}

base::Result<json::value> registry_in(Console& console, const std::string& path) {
  TRY(const auto text, read_input(console, path, limits::http_body_bytes_max));
  auto registry = base::parse_json(text);
  if (!registry) {
    return base::fail(base::Code::invalid, fmt::format("{}: {}", path, registry.error().message));
  }
  if (!registry->is_array()) {
    return base::fail(base::Code::invalid,
                      fmt::format("{}: a registry is an array of agents", path));
  }
  return registry;
}

void print_import(Console& console, const json::object& answer) {
  if (const auto* results = answer.if_contains("results"); results && results->is_array()) {
    for (const auto& item : results->get_array()) {
      const auto& one = item.as_object();
      const auto note = line_in(one, "note");
      console.out << fmt::format("{:<9}  {:<28}  {}{}\n", line_in(one, "result"),
                                 line_in(one, "slug"), line_in(one, "name"),
                                 note.empty() ? "" : "  (" + note + ")");
    }
  }
  console.out << fmt::format("{} agents: {} created, {} updated, {} unchanged\n",
                             text_in(answer, "total"), text_in(answer, "created"),
                             text_in(answer, "updated"), text_in(answer, "unchanged"));
}

awaitable<int> import(Console& console, const AgentOptions& options, http::Client& client) {
  auto registry = registry_in(console, options.file);
  if (!registry) co_return print_failed(console, registry.error());
  http::ClientRequest request{.method = "POST",
                              .target = fmt::format("{}/register", agents_path),
                              .body = json::object{{"import", *std::move(registry)}}};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    print_import(console, answer.as_object());
  });
}

const char* const kinds = "custom_gpt|plugin|mcp_client|a2a_agent|cli";
const char* const statuses = "draft|active|standby|deployed";
const char* const tiers = "visitor|citizen|operator|architect|founder";

void add_filters(CLI::App& command, AgentOptions& options) {
  command.add_option("--category", options.category, "Of this fleet");
  command.add_option("--status", options.status, "With this status")->type_name(statuses);
  command.add_option("--tier", options.tier, "Of this tier")->type_name(tiers);
  command.add_option("--kind", options.kind, "Of this kind")->type_name(kinds);
  command.add_option("--capability", options.capabilities, "Able to do this")->expected(1);
  command.add_option("--search", options.text, "With this in name, alias or purpose");
  command.add_option("--cursor", options.key, "Where a list before ended");
}

void add_facts(CLI::App& command, AgentOptions& options) {
  command.add_option("--kind", options.kind, "What it is (default: custom_gpt)")->type_name(kinds);
  command.add_option("--link", options.link, "Where it is talked to")->type_name("URL");
  command.add_option("--category", options.category, "Its fleet");
  command.add_option("--purpose", options.purpose, "What it is for");
  command.add_option("--status", options.status, "Its status (default: draft)")
      ->type_name(statuses);
  command.add_option("--tier", options.tier, "Its tier (default: by category and status)")
      ->type_name(tiers);
  command.add_option("--alias", options.aliases, "Another name; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command.add_option("--capability", options.capabilities, "What it can do; may be repeated")
      ->type_name("WORD")
      ->allow_extra_args(false);
}

void add_which(CLI::App& command, AgentOptions& options) {
  command.add_option("which", options.which, "Its id, slug, name or alias")
      ->type_name("AGENT")
      ->required();
}

void add_changing(CLI::App& group, CommandLine& line) {
  const auto add_one = [&](const std::string& name, const std::string& summary,
                           const std::string& example, Story story,
                           const std::function<void(CLI::App&, AgentOptions&)>& more) {
    add_remote_command<AgentOptions>(group, line, name, summary, example, std::move(story), more);
  };
  add_one("register", "Make one known",
          "flywheel gpt register --name \"Culture Code\" --category Core --status active", add,
          [](CLI::App& command, AgentOptions& options) {
            command.add_option("--name", options.name, "Its name")->required();
            add_facts(command, options);
            command.add_option("--idempotency-key", options.key, "Registers once for this key");
          });
  add_one("change", "Change what is known of one",
          "flywheel gpt change culture-code --status standby", change,
          [](CLI::App& command, AgentOptions& options) {
            add_which(command, options);
            command.add_option("--name", options.name, "Its new name; the slug stays");
            add_facts(command, options);
          });
  add_one("remove", "Forget one; its keys are revoked", "flywheel gpt remove culture-code", remove,
          add_which);
  add_one(
      "heartbeat", "Tell that one lives", "flywheel gpt heartbeat culture-code --status busy", beat,
      [](CLI::App& command, AgentOptions& options) {
        add_which(command, options);
        command.add_option("--status", options.status,
                           "A word of its own; degraded and offline count at once");
        command.add_option("--metrics", options.metrics, "Numbers of its own")->type_name("JSON");
      });
}

}  // namespace

void add_agent_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group =
      add_group(root, "gpt", "The registry of GPTs and other agents", "flywheel gpt list");
  add_remote_command<AgentOptions>(
      *group, line, "import", "Register and update all agents of a file, or none",
      "flywheel gpt import registry.json", import, [](CLI::App& command, AgentOptions& options) {
        command.add_option("file", options.file, "A JSON array of agents; - is standard input")
            ->type_name("FILE")
            ->required();
      });
  add_remote_command<AgentOptions>(*group, line, "list", "List them by slug",
                                   "flywheel gpt list --category \"Travel & Commerce\"", list,
                                   add_filters);
  add_remote_command<AgentOptions>(*group, line, "show", "Show one",
                                   "flywheel gpt show culture-code", show, add_which);
  add_changing(*group, line);
}

}  // namespace app
