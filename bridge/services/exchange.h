// One packet's way through a conversation: posted at most once, read, checked, repaired if need be.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversation.h"
#include "bridge/protocol/packet.h"
#include "bridge/protocol/reply.h"
#include "bridge/services/finish.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services {

// The stages of an exchange that others can see, in order; a repair starts over.
enum class Stage { preparing, intent, armed, sent, replied, repairing, settled };
std::string_view name(Stage stage);

// Told of every stage as it is reached. `intent` and `armed` must be durable when the call returns,
// and an error there stops the exchange unsent; for the others the result is ignored.
class ExchangeObserver {
 public:
  virtual ~ExchangeObserver() = default;
  virtual base::Task<> on_stage(Stage stage, std::string_view job_id, std::string_view detail) = 0;
};

struct ExchangeLimits {
  base::Instant::duration reply;  // from sent to the complete answer
  int repairs_max = 2;            // prompts that ask again after an invalid answer
};

// A validated answer and how it came.
struct Answered {
  protocol::Reply reply;
  std::string job_id;  // of the message that was answered; a repair has its own
  std::string route;   // network, dom, readback
  int repairs = 0;
  std::vector<std::string> warnings;
  base::Instant received;
};

// An exchange that ended without a valid answer.
struct ExchangeFailure : base::Error {
  std::string raw;  // the answer as it came, if any did
  std::string job_id;
};

class Exchange {
 public:
  // All outlive the exchange. `marker_key` signs the first line of every message.
  Exchange(chat::Conversation& conversation, const base::Clock& clock, std::string marker_key,
           ExchangeLimits limits)
      : conversation_(conversation),
        clock_(clock),
        marker_key_(std::move(marker_key)),
        limits_(limits) {}

  // Errors with reason: unknown_outcome (the message may have been sent and was not found; it is
  // never sent again), invalid_reply (after every repair), and those of the conversation.
  boost::asio::awaitable<std::expected<Answered, ExchangeFailure>> run(
      const protocol::Packet& packet, ExchangeObserver& observer);

  // After `run`: waits until the page has ended the exchange and tells what differs from what was
  // accepted.
  base::Task<std::vector<std::string>> settle(ExchangeObserver& observer);

 private:
  struct Round {
    std::string job_id;
    chat::Prompt prompt;
    chat::Sent sent;
    chat::RawReply raw;
  };

  base::Task<> send(Round& round, ExchangeObserver& observer);
  base::Task<> read(Round& round, ReplyFinish& finish, ExchangeObserver& observer);
  static std::optional<Found> read_late(const Round& round, const protocol::Packet& packet,
                                        std::string& problem,
                                        std::vector<protocol::Violation>& violations);

  chat::Conversation& conversation_;
  const base::Clock& clock_;
  std::string marker_key_;
  ExchangeLimits limits_;
  Round last_;
};

}  // namespace services
