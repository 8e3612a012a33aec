// The protocol's bookkeeping: which call waits for which reply, and what became of each session.
// Pure: no waiting, no I/O, no clock.
#pragma once

#include "cdp/envelope.h"
#include "cdp/json_text.h"
#include "cdp/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace cdp {

using CallId = std::int64_t;

// A JavaScript dialog that blocks a page.
struct Dialog {
  std::string type;  // alert, confirm, prompt, beforeunload
  std::string message;
  std::string url;

  friend bool operator==(const Dialog&, const Dialog&) = default;
};

struct PageState {
  enum class Kind { open, dialog, crashed, closed };

  Kind kind = Kind::closed;
  std::optional<Dialog> dialog = {};  // set exactly for Kind::dialog

  friend bool operator==(const PageState&, const PageState&) = default;
};

// Of every call exactly one is reported: it was answered; it failed, because its session ended or
// crashed; it is blocked by a dialog; or the caller abandoned it. The late reply to a blocked or
// abandoned call is dropped.
class Mux {
 public:
  struct Command {
    CallId id = 0;
    std::string text;
  };
  struct Settled {
    CallId id = 0;
    Result<json::object> outcome;
  };
  // What one message changed. The event's views point into the message.
  struct Happened {
    boost::container::small_vector<Settled, 1> settled;
    std::optional<Envelope> event;
    // A session whose subscriptions end, and why.
    std::optional<std::pair<std::string, Error>> lost;
  };

  // Encodes a call and awaits its reply. `session` is empty for the browser itself.
  // crashed, dialog: the page cannot answer this method now. invalid: not UTF-8.
  // closed: after `close`. overflow: too many calls wait.
  Result<Command> command(std::string_view session, std::string_view method,
                          const json::object& params);

  // The caller no longer waits.
  void abandon(CallId id);

  // invalid: the peer does not speak the protocol; the connection is of no more use.
  Result<Happened> feed(std::string_view message);

  // Fails everything that waits, and every later command.
  std::vector<Settled> close(const Error& reason);

  // Kind::closed for a session that has ended or was never announced.
  PageState state(std::string_view session) const;

  std::size_t waiting() const { return pending_.size() - abandoned_.size(); }
  // Calls whose late reply is still expected.
  std::size_t abandoned() const { return abandoned_.size(); }

 private:
  struct Pending {
    std::string session;
    std::string method;
    bool is_abandoned = false;
  };
  struct Session {
    std::string target;
    bool is_crashed = false;
    std::optional<Dialog> dialog;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  void settle_reply(const Envelope& envelope, Happened& happened);
  Result<> note_event(const Envelope& event, Happened& happened);
  void end_session(std::string_view session, const Error& reason, Happened& happened);
  void crash_session(std::string_view session, Happened& happened);
  void open_dialog(std::string_view session, const json::object& params, Happened& happened);
  void settle(CallId id, Error error, Happened& happened);

  CallId next_id_ = 1;
  std::map<CallId, Pending> pending_;
  std::set<CallId> abandoned_;
  std::unordered_map<std::string, Session, Hash, std::equal_to<>> sessions_;
  std::optional<Error> closed_;
};

}  // namespace cdp
