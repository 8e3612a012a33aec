// The durable record of every message that the bridge may post: one row a message, written before
// anything is typed. A job has one, and another each time a person starts it anew.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/chat/conversation.h"
#include "bridge/engine/job.h"
#include "bridge/store/store.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services {

// How far a message got. Only from `armed` on may it have been sent.
enum class PostStage { intent, armed, sent, replied };
std::string_view name(PostStage stage);

struct Post {
  std::string id;  // the marker's; a lower-case UUID
  std::string job_id;
  int number = 1;  // of the job's messages
  PostStage stage = PostStage::intent;
  // As posted, to the letter: a program that was upgraded may render it otherwise.
  chat::Prompt prompt;
  std::string conversation_url;
  chat::Baseline baseline;  // of the last attempt to send it
  std::optional<chat::Sent> sent;
  std::optional<engine::Milliseconds> sent_at;  // engine time; of rows of older programs unknown
  std::optional<chat::RawReply> raw;  // without its Instant, which means nothing after a restart
};

std::span<const store::Migration> post_migrations();

namespace posts {

// The id of a message of this root job: the same whenever the same sender hands in the same packet
// under the same key, so that a store that was restored from a backup finds what it does not
// remember. `secret` tells it from those of other installations. `number` counts the packet's own
// messages; `repair` the job's repairs, of which 0 is none.
std::string id_for(std::string_view secret, const engine::Job& job, int number, int repair = 0);

// True if the job's stage is about its newest message. Else that one belongs to an earlier start,
// or there is none: the job's message is the next by number, and this store has no record of it.
bool is_of_this_start(const engine::Job& job, const std::optional<Post>& last);
// The number of the job's next message.
int next_number(const std::optional<Post>& last);

// conflict: the job has a message of this number already.
base::Result<> add(store::Tx& tx, const Post& post, base::WallTime now);
// The job's newest message, or nothing.
base::Result<std::optional<Post>> last(store::Tx& tx, std::string_view job_id);
// The job's messages that were answered, in their order, and when.
struct Answered {
  Post post;
  base::WallTime received;
};
base::Result<std::vector<Answered>> answered(store::Tx& tx, std::string_view job_id);
// Each is a compare-and-set on the stage before; conflict means that another got there first.
base::Result<> set_baseline(store::Tx& tx, std::string_view id, const chat::Baseline& baseline,
                            base::WallTime now);
base::Result<> set_armed(store::Tx& tx, std::string_view id, base::WallTime now);
// From `armed` back to `intent`: it was certainly not sent.
base::Result<> set_unsent(store::Tx& tx, std::string_view id, base::WallTime now);
base::Result<> set_sent(store::Tx& tx, std::string_view id, const chat::Sent& sent,
                        const engine::Now& now);
// Where what was sent is, if that was not known then; also once it is answered, whose time stays.
base::Result<> set_address(store::Tx& tx, std::string_view id, const chat::Sent& sent);
// Stores the answer as it came, before anything is parsed.
base::Result<> set_replied(store::Tx& tx, std::string_view id, const chat::RawReply& raw,
                           base::WallTime now);

}  // namespace posts

// Which key has signed the markers of this store's messages: under another one, none of them is
// recognised. The store keeps the key's hash alone.
namespace marker_keys {

// The hash of the key that signs now; nothing: none has signed yet.
base::Result<std::optional<std::string>> current(store::Tx& tx);
std::string hash_of(std::string_view key);
// Notes that this key signs. conflict, reason configuration: another one does.
base::Result<> note(store::Tx& tx, std::string_view key);
// From `now` on this key signs, whichever did before.
base::Result<> replace(store::Tx& tx, std::string_view key, base::WallTime now);
// True if messages of this job may have been sent under a key before the present one.
base::Result<bool> may_be_older(store::Tx& tx, const engine::Job& root);

}  // namespace marker_keys
}  // namespace services
