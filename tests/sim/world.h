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
#include "tests/sim/ground.h"
#include "tests/sim/promises.h"
#include "tests/support/virtual_clock.h"

#include <deque>
#include <functional>
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
enum class ReplyFate {
  valid,
  garbled,
  cut_off,
  silent,
  broken_off,
  late,  // after the bridge's patience, or before it
};
inline constexpr int send_fates_count = 8;
inline constexpr int reply_fates_count = 6;
std::string_view name(SendFate fate);
std::string_view name(ReplyFate fate);

// How likely each misfortune is, in per mille.
struct Chances {
  int crash = 0;          // at a fault point or around a commit
  int crash_waiting = 0;  // while something in the conversation is awaited
  int commit_fails = 0;
  int hangs = 0;           // the store keeps everybody waiting, also beyond a lease
  int send_trouble = 0;    // any fate but `accepted`
  int reply_trouble = 0;   // any fate but `valid`
  int clock_steps = 0;     // before a submission
  int human_writes = 0;    // between baseline and click, or after a reply
  int duplicate = 0;       // submissions that come twice
  int find_fails = 0;      // the conversation cannot be read now
  int deadlines = 0;       // submissions that end when they are not sent soon
  int backups = 0;         // before a submission
  int restores = 0;        // of the last backup, after a crash
  bool has_rival = false;  // a second runner waits for the same lane
};

// What a broken bridge, or one on broken ground, would do. The watch must notice.
enum class Trick {
  none,
  clicks_twice,
  finds_nothing,       // though it is there
  misreads_last_turn,  // so that it seems overtaken
  keeps_bells_silent,
  lies_about_commits,
  clicks_unarmed,
};

// All a life may be made of.
struct Setting {
  Chances chances = {};
  Trick trick = Trick::none;
  int cap = 6;
  base::Instant::duration cap_window = 1h;
};

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
  base::Instant reply_at = {};  // max: never
  ReplyFate fate = ReplyFate::valid;
};

// Waits for ever; only cancelling ends it.
boost::asio::awaitable<void> never();

class World final : public base::Faults {
 public:
  // `ground` is this world's alone while it lives.
  World(Ground& ground, std::uint64_t seed, Setting setting = {});
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
  // The same for no time: others get their turn.
  boost::asio::awaitable<void> step();
  // A pause in which the life may end.
  boost::asio::awaitable<void> wait(base::Instant::duration time);
  base::Instant::duration some(base::Instant::duration most) {
    return base::Instant::duration(
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  bool happens(int per_mille) {
    return per_mille > 0 && random.below(1000) < static_cast<unsigned>(per_mille);
  }

  // The agents' side -------------------------------------------------------
  // Hands in packet `number` of this sender in the present life; acknowledged or lost with it.
  void submit(int number, std::string sender, std::optional<std::chrono::seconds> deadline = {});
  bool is_accepted(int number, const std::string& sender) const;
  // Everything that was handed in is accepted, and has ended.
  bool is_settled() const;
  // A person signs in, and decides about held jobs by what the transcript shows.
  void help();
  void back_up() { backup_ = ground.dump(); }
  bool is_any_runner_busy() const;

  // The provider's side ----------------------------------------------------
  void deliver(Message message);
  void settle_late();
  const Message* find(const std::string& marker) const;
  std::string last_turn() const;

  // What must be true after every commit, and at the end.
  void look(base::Instant asked);
  void check_end();

  Ground& ground;
  base::SeededRandom random;
  Chances chances;
  const Trick trick;
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  base::SeededRandom queue_random{1};
  std::optional<engine::Queue> queue;
  engine::Journal journal;
  Watch watch;
  std::unique_ptr<Life> life;
  int lives = 0;
  std::int64_t generation = 1;  // of the store
  base::Instant store_hangs_until{};
  int generation_of_pages = 0;
  base::Instant life_began{};
  const void* page_holder = nullptr;

  std::vector<Message> transcript;
  std::vector<Message> late;
  bool is_signed_in = true;
  base::Instant limited_until{};
  std::deque<SendFate> send_fates;                  // scripted; then by chance
  std::deque<ReplyFate> reply_fates;                // scripted; then by chance
  std::map<std::string, std::string> acknowledged;  // job → bead
  std::map<std::string, std::string> job_of_bead;

 private:
  friend class FakeConversation;
  SendFate next_send_fate();
  ReplyFate next_reply_fate();
  const engine::Job& check_click();
  base::Result<> check_held(store::Tx& tx, const engine::Job& job);
  void check_done(const engine::Job& job);
  void check_failed(const engine::Job& job);
  base::Result<> decide(store::Tx& tx, const engine::Job& held);
  void restore();
  void hand_in_again();
  engine::QueueOptions options(const Setting& setting);

  // What an agent hands in until it is acknowledged, and again when a restore has forgotten it.
  struct Wanted {
    int number;
    std::string sender;
    std::optional<std::chrono::seconds> deadline;
    bool was_forgotten = false;
  };

  bool is_dead_ = false;
  std::optional<Ground::Rows> backup_;
  std::map<std::string, Wanted> wanted_;  // by bead
};

// A packet of this bead and sender, written now, and the reply that answers it.
boost::json::value packet_of(int number, const std::string& sender, base::WallTime now);
std::string reply_to(const std::string& bead, const std::string& end_marker);
std::string bead_of(int number, const std::string& sender);
inline const std::string url = "https://chat.example/c/1";
inline const std::string account = "account";
inline const std::string marker_key = "key of the simulation";
inline constexpr base::Instant::duration reply_time = 2min;

}  // namespace sim
