// flywheel gpt ask, tell, inbox, ack, broadcast: what agents say to one another.
#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"
#include "bridge/base/json.h"
#include "bridge/services/messages/message_limits.h"

#include <chrono>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

struct MessageOptions {
  BridgeOptions bridge;
  std::string which, text, id;
  std::string from, topic, thread, reply_to, with, context, schema, key;
  std::string category, capability;
  std::vector<std::string> to;
  int wait_s = 600;
  bool waits = true;
  bool is_unread = false;
  bool is_dead = false;
};
using Story = std::function<awaitable<int>(Console&, const MessageOptions&, http::Client&)>;

// The longest that one call may wait; longer waits are several calls.
constexpr int call_waits_s = 30;

std::string path_of(const MessageOptions& options, std::string_view rest) {
  return fmt::format("/api/gpt-agents/{}/{}", encoded(options.which), rest);
}

void add_text(json::object& body, std::string_view name, const std::string& text) {
  if (!text.empty()) body[name] = text;
}

std::string name_in(const json::object& message, std::string_view end) {
  const auto* party = message.if_contains(end);
  return party && party->is_object() ? line_in(party->get_object(), "name") : "";
}

// As a shell takes it for one word.
std::string shell_word(const std::string& text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
  if (!text.empty() && text.find_first_not_of(plain) == text.npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

// How a query that is still open is answered; empty for what needs no answer by a message.
std::string answer_hint(const json::object& message) {
  if (text_in(message, "answered_by") != "inbox" || !text_in(message, "outcome").empty()) return {};
  return fmt::format("  answer: flywheel gpt tell {} TEXT --reply-to {} --from {}\n",
                     shell_word(name_in(message, "from")), line_in(message, "id"),
                     shell_word(name_in(message, "to")));
}

// Why nobody will read it; empty: somebody may. A query has ended then, which is no death.
std::string death_of(const json::object& message) {
  const auto outcome = line_in(message, "outcome");
  if (outcome.empty() || text_in(message, "kind") == "query") return {};
  return "  [dead: " + outcome + "]";
}

// Behind it no line of a message's text looks like the first line of another message.
constexpr std::string_view body_indent = "    ";

void print_message(Console& console, const json::object& message) {
  console.out << fmt::format(
      "{}  {}  {} -> {}{}{}{}\n", line_in(message, "id"), line_in(message, "sent"),
      name_in(message, "from"), name_in(message, "to"),
      text_in(message, "kind") == "message" ? "" : "  (" + line_in(message, "kind") + ")",
      text_in(message, "trust") == "untrusted" ? "  [untrusted]" : "", death_of(message));
  console.out << shown_lines(text_in(message, "text"), body_indent) << answer_hint(message) << '\n';
}

// The text of a file or of standard input, or the words themselves.
base::Result<std::string> text_of(Console& console, const std::string& text) {
  if (text != "-") return text;
  return read_input(console, text, limits::message_text_bytes_max);
}

awaitable<int> tell(Console& console, const MessageOptions& options, http::Client& client) {
  auto text = text_of(console, options.text);
  if (!text) co_return print_failed(console, text.error());
  json::object body{{"text", *text}};
  add_text(body, "from", options.from);
  add_text(body, "topic", options.topic);
  add_text(body, "thread", options.thread);
  add_text(body, "reply_to", options.reply_to);
  add_text(body, "idempotency_key", options.key);
  http::ClientRequest request{.method = "POST",
                              .target = path_of(options, "message"),
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (!answer.is_object()) return;
    const auto& message = answer.get_object();
    console.out << fmt::format("{} sent to {} in thread {}\n", line_in(message, "id"),
                               name_in(message, "to"), line_in(message, "thread"));
  });
}

base::Result<json::object> question_in(Console& console, const MessageOptions& options) {
  TRY(const auto text, text_of(console, options.text));
  json::object body{{"query", text}};
  add_text(body, "from", options.from);
  add_text(body, "thread", options.thread);
  add_text(body, "idempotency_key", options.key);
  if (!options.context.empty()) {
    TRY(body["context"], read_input(console, options.context, limits::message_text_bytes_max));
  }
  if (!options.schema.empty()) {
    TRY(const auto schema, read_input(console, options.schema, limits::message_text_bytes_max));
    auto parsed = base::parse_json(schema);
    if (!parsed) {
      return base::fail(base::Code::invalid,
                        fmt::format("{}: {}", options.schema, parsed.error().message));
    }
    body["schema"] = *std::move(parsed);
  }
  return body;
}

int print_result(Console& console, const json::value& answer) {
  const json::object none;
  const auto& query = answer.is_object() ? answer.get_object() : none;
  const auto state = text_in(query, "state");
  const int status = state == "answered" ? exit_ok
                     : state == "failed" ? exit_job_failed
                                         : exit_timeout;
  if (console.is_json) {
    print_json(console, answer);
    return status;
  }
  if (status == exit_ok) {
    const auto& reply = query.at("answer").as_object();
    const auto* value = reply.if_contains("value");
    if (value) {
      print_pretty(console, *value);
    } else {
      console.out << shown_lines(text_in(reply, "text"));
    }
  } else if (status == exit_job_failed) {
    console.err << fmt::format("query {} failed: {}\n", line_in(query, "id"),
                               line_in(query, "error"));
  } else {
    console.err << fmt::format(
        "query {} is open; its answer will be at {}\n", text_in(query, "id"),
        text_in(query.contains("links") ? query.at("links").as_object() : none, "self"));
  }
  return status;
}

awaitable<int> ask(Console& console, const MessageOptions& options, http::Client& client) {
  auto body = question_in(console, options);
  if (!body) co_return print_failed(console, body.error());
  auto answer = co_await client.call_json({.method = "POST",
                                           .target = path_of(options, "query"),
                                           .body = json::value(*std::move(body))});
  if (!answer) co_return print_failed(console, answer.error());
  const int wait_s = options.waits ? options.wait_s : 0;
  for (int waited_s = 0; waited_s < wait_s; waited_s += call_waits_s) {
    const auto& query = answer->as_object();
    if (text_in(query, "state") != "open") break;
    const auto self = text_in(query.at("links").as_object(), "self");
    answer = co_await client.call_json(
        {.target = fmt::format("{}?wait={}", self, std::min(call_waits_s, wait_s - waited_s))});
    if (!answer) co_return print_failed(console, answer.error());
  }
  const int status = print_result(console, *answer);
  co_return !options.waits && status == exit_timeout ? exit_ok : status;
}

awaitable<int> inbox(Console& console, const MessageOptions& options, http::Client& client) {
  auto target = path_of(options, "messages");
  add_query(target, "with", options.with);
  add_query(target, "thread", options.thread);
  if (options.is_unread) add_query(target, "unread", "true");
  if (options.is_dead) add_query(target, "dead", "true");
  co_return co_await call(console, client, {.target = target}, [&](const json::value& answer) {
    for (const auto& item : items_of(answer)) {
      if (item.is_object()) print_message(console, item.get_object());
    }
    if (items_of(answer).empty()) console.err << "no messages\n";
  });
}

awaitable<int> ack(Console& console, const MessageOptions& options, http::Client& client) {
  http::ClientRequest request{
      .method = "POST",
      .target = path_of(options, fmt::format("messages/{}/ack", encoded(options.id))),
      .body = json::value(json::object())};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (answer.is_object()) console.out << text_in(answer.get_object(), "id") << " acked\n";
  });
}

