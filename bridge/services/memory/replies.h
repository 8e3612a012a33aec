// Every reply is remembered by itself, whether a conversation gave it or an agent that polls.
#pragma once

#include "bridge/base/result.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/memory/memory.h"
#include "bridge/services/messages/message.h"
#include "bridge/store/store.h"

namespace services::memory {

// What an agent answered to a query out of its inbox, stored in the transaction of the answer, with
// the type "reply" and as little trusted as any other. It belongs to the agent that wrote it.
base::Result<> keep_answer(const Act& act, const messages::Message& answer);

class Replies {
 public:
  // Both outlive it.
  Replies(const engine::Queue& queue, const engine::Journal& journal)
      : queue_(queue), journal_(journal) {}

  // A listener of the queue's changes: when a packet, or another question, has come to an end or is
  // held, all that was answered to it is stored in the same transaction, with the type "reply".
  // What was accepted, as the job's response; what was not, as it came and with the tag "rejected".
  // It belongs to the agent that the job names in its payload ("agent", an id), also when that one
  // was removed meanwhile, else to the one that is talked to at the conversation's address, else to
  // the conversation. No reply is stored
  // twice, not even after its entry was deleted.
  base::Result<> on_change(store::Tx& tx, const engine::Change& change,
                           const engine::Now& now) const;

 private:
  const engine::Queue& queue_;
  const engine::Journal& journal_;
};

}  // namespace services::memory
