// The provider as the world sees it: conversations and accounts that survive every crash, and what
// becomes of a message there.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/engine/job.h"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

// What becomes of one click on Send, or of what comes before it.
enum class SendFate {
  accepted,
  answer_lost,    // it is there, and the bridge does not learn it
  never_arrived,  // it is not, and the bridge does not learn it
  arrives_late,   // it comes later, whatever becomes of the page
  limited,        // the provider refuses: too many requests
  unauthorized,   // … once: a page that is loaded anew may go on
  forbidden,      // … once, and says no more
  swallowed,      // the page refuses the click, and says so
  altered,        // the text is not what was inserted; nothing is clicked
  signed_out,     // the page asks to sign in
  asks,           // the page shows a dialog, and others do not
  repeated,       // unauthorized, and then the page posts it by itself; never by chance
};
enum class ReplyFate {
  valid,
  garbled,
  cut_off,
  silent,
  broken_off,
  late,           // after the bridge's patience, or before it
  failed_stream,  // the stream reports an error, and the answer is finished all the same
};
inline constexpr int send_fates_count = 12;
inline constexpr int send_fates_by_chance = send_fates_count - 1;
inline constexpr int reply_fates_count = 7;
// What the bridge is told when a conversation cannot be read.
inline constexpr std::string_view unreadable = "the conversation could not be read";
std::string_view name(SendFate fate);
std::string_view name(ReplyFate fate);

struct Message {
  std::string id;
  std::string marker;  // empty: a person's
  std::string end_marker;
  std::string text = {};
  bool is_repair = false;
  std::string job = {};
  std::string bead = {};   // in the text
  std::string about = {};  // the bead of the job
  base::Instant at = {};
  std::string reply = {};
  base::Instant reply_at = {};                    // max: never
  base::Instant error_at = base::Instant::max();  // the stream's word that it failed
  ReplyFate fate = ReplyFate::valid;
  int begun = 0;  // which of the chats that began at the link; 0: of the conversation itself
};

// A person's sign-in, of which there is one for all its conversations.
struct Account {
  std::string name;
  bool is_signed_in = true;
  base::Instant signed_in_at{};
  base::Instant limited_until{};
  engine::LaneId limited_by = {};  // whose message was refused
  base::Instant reads_refused_until{};
};

// One conversation, and the tab that the bridge has of it. Of a link at which messages begin chats:
// all of those.
struct Chat {
  std::string url;
  std::string path;
  engine::LaneId lane;
  Account& account;
  std::vector<Message> transcript = {};
  std::vector<Message> late = {};  // on their way, whatever becomes of the page
  int begun = 0;                   // chats that messages began here
  bool asks = false;               // until a person has decided
  int times_asked = 0;
  int generation_of_pages = 0;
  const void* page_holder = nullptr;
  // Markers of what the tab has posted and the provider may have taken.
  std::set<std::string> posted = {};

  const Message* find(const std::string& marker) const;
  std::string last_turn(int of = 0) const;
  // Of a chat that began here.
  std::string url_of(int number) const { return url + "/c/" + std::to_string(number); }
};

}  // namespace sim