awaitable<int> broadcast(Console& console, const MessageOptions& options, http::Client& client) {
  auto text = text_of(console, options.text);
  if (!text) co_return print_failed(console, text.error());
  json::object body{{"text", *text}};
  add_text(body, "from", options.from);
  add_text(body, "topic", options.topic);
  add_text(body, "category", options.category);
  add_text(body, "capability", options.capability);
  if (!options.to.empty()) body["to"] = json::array(options.to.begin(), options.to.end());
  http::ClientRequest request{.method = "POST",
                              .target = "/api/gpt-agents/broadcast",
                              .body = json::value(std::move(body))};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    const auto& told = answer.as_object();
    for (const auto& item : told.at("results").as_array()) {
      const auto& one = item.as_object();
      console.out << fmt::format("{:<28}  {}  {}\n", line_in(one, "to"), line_in(one, "result"),
                                 line_in(one, one.contains("error") ? "error" : "message"));
    }
    console.err << fmt::format("{} sent, {} failed\n", text_in(told, "sent"),
                               text_in(told, "failed"));
  });
}

void add_sender(CLI::App& command, MessageOptions& options) {
  command.add_option("--from", options.from, "The agent that speaks, for operators")
      ->type_name("AGENT");
}

void add_thread(CLI::App& command, MessageOptions& options) {
  command.add_option("--thread", options.thread, "The thread (default: a new one)")
      ->type_name("THREAD");
  command.add_option("--idempotency-key", options.key, "The same key sends once")->type_name("KEY");
}

