// flywheel memory: what agents and conversations should not forget.
#include "bridge/app/foreign_text.h"
#include "bridge/app/project.h"
#include "bridge/app/remote_call.h"
#include "bridge/services/memory/memory_limits.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct MemoryOptions {
  BridgeOptions bridge;
  std::string agent = "conversation";
  std::string which;  // an id, a query, or a file
  std::string title, type, sharing, tag, since, scope, of_agent;
  std::vector<std::string> tags;
  int limit = 20;
};
using Story = std::function<awaitable<int>(Console&, const MemoryOptions&, http::Client&)>;

std::string path_of(const MemoryOptions& options, std::string_view rest = {}) {
  return fmt::format("/api/gpt-agents/{}/memory{}", encoded(options.agent), rest);
}

std::string tags_in(const json::object& entry) {
  std::string line;
  const auto* tags = entry.if_contains("tags");
  if (!tags || !tags->is_array()) return line;
  for (const auto& tag : tags->get_array()) {
    if (tag.is_string()) line += (line.empty() ? "" : ", ") + shown(tag.get_string());
  }
  return line;
}

void print_entry(Console& console, const json::object& entry, std::string_view text) {
  console.out << fmt::format("{}  {}  {:<9}  {:<12}  {}\n", text_in(entry, "id"),
                             text_in(entry, "created"), text_in(entry, "trust"),
                             text_in(entry, "type"), shown(text_in(entry, "title")));
  const auto line = shown(text_in(entry, text));
  if (!line.empty()) console.out << "    " << line << '\n';
}

void print_whole(Console& console, const json::object& entry) {
  const auto row = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) console.out << fmt::format("{:<10} {}\n", name, shown(value));
  };
  for (const auto* key : {"id", "agent", "type", "title", "sharing", "trust", "created"}) {
    row(key, text_in(entry, key));
  }
  row("tags", tags_in(entry));
  row("stored by", text_in(entry, "created_by"));
  row("comes from", text_in(entry, "provenance"));
  console.out << '\n' << shown_lines(text_in(entry, "content"));
}

awaitable<int> store(Console& console, const MemoryOptions& options, http::Client& client) {
  auto content = read_input(console, options.which, limits::memory_content_bytes_max);
  if (!content) co_return print_failed(console, content.error());
  json::object body{{"content", *content}};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("title", options.title);
  add("type", options.type);
  add("sharing", options.sharing);
  if (!options.tags.empty()) body["tags"] = json::array(options.tags.begin(), options.tags.end());
  http::ClientRequest request{
      .method = "POST", .target = path_of(options, "/store"), .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) console.out << text_in(answer.get_object(), "id") << '\n';
  });
}

awaitable<int> search(Console& console, const MemoryOptions& options, http::Client& client) {
  json::object body{{"query", options.which}, {"limit", options.limit}};
  const auto add = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) body[key] = value;
  };
  add("scope", options.scope);
  add("type", options.type);
  add("tag", options.tag);
  add("agent", options.of_agent);
  add("since", options.since);
  http::ClientRequest request{.method = "POST",
                              .target = path_of(options, "/search"),
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_entry(console, item.get_object(), "snippet");
    }
    if (items_of(answer).empty()) console.err << "nothing found\n";
    if (answer.is_object()) {
      if (const auto note = text_in(answer.get_object(), "note"); !note.empty()) {
        console.err << note << '\n';
      }
    }
  });
}

awaitable<int> list(Console& console, const MemoryOptions& options, http::Client& client) {
  std::string target = path_of(options, fmt::format("?limit={}", options.limit));
  add_query(target, "type", options.type);
  add_query(target, "tag", options.tag);
  add_query(target, "since", options.since);
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_entry(console, item.get_object(), "excerpt");
    }
    if (items_of(answer).empty()) console.err << "nothing is remembered\n";
  });
}

awaitable<int> show(Console& console, const MemoryOptions& options, http::Client& client) {
  co_return co_await call(console, client,
                          {.target = path_of(options, "/" + encoded(options.which))},
                          [&](const json::value& answer) {
                            if (answer.is_object()) print_whole(console, answer.get_object());
                          });
}

awaitable<int> remove(Console& console, const MemoryOptions& options, http::Client& client) {
  http::ClientRequest request{.method = "DELETE",
                              .target = path_of(options, "/" + encoded(options.which))};
  co_return co_await call(console, client, std::move(request), [&](const json::value&) {
    console.out << options.which << " deleted\n";
  });
}

void add_filters(CLI::App& command, MemoryOptions& options) {
  command.add_option("--type", options.type,
                     "Only entries of this type: note, knowledge, reply, …");
  command.add_option("--tag", options.tag, "Only entries with this tag");
  command
      .add_option("--since", options.since,
                  "Only entries stored since (2026-11-21, or with a time)")
      ->type_name("TIME");
  command.add_option("--limit", options.limit, "At most so many (default: 20)")
      ->check(CLI::Range(1, 100));
}

void add_store_options(CLI::App& command, MemoryOptions& options) {
  command.add_option("file", options.which, "The content; - for standard input")
      ->type_name("FILE")
      ->required();
  command.add_option("--title", options.title, "What it is about");
  command.add_option("--type", options.type,
                     "note (default), knowledge, analysis, conversation, …");
  command.add_option("--tag", options.tags, "A word to find it by; may be given several times");
  command.add_option("--sharing", options.sharing, "Who else may read it (default: private)")
      ->type_name("private|fleet|all")
      ->check(CLI::IsMember({"private", "fleet", "all"}));
}

void add_search_options(CLI::App& command, MemoryOptions& options) {
  command
      .add_option(
          "query", options.which,
          "Words that must all be there; \"several in quotes\" together; begin* of the last")
      ->required();
  command.add_option("--scope", options.scope, "How far to look (default: all)")
      ->type_name("own|fleet|all")
      ->check(CLI::IsMember({"own", "fleet", "all"}));
  command.add_option("--of", options.of_agent, "Only what belongs to this agent")->type_name("GPT");
  add_filters(command, options);
}

}  // namespace

void add_memory_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "memory", "What was replied and noted, found by its words",
                              "flywheel memory search \"retry policy\"");
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, Story story,
                       const std::function<void(CLI::App&, MemoryOptions&)>& more) {
    add_remote_command<MemoryOptions>(
        *group, line, name, summary, example, std::move(story),
        [more](CLI::App& command, MemoryOptions& options) {
          more(command, options);
          command
              .add_option("--gpt", options.agent,
                          "Whose memory: an agent's id, slug, name or alias (default: the "
                          "conversation)")
              ->type_name("GPT");
        });
  };
  const auto add_which = [](CLI::App& command, MemoryOptions& options) {
    command.add_option("id", options.which, "Its id, or at least 8 characters of its beginning")
        ->type_name("ID")
        ->required();
  };
  add("store", "Remember a text; prints its id",
      "flywheel memory store notes.md --title \"Retry policy\" --tag queue --sharing fleet", store,
      add_store_options);
  add("search", "Find what was replied or noted, best first",
      "flywheel memory search \"retry policy\" --type reply --since 2026-11-01", search,
      add_search_options);
  add("list", "List entries, newest first", "flywheel memory list --type reply --tag bd-12", list,
      add_filters);
  add("show", "Show one with its whole content", "flywheel memory show 019a9d3c-5b1e", show,
      add_which);
  add("delete", "Forget one: the text goes, the audit trail stays whole",
      "flywheel memory delete 019a9d3c-5b1e", remove, add_which);
}

}  // namespace app
