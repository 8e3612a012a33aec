#include "bridge/chat/state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace chat {
namespace {

namespace json = boost::json;

struct Row {
  std::string_view name;
  base::Code code;
  std::string_view reason;  // the contract's error code
  std::string_view advice;
};

constexpr std::array<Row, 29> rows = {{
    {"browser_gone", base::Code::unavailable, "ui_changed", ""},
    {"tab_closed", base::Code::unavailable, "ui_changed", ""},
    {"tab_crashed", base::Code::unavailable, "ui_changed", ""},
    {"offline", base::Code::unavailable, "offline", ""},
    {"challenge", base::Code::login_required, "challenge",
     "open the browser window and answer the challenge yourself: flywheel session login"},
    {"account_security", base::Code::login_required, "login_required",
     "the provider asks for attention to the account: flywheel session login"},
    {"login_required", base::Code::login_required, "login_required",
     "sign in: flywheel session login"},
    {"session_expired", base::Code::login_required, "login_required",
     "sign in again: flywheel session login"},
    {"rate_limited", base::Code::busy, "rate_limited", "wait; the page says when"},
    {"usage_cap", base::Code::busy, "usage_cap", "wait until the limit resets"},
    {"too_long", base::Code::invalid, "too_long", "make the packet smaller"},
    {"conversation_full", base::Code::conflict, "too_long",
     "start a new conversation and put its address into crt_url"},
    {"read_only", base::Code::denied, "conversation_not_found",
     "crt_url names a shared, read-only page; use the conversation's own address"},
    {"temporary_chat", base::Code::denied, "conversation_not_found",
     "crt_url names a temporary chat, which cannot be read back; use a normal conversation"},
    {"conversation_not_found", base::Code::not_found, "conversation_not_found",
     "check crt_url and that this account may open it"},
    {"wrong_conversation", base::Code::conflict, "conversation_not_found",
     "the page moved to another conversation; open the configured one again"},
    {"unknown_dialog", base::Code::login_required, "ui_changed",
     "look at the window and close the dialog yourself: flywheel session login"},
    {"work_gate", base::Code::login_required, "ui_changed",
     "decide about the work account yourself: flywheel session login"},
    {"tool_approval", base::Code::login_required, "ui_changed",
     "a tool waits for your approval in the window"},
    {"submit_unknown", base::Code::conflict, "unknown_outcome",
     "a message may have been sent: look into the conversation"},
    {"error_turn", base::Code::unavailable, "upstream_failed", ""},
    {"refused", base::Code::denied, "refused", ""},
    {"reconnecting", base::Code::busy, "timeout", ""},
    {"generating", base::Code::busy, "timeout", ""},
    {"hydrating", base::Code::unavailable, "timeout", ""},
    {"unknown_ui", base::Code::unavailable, "ui_changed",
     "the page is not one the bridge knows; see flywheel session inspect, and update the page "
     "profiles"},
    {"draft_present", base::Code::busy, "ui_changed",
     "a draft that is not ours is in the composer: send or delete it in the window"},
    {"stopped", base::Code::unavailable, "upstream_failed", ""},
    {"ready", base::Code::internal, "", ""},
}};

const Row& row(State state) { return rows[static_cast<std::size_t>(state)]; }

// Reads members of one object and remembers the first that is wrong.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}

  std::string text(std::string_view key) {
    const auto* value = at(key);
    if (value && value->is_string()) return std::string(value->get_string());
    return note<std::string>(key, "a string");
  }
  bool flag(std::string_view key) {
    const auto* value = at(key);
    if (value && value->is_bool()) return value->get_bool();
    return note<bool>(key, "a boolean");
  }
  int number(std::string_view key) {
    const auto* value = at(key);
    json::error_code error;
    const int number = value && value->is_number() ? value->to_number<int>(error) : 0;
    if (value && value->is_number() && !error) return number;
    return note<int>(key, "a whole number");
  }
  const json::array& list(std::string_view key) {
    static const json::array none;
    const auto* value = at(key);
    if (value && value->is_array()) return value->get_array();
    note<int>(key, "an array");
    return none;
  }
  const std::string& trouble() const { return trouble_; }