void add_ask_options(CLI::App& command, MessageOptions& options) {
  command.add_option("text", options.text, "The question; - reads standard input")->required();
  command.add_option("--context", options.context, "Material that belongs to it")
      ->type_name("FILE");
  command.add_option("--schema", options.schema, "JSON Schema of the object to answer with")
      ->type_name("FILE");
  command.add_option("--wait", options.wait_s, "For the answer (default: 600)")
      ->type_name("SECONDS")
      ->check(CLI::Range(0, 86400));
  command.add_flag("!--no-wait", options.waits, "Print where the answer will be, and end");
  add_thread(command, options);
  add_sender(command, options);
}

}  // namespace

void add_message_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = root.get_subcommand("gpt");
  using More = std::function<void(CLI::App&, MessageOptions&)>;
  const auto add = [&](const std::string& name, const std::string& summary,
                       const std::string& example, Story story, const More& more) {
    add_remote_command<MessageOptions>(*group, line, name, summary, example, std::move(story),
                                       more);
  };
  const auto with_agent = [](const More& more) -> More {
    return [more](CLI::App& command, MessageOptions& options) {
      command.add_option("agent", options.which, "Its name, slug, alias or id")
          ->type_name("AGENT")
          ->required();
      more(command, options);
    };
  };
  add("ask", "Ask it and print its answer; a GPT is asked in a chat of its own",
      "flywheel gpt ask culture-code \"Which tone fits a blog about Paris?\"", ask,
      with_agent(add_ask_options));
  add("tell", "Put a message into its inbox", "flywheel gpt tell critic \"The plan is ready\"",
      tell, with_agent([](CLI::App& command, MessageOptions& options) {
        command.add_option("text", options.text, "The message; - reads standard input")->required();
        command.add_option("--topic", options.topic, "What it is about");
        command.add_option("--reply-to", options.reply_to, "The message that it answers")
            ->type_name("ID");
        add_thread(command, options);
        add_sender(command, options);
      }));
  add("inbox", "List its messages, oldest first", "flywheel gpt inbox critic --unread", inbox,
      with_agent([](CLI::App& command, MessageOptions& options) {
        auto* unread =
            command.add_flag("--unread", options.is_unread, "Only those that it has not acked");
        command.add_flag("--dead", options.is_dead, "Only those that nobody will read")
            ->excludes(unread);
        command.add_option("--with", options.with, "Only those from or to this agent")
            ->type_name("AGENT");
        command.add_option("--thread", options.thread, "Only those of this thread")
            ->type_name("THREAD");
      }));
  add("ack", "Say that it has read a message",
      "flywheel gpt ack critic 0197f3a2-0000-7000-8000-000000000001", ack,
      with_agent([](CLI::App& command, MessageOptions& options) {
        command.add_option("id", options.id, "The message")->type_name("ID")->required();
      }));
  add("broadcast", "Send one message to many agents",
      "flywheel gpt broadcast \"Freeze at noon\" --category core", broadcast,
      [](CLI::App& command, MessageOptions& options) {
        command.add_option("text", options.text, "The message; - reads standard input")->required();
        auto* to = command.add_option("--to", options.to, "These agents")
                       ->type_name("AGENT")
                       ->delimiter(',');
        auto* category =
            command.add_option("--category", options.category, "Everybody of this fleet")
                ->excludes(to);
        command.add_option("--capability", options.capability, "Everybody who can do this")
            ->excludes(to)
            ->excludes(category);
        command.add_option("--topic", options.topic, "What it is about");
        add_sender(command, options);
      });
}

}  // namespace app
