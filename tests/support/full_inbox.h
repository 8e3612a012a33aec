// An inbox that takes no more letters.
#pragma once

#include "bridge/engine/time.h"
#include "bridge/services/messages/message_limits.h"
#include "bridge/store/store.h"

#include <string>

namespace test {

// Fills the empty inbox of an agent with unread letters of "root", whose ids are "filling-1",
// "filling-2" and so on. As rows: one by one they take a test's whole time.
inline base::Result<> fill_inbox(store::Tx& tx, const std::string& agent, base::WallTime now) {
  TRY_OK(tx.execute(R"sql(
    WITH RECURSIVE numbers (number) AS (
      SELECT 1
      UNION ALL
      SELECT number + 1 FROM numbers WHERE number < $2
    )
    INSERT INTO messages (id, kind, thread, sender, sender_name, recipient, recipient_name,
                          principal, request, request_hash, text, topic, reply_to, meta, value,
                          untrusted, job, sent_ms, acked_ms, outcome)
    SELECT 'filling-' || number, 'message', 'filling', '', 'root', $1, 'full', 'key:0', NULL, '',
           'letter ' || number, '', '', '{}', 'null', 0, '', $3, NULL, ''
    FROM numbers
  )sql",
                    {agent, limits::inbox_unread_max, engine::to_stamp(now)}));
  TRY_OK(tx.execute("INSERT INTO message_inboxes (agent, unread) VALUES ($1, $2)",
                    {agent, limits::inbox_unread_max}));
  return {};
}

}  // namespace test