 private:
  const json::value* at(std::string_view key) { return object_.if_contains(key); }
  template <class T>
  T note(std::string_view key, std::string_view wanted) {
    if (trouble_.empty()) trouble_ = fmt::format("\"{}\" is not {}", key, wanted);
    return T{};
  }

  const json::object& object_;
  std::string trouble_;
};

std::vector<std::string> strings(const json::array& list) {
  std::vector<std::string> out;
  for (const auto& item : list) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

std::string path_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const auto slash = url.find('/', scheme + 3);
  if (slash == std::string_view::npos) return "/";
  return std::string(url.substr(slash, url.find_first_of("?#", slash) - slash));
}

CodeBlock parse_block(const json::value& value) {
  if (!value.is_object()) return {};
  Reader read(value.get_object());
  return {read.text("language"), read.text("text"), read.flag("partial")};
}

std::optional<Judgement> from_network(const NetworkEvidence& network, bool has_shell) {
  if (!network.load_error.empty()) return Judgement{State::offline, network.load_error};
  if (network.challenged && !has_shell) {
    return Judgement{State::challenge, "the server answered 403 with cf-mitigated"};
  }
  return std::nullopt;
}

// "/c/WEB:…" is the passing name of a chat whose real id is still to come.
bool has_no_name_yet(const Sighting& seen) {
  return seen.path.find("/c/WEB:") != std::string::npos;
}

bool is_bound(const Sighting& seen, const Binding& bound) {
  if (seen.path == bound.path) return true;
  if (!is_new_chat(bound.path)) return false;
  return seen.path.starts_with("/c/") ||
         (bound.path != "/" && seen.path.starts_with(bound.path + "/c/"));
}

std::optional<Judgement> from_place(const Sighting& seen, const NetworkEvidence& network,
                                    const Binding& bound) {
  if (network.conversation_missing) {
    return Judgement{State::conversation_not_found, "the conversation was not found (404)"};
  }
  if (is_bound(seen, bound)) return std::nullopt;
  if (seen.path == "/") {
    return Judgement{.state = State::conversation_not_found,
                     .evidence = fmt::format("opening {} led to /", bound.path),
                     .is_weak = true};
  }
  if (has_no_name_yet(seen)) return std::nullopt;
  return Judgement{State::wrong_conversation,
                   fmt::format("the page is at {}, not at {}", seen.path, bound.path)};
}

std::optional<Judgement> from_composer(const Sighting& seen) {
  if (!seen.composer || seen.composer->count != 1) {
    const int count = seen.composer ? seen.composer->count : 0;
    if (count == 0) return Judgement{State::hydrating, "no composer yet"};
    return Judgement{.state = State::unknown_ui,
                     .evidence = fmt::format("{} composers", count),
                     .is_weak = true};
  }
  if (seen.composer->stable_ms < composer_stable_ms) {
    return Judgement{State::hydrating,
                     fmt::format("the composer is {} ms old", seen.composer->stable_ms)};
  }
  if (seen.composer->text.find_first_not_of(" \t\n\r") != std::string::npos ||
      seen.composer->attachments > 0) {
    return Judgement{State::draft_present,
                     fmt::format("the composer holds {} characters and {} attachments",
                                 seen.composer->text.size(), seen.composer->attachments)};
  }
  return std::nullopt;
}

std::optional<Judgement> from_session(const NetworkEvidence& network) {
  if (network.signed_in == false) {
    return Judgement{State::login_required, "the session names no user"};
  }
  if (network.session_error) return Judgement{State::session_expired, "the session has an error"};
  if (network.unauthorized) return Judgement{State::session_expired, "the page's calls get 401"};
  return std::nullopt;
}

// A page that may not read its conversation looks like that of an empty one.
std::optional<Judgement> from_reading(const NetworkEvidence& network) {
  if (network.reading_challenged) {
    return Judgement{State::challenge,
                     "reading the conversation was answered 403 with cf-mitigated"};
  }
  if (network.reading_limited) {
    return Judgement{State::rate_limited, "reading the conversation was answered 429"};
  }
  return std::nullopt;
}

