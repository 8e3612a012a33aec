// A world for the bridge to live and die in: a provider whose conversations survive every crash, a
// store that does too, virtual time, and one seed for all that is random.
#pragma once

#include "bridge/base/faults.h"
#include "bridge/base/random.h"
#include "bridge/chat/conversations.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/runner.h"
#include "bridge/services/exchange.h"
#include "bridge/services/packets.h"
#include "bridge/services/session_watch.h"
#include "tests/sim/ground.h"
#include "tests/sim/promises.h"
#include "tests/sim/provider.h"
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
  int misleads = 0;        // while an answer is awaited, the page shows what says nothing of it
  int outages = 0;         // the network goes away after a click or while an answer is awaited
  int deadlines = 0;       // submissions that end when they are not sent soon
  int backups = 0;         // before a submission
  int restores = 0;        // of the last backup, after a crash
  int pauses = 0;          // of everything, by a person, before a submission
  bool loses_key = false;  // … and messages are signed with another key from then on
  bool has_rival = false;  // a second runner waits for the first lane
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
  types_elsewhere,           // into another conversation
  remembers_refusals,        // for ever, as if the provider might have taken what it refused
  counts_per_lane,           // as if each lane were an account
  ignores_parallel,          // runs all lanes of the account at once
  types_out_of_turn,         // whatever other lanes of the account type
  keeps_account_silent,      // whoever waits for another lane is not woken
  takes_outage_for_silence,  // as if a page without network showed all there is
  believes_failed_streams,   // as if the answer ended with the stream that reports an error
  begins_chats_anew,         // every message does, whichever chat the page was opened for
};

// When the page whose message began a chat learns which chat that is.
enum class Naming {
  lost,   // never, and it does not read the answer either
  late,   // with the answer
  never,  // though it reads the answer
};

// All a life may be made of.
struct Setting {
  Chances chances = {};
  Trick trick = Trick::none;
  int cap = 6;
  base::Instant::duration cap_window = 1h;
  std::chrono::milliseconds pause = 5s;  // between two sends
  int lanes = 1;                         // conversations of the account
  int parallel = 1;                      // of them are worked on at once
  bool has_second_account = false;       // with a conversation, and the same limits for itself
  int failures_max = 50;                 // in a row, then a job is given up
  std::optional<Naming> naming = {};     // messages begin chats
};

inline const std::string marker_key = "key of the simulation";

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
  // Hands in packet `number` of this sender in the present life; acknowledged or lost with it. It
  // is for the conversation that was named first.
  void submit(int number, std::string sender, std::optional<std::chrono::seconds> deadline = {},
              std::size_t chat = 0);
  bool is_accepted(int number, const std::string& sender) const;
  // Everything that was handed in is accepted, and has ended.
  bool is_settled() const;
  // A person stops everything; whoever looks after things lets it go on after this time.
  void pause_everything(base::Instant::duration time);
  // A person signs in, decides what pages ask, and about held jobs by what the transcript shows. A
  // check has looked at every page then.
  void help();
  // A person wants what has failed once more, as a new message.
  void ask_anew(const std::string& bead);
  void back_up() { backup_ = ground.dump(); }
  bool is_any_runner_busy() const;

  // The provider's side ----------------------------------------------------
  void lose_network(base::Instant::duration time) { network_back_ = clock.now() + time; }
  void may_lose_network();
  bool is_offline() const { return clock.now() < network_back_; }
  void deliver(Chat& chat, Message message);
  void settle_late(Chat& chat);
  // Wherever it is.
  const Message* find(const std::string& marker) const;
  Chat& chat_at(std::string_view url);
  const Chat& chat_of(const engine::LaneId& lane) const;
  // The pages of the account that are in use.
  int pages_in_use(const Account& account) const;

  // What must be true after every commit, and at the end.
  void look(base::Instant asked);
  void check_end();

  Ground& ground;
  base::SeededRandom random;
  base::SeededRandom scatter;  // which lane, and how soon after another: apart from all the rest
  Chances chances;
  const Trick trick;
  const int parallel;
  const std::optional<Naming> naming;
  std::deque<Account> accounts;
  std::deque<Chat> chats;
  test::VirtualClock clock;
  engine::Timeline timeline{clock, "boot"};
  base::SeededRandom queue_random{1};
  std::optional<engine::Queue> queue;
  engine::Journal journal;
  Watch watch;
  std::unique_ptr<Life> life;
  std::string key = marker_key;  // of the messages
  int lives = 0;
  std::int64_t generation = 1;  // of the store
  base::Instant store_hangs_until{};
  base::Instant life_began{};

  std::deque<SendFate> send_fates;                  // scripted; then by chance
  std::deque<ReplyFate> reply_fates;                // scripted; then by chance
  std::map<std::string, std::string> acknowledged;  // job → bead
  std::map<std::string, std::string> job_of_bead;
  std::map<std::string, std::string> noted_urls;  // job → where the kind was told that it is

 private:
  friend class FakeConversation;
  SendFate next_send_fate();
  ReplyFate next_reply_fate();
  const engine::Job& check_click(const Chat& chat, const std::string& marker);
  void note_refused_click(const std::string& marker);
  void check_delivery(const Chat& chat, const Message& message);
  void check_repair(const Chat& chat, const Message& repair);
  base::Result<> check_held(store::Tx& tx, const engine::Job& job);
  void check_given_up(const engine::Change& change);
  void check_done(const engine::Job& job);
  void check_failed(const engine::Job& job);
  base::Result<> decide(store::Tx& tx, const engine::Job& held);
  void resume_everything();
  engine::Verdict verdict_on(const std::string& marker, const engine::Job& held) const;
  base::Result<> follow_sights(store::Tx& tx);
  services::Sights sights_of(const Account& account) const;
  void restore();
  void hand_in_again();
  bool is_anything_late() const;
  std::string declared_account(const Chat& chat) const;
  Rules lay_out(const Setting& setting);
  engine::QueueOptions options(const Setting& setting);

  // What an agent hands in until it is acknowledged, and again when a restore has forgotten it.
  struct Wanted {
    int number;
    std::string sender;
    std::optional<std::chrono::seconds> deadline;
    std::size_t chat;
    bool was_forgotten = false;
  };

  bool is_dead_ = false;
  const bool has_sound_store_;  // neither hangs nor fails
  base::Instant network_back_{};
  base::Instant paused_until_{};
  std::optional<Ground::Rows> backup_;
  std::map<std::string, int> asked_anew_;  // bead → how often
  std::set<std::string> refused_clicks_;   // jobs that failed rightly if they did
  std::map<std::string, Wanted> wanted_;   // by bead
};

// A packet of this bead and sender, written now, and the reply that answers it.
boost::json::value packet_of(int number, const std::string& sender, base::WallTime now);
std::string reply_to(const std::string& bead, const std::string& end_marker);
std::string bead_of(int number, const std::string& sender);
inline constexpr base::Instant::duration reply_time = 2min;

}  // namespace sim
