// What the parts of an exchange share. Internal.
#pragma once

#include "bridge/chat/binding.h"
#include "bridge/services/exchange.h"

#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

namespace services {

// True of an address at which every message begins a chat, and of one that nobody learnt.
bool begins_chat_at(const std::string& url);

// One run of the handler.
struct Exchange::Story {
  engine::LaneContext& lane;
  engine::Job root;  // the question's own job
  const QuestionKind& kind;
  std::shared_ptr<const Question> question = {};
  std::string url = {};  // where the message under way is, or goes
  int repairs = 0;       // children that this attempt has begun
  int repairs_ever = 0;  // with those of earlier attempts, which have their ids

  // The message under way: the question's, or the newest repair's.
  engine::JobId job = {};
  engine::Lease lease = {};
  engine::Stage stage = engine::Stage::none;
  bool is_doubtful = false;  // the store may know less than the world
  bool is_told = false;      // it is `sent` by a person's word alone
  // The store was restored lately. The ids of messages are the same as before, so they are found.
  bool may_be_forgotten = false;
  Post post = {};
  bool has_row = false;          // `post` is in the store
  bool has_lost_marker = false;  // if it was sent, it was signed with a key that is gone
  base::Instant sent_at = {};
  std::unique_ptr<chat::Conversation> conversation = {};
  std::unique_ptr<AnswerFinish> finish = {};
  std::optional<std::string> doubt = {};  // what only a person can decide
  std::string untold = {};                // why the last look told nothing

  bool is_repair() const { return job != root.id; }
  bool begins_chat() const { return begins_chat_at(url); }
  std::string name() const {
    return fmt::format("{} {}", is_repair() ? "repair" : kind.noun, job.text);
  }
};

// A cause that passes by itself before anything was sent: the job goes again, however often.
base::Error patient(base::Error error);

}  // namespace services
