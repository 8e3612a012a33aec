// A ChatGPT conversation as an object: look for an earlier message, send one at most once, read the
// answer to our own. What a second implementation (a fake, another provider) must promise.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/state.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chat {

// What is posted. `marker` is the first line of `text`.
struct Prompt {
  std::string text;
  std::string marker;
  std::string end_marker;
};

// What was there before a send; a crash in between is decided against it.
struct Baseline {
  std::string path;
  std::string last_turn;
  std::string shell;
};

// A message of ours that the provider has.
struct Sent {
  std::string user_message_id;
  std::string conversation_id;  // may be empty until the provider names a new chat
  std::string url;
  // post: the page's own POST with our text, no file and a 2xx; readback; turn
  std::string proof;

  friend bool operator==(const Sent&, const Sent&) = default;
};

// What a fresh load of the conversation showed.
struct Search {
  std::optional<Sent> sent;  // our message, if it is there
  bool is_altered = false;   // … with another text, or with a file
  // If it is not: the id of the last turn there, "" for an empty conversation. A message that was
  // on its way may still arrive; see Baseline.
  std::string last_turn;
};

// An answer as it came, before anything is parsed. Hostile input.
struct RawReply {
  std::string text;               // Markdown by network and readback, plain text by DOM
  std::vector<CodeBlock> blocks;  // by DOM only
  std::string route;              // network, dom, readback
  std::string message_id;
  bool is_final = false;    // the provider says that nothing will follow
  bool is_cut_off = false;  // … because it stopped in the middle: the text is incomplete
  base::Instant received;
};

// Decides whether a growing answer is worth reading. One object for one answer.
class FinishCheck {
 public:
  virtual ~FinishCheck() = default;
  // `text` is the whole answer so far; it may also have become shorter.
  virtual bool is_reached(std::string_view markdown) = 0;
  // The same for what the page shows.
  virtual bool is_reached(const std::string& text, const std::vector<CodeBlock>& blocks) = 0;
};

// What must be durable before the next step; each is awaited, and an error stops the send.
class SendSteps {
 public:
  virtual ~SendSteps() = default;
  // Nothing has been typed. A crash after this is certainly unsent.
  virtual base::Task<> intent(const Baseline& baseline) = 0;
  // The click comes next. A crash after this is ambiguous.
  virtual base::Task<> armed() = 0;
  // Told that the page let the click through; what came of it is not known yet, and an error leaves
  // it so.
  virtual base::Result<> clicked() { return {}; }
};

// The end of an exchange: whether the page is ready for the next, and what changed after the answer
// was accepted.
struct Settled {
  std::vector<std::string> differences;
};

class Conversation {
 public:
  virtual ~Conversation() = default;

  // Where it is: of a new chat, the address it got, as soon as the page or a look into the newest
  // chats has told it.
  virtual std::string url() const = 0;

  // The state of the page now, also of one that is gone, has crashed or is blocked by a dialog.
  virtual base::Task<Judgement> state() = 0;

  // Loads the conversation afresh and looks for a user message whose first line is the marker.
  // Nothing: it is certainly not in what the provider showed. fork_detected: it is there, but on a
  // branch that was edited away. Other errors: not known. A new chat without an address is looked
  // for among the newest chats; if none shows the message, that is unknown_outcome.
  virtual base::Task<Search> find(const Prompt& prompt) = 0;

  // Sends at most once. An error with reason unknown_outcome: the message may have been sent, and
  // only `find` may be tried. Any other error: certainly not sent, and the composer is empty of it
  // if the page could still be reached. Cancelled before the click it leaves the composer empty of
  // it as well, soon after. What an earlier attempt at this prompt left in the composer is no
  // draft: it is taken out first.
  virtual base::Task<Sent> send(const Prompt& prompt, SendSteps& steps) = 0;

  // The answer to our own message: as soon as `finish` is reached, else when the provider says that
  // it is over, else timeout after `limit`. A page that shows less than the answer is read back
  // from the server, which may not find the conversation for a while. Reading can be repeated.
  virtual base::Task<RawReply> reply(const Sent& sent, const Prompt& prompt, FinishCheck& finish,
                                     base::Instant::duration limit) = 0;

  // Waits until the page has ended the exchange and compares what was accepted with both routes:
  // with what the network brought in the end, and with what the page shows.
  virtual base::Task<Settled> settle(const Sent& sent, const Prompt& prompt,
                                     const RawReply& accepted) = 0;
};

}  // namespace chat