std::optional<Judgement> from_turns(const Sighting& seen) {
  if (seen.stop_buttons > 0) return Judgement{State::generating, "a Stop button is shown"};
  if (seen.turns.empty()) return std::nullopt;
  const Turn& last = seen.turns.back();
  if (last.running) return Judgement{State::generating, "the last turn is still running"};
  return std::nullopt;
}

// What a prompt would still have to wait for, whatever became of the last turn.
std::optional<Judgement> missing_to_ready(const Sighting& seen, const NetworkEvidence& network,
                                          const Binding& bound) {
  if (auto judged = from_turns(seen)) return judged;
  if (seen.stand_in) return Judgement{State::hydrating, "the stand-in composer is shown"};
  if (seen.shells.size() != 1) {
    if (seen.ready_state != "complete") {
      return Judgement{State::hydrating, "the page is still loading"};
    }
    return Judgement{.state = State::unknown_ui,
                     .evidence = fmt::format("{} known shells match", seen.shells.size()),
                     .is_weak = true};
  }
  if (!is_bound(seen, bound)) {
    return Judgement{State::hydrating, "the new chat has no address yet"};
  }
  if (auto judged = from_composer(seen)) return judged;
  if (network.session_untold) {
    return Judgement{State::unknown_ui, "nothing tells whether anybody is signed in"};
  }
  if (!network.signed_in) return Judgement{State::hydrating, "the session is not known yet"};
  // Before the turns are drawn the page would be taken for that of an empty conversation.
  if (network.history_due && seen.turns.empty()) {
    return Judgement{State::hydrating, "the conversation's turns are not drawn yet"};
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(State state) { return row(state).name; }

std::optional<State> state_named(std::string_view wanted) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].name == wanted) return static_cast<State>(i);
  }
  return std::nullopt;
}

std::string_view advice(State state) { return row(state).advice; }

bool needs_person(State state) { return row(state).code == base::Code::login_required; }

bool is_of_account(State state) {
  constexpr std::array states{
      State::offline,         State::challenge,    State::account_security, State::login_required,
      State::session_expired, State::rate_limited, State::usage_cap};
  for (const State one : states) {
    if (one == state) return true;
  }
  return false;
}

bool is_of_page(State state) {
  return state == State::unknown_dialog || state == State::work_gate ||
         state == State::tool_approval || state == State::unknown_ui;
}

namespace {

std::string error_start(State state) {
  return fmt::format("the page is in state {}: ", row(state).name);
}

}  // namespace

bool is_error_of(const base::Error& error, State state) {
  return error.message.starts_with(error_start(state));
}

base::Error as_error(State state, std::string_view evidence) {
  std::string message = error_start(state).append(evidence);
  if (!row(state).advice.empty()) message += fmt::format(" ({})", row(state).advice);
  return {row(state).code, std::move(message), std::string(row(state).reason)};
}

std::vector<CodeBlock> parse_blocks(const json::object& value) {
  std::vector<CodeBlock> blocks;
  Reader read(value);
  for (const auto& block : read.list("blocks")) blocks.push_back(parse_block(block));
  return blocks;
}

Turn parse_turn(const json::object& value) {
  Reader read(value);
  Turn turn;
  turn.role = read.text("role");
  turn.turn = read.text("turn");
  turn.message_ids = strings(read.list("ids"));
  turn.text = read.text("text");
  turn.blocks = parse_blocks(value);
  turn.complete = read.flag("complete");
  turn.running = read.flag("running");
  turn.failed = read.flag("failed");
  turn.stopped = read.flag("stopped");
  return turn;
}

