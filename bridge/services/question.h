// What an exchange asks in a conversation and what counts as its answer.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversation.h"
#include "bridge/engine/job.h"
#include "bridge/protocol/prompt.h"
#include "bridge/protocol/violation.h"
#include "bridge/store/store.h"

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace services {

// A usable answer, and what is to be said about it.
struct Answer {
  base::json::value response;
  std::vector<std::string> warnings;
};

// Why a reply is no answer.
struct Unusable {
  std::string problem;
  std::vector<protocol::Violation> violations = {};
};

// Tells while a reply grows when it is an answer. One object for one reply.
class AnswerFinish : public chat::FinishCheck {
 public:
  // The answer in `raw` if it is the one that reached the line: it is not read twice.
  virtual std::optional<Answer> take(const chat::RawReply& raw) = 0;
};

// Immutable: read on the loop and on the store's thread alike.
class Question {
 public:
  virtual ~Question() = default;

  // The message that asks. The same id and key always give the same text.
  virtual base::Result<protocol::Prompt> render(std::string_view post_id,
                                                std::string_view key) const = 0;
  // Asks again after a reply that could not be used.
  virtual base::Result<protocol::Prompt> render_repair(std::string_view post_id,
                                                       std::string_view key,
                                                       const Unusable& why) const = 0;
  // The question outlives it.
  virtual std::unique_ptr<AnswerFinish> finish(std::string end_marker) const = 0;
  // `raw` is complete: by its end marker or by the provider's word. Hostile input.
  virtual std::expected<Answer, Unusable> judge(const chat::RawReply& raw,
                                                const std::string& end_marker) const = 0;
};

// How the jobs of a kind are asked.
struct QuestionKind {
  std::string noun;  // for people: "packet"
  // On the loop. Errors are final.
  std::function<base::Result<std::shared_ptr<const Question>>(const engine::Job&)> question;
  // The conversation's address, when a message is first prepared.
  std::function<base::Result<std::string>(store::Tx&, const engine::Job&)> address;
  // In the transaction that notes what was sent; may be empty.
  std::function<base::Result<>(store::Tx&, const engine::Job&, const chat::Sent&)> sent = {};
};

}  // namespace services
