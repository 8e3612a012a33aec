// What the page is, judged from evidence alone. Pure: no browser, no clock.
#pragma once

#include "bridge/base/result.h"
#include "bridge/chat/binding.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace chat {

// In order of evaluation: an earlier state hides a later one.
enum class State {
  browser_gone,
  tab_closed,
  tab_crashed,
  offline,
  challenge,
  account_security,
  login_required,
  session_expired,
  rate_limited,
  usage_cap,
  too_long,
  conversation_full,
  read_only,
  temporary_chat,
  conversation_not_found,
  wrong_conversation,
  unknown_dialog,
  work_gate,
  tool_approval,
  submit_unknown,
  error_turn,
  refused,
  reconnecting,
  generating,
  hydrating,
  unknown_ui,
  draft_present,
  stopped,
  ready,
};

std::string_view name(State state);
std::optional<State> state_named(std::string_view name);
// What a person is told to do about it; empty for states that pass by themselves.
std::string_view advice(State state);
// True for states that only a person can end.
bool needs_person(State state);
// True for states that stand in the way of every conversation of the account. A browser that is
// gone is none: opening a conversation starts it.
bool is_of_account(State state);
// True for states in which one page waits for a person, or is not known, whatever others show.
bool is_of_page(State state);
// The error that a send ends with in this state; the reason is the contract's error code.
base::Error as_error(State state, std::string_view evidence);
// True if as_error made it of this state.
bool is_error_of(const base::Error& error, State state);

struct CodeBlock {
  std::string language;
  std::string text;
  bool partial = false;  // the page holds only the visible lines: must not be read

  friend bool operator==(const CodeBlock&, const CodeBlock&) = default;
};

// A user message or an answer, as the page shows it.
struct Turn {
  std::string role;  // user, assistant
  std::string turn;  // the page's id of the turn
  std::vector<std::string> message_ids;
  std::string text;
  std::vector<CodeBlock> blocks;
  bool complete = false;  // the page shows its controls for a finished turn
  bool running = false;
  bool failed = false;
  bool stopped = false;
};

// One look at the page, from the page's own scripts in an isolated world.
struct Sighting {
  struct Sign {
    std::string name;
    State state = State::unknown_ui;
    std::string text;
  };
  struct Composer {
    int count = 0;
    std::string text;
    int stable_ms = 0;
    int attachments = 0;
    bool can_send = false;
    std::vector<std::string> slot;  // labels of the button that may be Send, Stop, Queue, …
  };
  std::string url;
  std::string path;
  std::string title;
  std::string ready_state;
  std::vector<std::string> shells;
  std::vector<Sign> signs;
  std::vector<std::string> dialogs;  // visible ones that no sign explains
  std::optional<Composer> composer;
  std::vector<Turn> turns;
  std::vector<CodeBlock> loose_blocks;  // code on a page of no known shell
  int stop_buttons = 0;
  bool stand_in = false;

  // invalid names the member that is missing or of another type.
  static base::Result<Sighting> parse(const boost::json::value& value);
  std::string shell() const { return shells.size() == 1 ? shells.front() : ""; }
};

Turn parse_turn(const boost::json::object& value);
std::vector<CodeBlock> parse_blocks(const boost::json::object& value);

// What the network has told about the page since its load; absent means not seen.
struct NetworkEvidence {
  std::optional<bool> signed_in;      // the session call named a user
  bool session_untold = false;        // the site has no session call that could tell
  bool session_error = false;         // … and an error beside it: the session is stale
  bool unauthorized = false;          // 401 on the page's own calls
  bool challenged = false;            // 403 with cf-mitigated
  int server_error = 0;               // the 5xx that came instead of the page
  bool conversation_missing = false;  // 404 for the bound conversation
  bool reading_limited = false;       // 429 for the bound conversation
  bool reading_challenged = false;    // 403 with cf-mitigated for the bound conversation
  bool history_due = false;           // the bound conversation has turns to draw, or is on its way
  bool moderated = false;             // the provider stopped the answer to the last message
  std::string load_error;             // net::ERR_… of the last navigation

  friend bool operator==(const NetworkEvidence&, const NetworkEvidence&) = default;
};

struct Judgement {
  State state = State::unknown_ui;
  std::string evidence;  // what was seen that proves the state
  // A prompt may be inserted now. Also true beside a failed or stopped turn of an earlier exchange:
  // nothing runs there, and waiting would not mend it.
  bool can_send = false;
  // A page that is still being built may look like this for a moment.
  bool is_weak = false;
};

// True for states that stand in the way whatever becomes of the last turn.
inline bool is_blocking(const Judgement& judged) {
  return judged.state < State::error_turn && !judged.is_weak;
}

// The same for reading what the server has: a conversation that it does not find now, as just after
// a send, may be there at the next load.
inline bool is_blocking_reads(const Judgement& judged) {
  return is_blocking(judged) && judged.state != State::conversation_not_found;
}

inline constexpr int composer_stable_ms = 1000;

Judgement judge(const Sighting& seen, const NetworkEvidence& network, const Binding& bound);

}  // namespace chat