base::Result<Sighting> Sighting::parse(const json::value& value) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return base::fail(base::Code::internal, "look at the page: the answer is no object");
  }
  Reader read(*object);
  Sighting seen;
  seen.url = read.text("url");
  seen.path = path_of(seen.url);
  seen.title = read.text("title");
  seen.ready_state = read.text("ready_state");
  seen.shells = strings(read.list("shells"));
  seen.dialogs = [&] {
    std::vector<std::string> dialogs;
    for (const auto& dialog : read.list("dialogs")) {
      if (dialog.is_object()) dialogs.push_back(Reader(dialog.get_object()).text("text"));
    }
    return dialogs;
  }();
  seen.stop_buttons = read.number("stop");
  seen.stand_in = read.flag("stand_in");
  for (const auto& item : read.list("signs")) {
    if (!item.is_object()) continue;
    Reader sign(item.get_object());
    const std::string state_name = sign.text("state");
    // A profile names only states that exist; see load_profiles.
    seen.signs.push_back({sign.text("name"), state_named(state_name).value_or(State::unknown_ui),
                          sign.text("text")});
  }
  for (const auto& item : read.list("turns")) {
    if (item.is_object()) seen.turns.push_back(parse_turn(item.get_object()));
  }
  for (const auto& item : read.list("loose_blocks")) seen.loose_blocks.push_back(parse_block(item));
  if (const auto* composer = object->if_contains("composer"); composer && composer->is_object()) {
    Reader inner(composer->get_object());
    seen.composer = {.count = inner.number("count"),
                     .text = inner.text("text"),
                     .stable_ms = inner.number("stable_ms"),
                     .attachments = inner.number("attachments"),
                     .can_send = inner.flag("can_send"),
                     .slot = strings(inner.list("slot"))};
    if (!inner.trouble().empty()) {
      return base::fail(base::Code::internal, "look at the page: composer: " + inner.trouble());
    }
  }
  if (!read.trouble().empty()) {
    return base::fail(base::Code::internal, "look at the page: " + read.trouble());
  }
  return seen;
}

Judgement judge(const Sighting& seen, const NetworkEvidence& network, const Binding& bound) {
  const bool has_shell = seen.shells.size() == 1;
  if (auto judged = from_network(network, has_shell)) return *judged;
  if (seen.url.starts_with("chrome-error:")) {
    return {State::offline, "the browser shows its own error page"};
  }
  // A site in trouble is away, not unknown. What its page says of itself counts more.
  if (network.server_error != 0 && !has_shell && seen.signs.empty()) {
    return {State::offline, fmt::format("the server answered {}", network.server_error)};
  }

  // Signs are ordered by the state they prove; what the network says of the session stands at the
  // same place as the page's own signs of it.
  std::vector<Judgement> found;
  for (const auto& sign : seen.signs) {
    found.push_back({sign.state, fmt::format("sign {}: {}", sign.name, sign.text)});
  }
  if (auto judged = from_session(network)) found.push_back(*judged);
  if (auto judged = from_reading(network)) found.push_back(*judged);
  if (auto judged = from_place(seen, network, bound)) found.push_back(*judged);
  if (!seen.dialogs.empty()) {
    found.push_back({State::unknown_dialog, "dialog: " + seen.dialogs.front()});
  }
  const auto first =
      std::ranges::min_element(found, {}, [](const Judgement& one) { return one.state; });
  if (first != found.end() && first->state < State::error_turn) return *first;

  const bool is_reconnecting = first != found.end() && first->state == State::reconnecting;
  const auto missing =
      is_reconnecting ? std::optional(*first) : missing_to_ready(seen, network, bound);
  // A failed turn stays on the page, so the next prompt goes beside it; all else must be as ever.
  const bool failed = !seen.turns.empty() && seen.turns.back().failed;
  if (failed && seen.stop_buttons == 0) {
    return {.state = State::error_turn,
            .evidence = "the last turn failed",
            .can_send = !missing,
            .is_weak = missing && missing->state == State::hydrating};
  }
  if (missing) return *missing;
  if (network.moderated) {
    return {State::refused, "the provider's moderation stopped the last answer", true};
  }
  if (!seen.turns.empty() && seen.turns.back().stopped) {
    return {State::stopped, "the last answer was stopped", true};
  }
  return {State::ready, "signed in, bound, one stable empty composer, nothing generating", true};
}

}  // namespace chat
