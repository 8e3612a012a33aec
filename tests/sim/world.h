// A world for the bridge to live and die in: a provider with one conversation that survives every
// crash, a store that does too, virtual time, and one seed for all that is random.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/base/random.h"
#include "bridge/chat/conversations.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/runner.h"
#include "bridge/services/exchange.h"
#include "bridge/services/packets.h"
#include "bridge/store/sqlite_store.h"
#include "tests/support/virtual_clock.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sim {

using namespace std::chrono_literals;

// What becomes of one click on Send, or of what comes before it.
enum class SendFate {
  accepted,
  answer_lost,    // it is there, and the bridge does not learn it
  never_arrived,  // it is not, and the bridge does not learn it
  arrives_late,   // it comes later, whatever becomes of the page
  limited,        // the provider refuses: too many requests
  swallowed,      // the page refuses the click, and says so
  altered,        // the text is not what was inserted; nothing is clicked
  signed_out,     // the page asks to sign in
};
enum class ReplyFate { valid, garbled, cut_off, silent, broken_off };

// How likely each misfortune is, in per mille.
struct Chances {
  int crash = 0;  // at a fault point or around a commit
  int commit_fails = 0;
  int send_trouble = 0;   // any fate but `accepted`
  int reply_trouble = 0;  // any fate but `valid`
  int clock_steps = 0;    // before a submission
  int human_writes = 0;   // between baseline and click, or after a reply
  int duplicate = 0;      // submissions that come twice
  int find_fails = 0;     // the conversation cannot be read now
};

struct Message {
  std::string id;
  std::string marker;  // empty: a person's
  std::string end_marker;
  base::Instant at;
  std::string reply;
  base::Instant reply_at;  // max: never
  ReplyFate fate = ReplyFate::valid;
};

class World final : public base::Faults {
 public:
  explicit World(std::uint64_t seed, Chances chances = {});
  ~World() override;

  // Lives ------------------------------------------------------------------
  struct Life;
  void begin_life();
  // Everything of the present life stops where it is; nothing it does from now on has an effect.
  void end_life();
  bool is_dead() const { return is_dead_; }
  void die() { is_dead_ = true; }
  base::Result<> at(std::string_view point) override;

  // Time -------------------------------------------------------------------
  // Runs until `until` says so or `limit` has passed, through crashes and new lives.
  bool run(const std::function<bool()>& until, base::Instant::duration limit);
  // Sleeps, and never returns to a life that has ended meanwhile.
  boost::asio::awaitable<void> pause(base::Instant::duration time);
  base::Instant::duration some(base::Instant::duration most) {
    return base::Instant::duration(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  bool happens(int per_mille) { return random.below(1000) < static_cast<unsigned>(per_mille); }

  // The agents' side -------------------------------------------------------
  // Hands in packet `number` of this sender in the present life; acknowledged or lost with it.
  void submit(int number, std::string sender);
  // A person signs in, and decides about held jobs by what the transcript shows.
  void help();
  bool is_settled();  // every acknowledged job has ended or waits for a person

  // The provider's side ----------------------------------------------------
  void deliver(Message message);
  void settle_late();
  const Message* find(const std::string& marker);
  std::string last_turn() const;

  // What must be true at the end. Broken promises met on the way are in `violations`.
  void check_end();
  void violate(std::string what);

  base::SeededRandom random;
  Chances chances;
  test::VirtualClock clock;
  boost::asio::io_context loop;
  std::unique_ptr<store::SqliteStore> store;
  engine::Timeline timeline{clock, "boot"};
  engine::QueueOptions options;
  base::SeededRandom queue_random{1};
  std::optional<engine::Queue> queue;
  engine::Journal journal;
  std::unique_ptr<Life> life;
  int lives = 0;
  int generation_of_pages = 0;

  std::vector<Message> transcript;
  std::vector<Message> late;
  bool is_signed_in = true;
  base::Instant limited_until{};
  std::deque<SendFate> send_fates;    // scripted; then by chance
  std::deque<ReplyFate> reply_fates;  // scripted; then by chance
  int cap = 6;
  base::Instant::duration cap_window = 1h;

  std::map<std::string, std::string> acknowledged;  // job → bead
  std::map<std::string, std::int64_t> sequence_of;  // job → order
  std::map<std::string, std::string> sender_of;
  std::map<std::string, std::string> job_of_bead;
  std::set<std::string> clicked;  // jobs
  std::vector<base::Instant> click_times;
  std::set<std::string> told_not_sent;  // a person said so
  std::vector<std::string> violations;

 private:
  friend class FakeConversation;
  SendFate next_send_fate();
  ReplyFate next_reply_fate();
  void check_click(const chat::Prompt& prompt);
  void check_held(const engine::Job& job);
  bool is_dead_ = false;
};

// A packet of this bead and sender, and the reply that answers it.
boost::json::value packet_of(int number, const std::string& sender);
std::string reply_to(const std::string& bead, const std::string& end_marker);
std::string bead_of(int number, const std::string& sender);
inline const std::string url = "https://chat.example/c/1";
inline const std::string account = "account";

}  // namespace sim
