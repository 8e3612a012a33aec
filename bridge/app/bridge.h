// Everything that works the queue of one account, wired together: store, engine, browser, exchange.
// A daemon is this behind HTTP; `flywheel send` without a daemon is this for one packet. Agents are
// asked in the packets' own conversation too, so whoever works that lane answers their queries.
#pragma once

#include "bridge/app/bridge_options.h"
#include "bridge/app/config.h"
#include "bridge/base/clock.h"
#include "bridge/base/faults.h"
#include "bridge/base/limits.h"
#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/base/scope.h"
#include "bridge/chat/account.h"
#include "bridge/chat/chrome.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/crew.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/engine/signed_note.h"
#include "bridge/protocol/message_types.h"
#include "bridge/services/exchange.h"
#include "bridge/services/memory/replies.h"
#include "bridge/services/messages.h"
#include "bridge/services/packets.h"
#include "bridge/services/session_watch.h"
#include "bridge/store/sqlite_store.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

struct BridgeSettings {
  std::filesystem::path state;      // keys live here
  std::string store;                // path of the SQLite file
  std::string holder = "flywheel";  // who has the store open, for those who are refused
  std::string account;              // whose limits hold
  std::string writer;               // who writes in the conversation
  services::Packets::Settings packets;
  services::ExchangeLimits exchange;
  engine::AccountLimits limits;
  int queue_max = 1000;
  chat::ChromeOptions chrome;
  std::filesystem::path page_profiles;
  chat::AccountOptions browser;
  std::filesystem::path message_types;  // the project's own; may be missing
};

using ChangeListener =
    std::function<base::Result<>(store::Tx&, const engine::Change&, const engine::Now&)>;

// Jobs of one kind: who acts, how failures are taken, and what the journal says of a change;
// without an `entry` it says nothing.
struct JobKind {
  engine::Handler handler;
  engine::RetryPolicy retries = {};
  std::function<engine::NewEntry(const engine::Change&)> entry;
};

// Every table of the bridge's store.
std::vector<store::Migration> bridge_migrations();

// Whose limits hold.
std::string account_of(const Config& config);
// How the names of such accounts begin.
inline constexpr std::string_view account_begins = "chatgpt:";

BridgeSettings bridge_settings(const Config& config, const BridgeOptions& options);

// The trouble of a journal that cannot be vouched for; see Bridge::troubles.
inline constexpr std::string_view checkpoint_trouble = "make a checkpoint";

class Bridge {
 public:
  // Opens the store and recovers what an earlier life left. Blocks for as long as a migration
  // takes. busy with reason locked: another process works this store, and the message says which.
  // `clock` and `faults` outlive it.
  static base::Result<std::unique_ptr<Bridge>> open(boost::asio::any_io_executor executor,
                                                    base::Clock& clock, base::Faults& faults,
                                                    BridgeSettings settings);
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;
  // `stop` must have ended, or `start` never have been called.
  ~Bridge();

  // What is done with jobs of a kind. Before `start`.
  void add_kind(std::string kind, JobKind what);
  // Jobs of this kind are asked in conversations, as packets are.
  void add_questions(std::string kind, services::QuestionKind asked);
  // Told of every change of every job inside the transaction that makes it, after the journal; an
  // error undoes the change. Before `start`.
  void add_listener(ChangeListener listener);
  // Works the lanes of every kind of job, not only the conversation's own. Before `start`.
  void work_all_lanes() { works_all_lanes_ = true; }
  // Takes over what an earlier life left and declares the conversation's lane, and works nothing
  // yet; the second call does nothing. After `work_all_lanes`.
  base::Task<> recover();
  // Recovers and begins to work; the second call does nothing.
  base::Task<> start();
  // Nothing new is begun once this job has ended, is held or waits to be tried again: for a program
  // that is there for this job alone.
  void end_with(engine::JobId job) { last_job_ = std::move(job); }
  // Returns when no lane has anything left that is due. What an open breaker waits for is looked at
  // once before.
  boost::asio::awaitable<void> drain();
  // No new work, and what runs begins to be given back.
  void begin_stop() { crew_->stop(); }
  // No new work; what runs is given back, the browser is closed. Ends by then; what has not ended
  // itself in time is cancelled, and the browser is killed.
  boost::asio::awaitable<void> stop_by(base::Instant deadline);
  // The same with limits::stops for all of it.
  boost::asio::awaitable<void> stop() { return stop_by(clock_.now() + limits::stops); }
  // The task's own result; or, once the store has died, why, with the reason "file_failed": then
  // the task has been cancelled and has unwound, for with a dead store it might never end.
  template <class T>
  base::Task<T> while_store_lives(base::Task<T> task);

  store::SqliteStore& store() { return *store_; }
  services::Packets& packets() { return *packets_; }
  services::Messages& messages() { return *messages_; }
  chat::Account& account() { return *account_; }
  const engine::Queue& queue() const { return *queue_; }
  const engine::Journal& journal() const { return journal_; }
  engine::JournalTail& tail() { return tail_; }
  const engine::Timeline& timeline() const { return timeline_; }
  const engine::NoteSigner& signer() const { return *signer_; }
  engine::Bells& bells() { return bells_; }
  base::Clock& clock() { return clock_; }
  // Ends with `stop`.
  base::Scope& tasks() { return tasks_; }
  const BridgeSettings& settings() const { return settings_; }
  const protocol::MessageTypes& types() const { return *types_; }
  // Lets the queue follow what the pages show now; done from time to time, and after every change
  // and every check.
  base::Task<> follow_session();
  // What keeps packets or queries from being sent, as of the last look at it.
  std::vector<services::Closure> closures() const;
  // True while only a person or another look at a page ends one of these.
  bool waits_for_evidence() const;
  // What the bridge does for itself and failed to do the last time, by what it is.
  using Troubles = std::map<std::string, base::Error, std::less<>>;
  const Troubles& troubles() const { return troubles_; }
  // Counts failures there. Before `start`; outlives this.
  void count_in(base::Metrics& metrics);

  // What became of unfinished jobs of an earlier life.
  const engine::Queue::Recovered& recovered() const { return recovered_; }

  // Called on the loop for what a log should hold.
  std::function<void(const engine::LaneNotice&)> on_lane = [](const auto&) {};
  std::function<void(const chat::SessionView&)> on_session = [](const auto&) {};
  // Of a new trouble, or with no error that one has passed; see `troubles`.
  std::function<void(std::string_view what, const base::Error*)> on_trouble = [](auto, auto) {};

 private:
  Bridge(boost::asio::any_io_executor executor, base::Clock& clock, base::Faults& faults,
         BridgeSettings settings);
  // Returns when the store has died.
  boost::asio::awaitable<void> store_died();
  base::Error why_store_died() const;
  base::Result<> prepare();
  void build_queue();
  void build_messages();
  base::Result<> build_browser();
  base::Result<> on_change(store::Tx& tx, const engine::Change& change, const engine::Now& now);
  boost::asio::awaitable<void> watch_session();
  boost::asio::awaitable<void> keep_house();
  base::Task<> tidy();
  void keep_closures(const std::vector<engine::Shut>& shut, engine::Milliseconds time);
  void look_again_soon();
  void note(std::string_view what, const base::Result<>& done);
  boost::asio::awaitable<void> note_afterwards(services::Afterwards told);

  boost::asio::any_io_executor executor_;
  base::Clock& clock_;
  base::Faults& faults_;
  BridgeSettings settings_;
  base::SystemRandom random_;
  engine::Timeline timeline_;
  engine::Bells bells_;
  engine::JournalTail tail_;
  engine::Journal journal_;
  base::Notice store_notice_;
  std::optional<base::Error> store_failure_;
  std::optional<protocol::MessageTypes> types_;
  std::optional<engine::NoteSigner> signer_;
  std::unique_ptr<store::SqliteStore> store_;
  std::optional<engine::Queue> queue_;
  std::optional<services::memory::Replies> replies_;
  engine::Queue::Recovered recovered_;
  std::optional<engine::Engine> engine_;
  std::unique_ptr<chat::ChromeLauncher> launcher_;
  std::unique_ptr<chat::Account> account_;
  std::unique_ptr<services::Exchange> exchange_;
  std::unique_ptr<services::Packets> packets_;
  std::unique_ptr<services::Messages> messages_;
  std::map<std::string, engine::Handler> handlers_;
  std::map<std::string, std::function<engine::NewEntry(const engine::Change&)>> entries_;
  std::vector<ChangeListener> listeners_;
  std::unique_ptr<engine::Crew> crew_;
  std::optional<chat::SessionView> session_news_;
  std::optional<chat::State> told_session_;  // what the journal told last, as far as is known
  bool has_news_ = false;                    // of the session, or of a breaker
  base::Notice session_notice_;
  std::vector<services::Closure> closures_;
  Troubles troubles_;
  base::Counter* failures_ = nullptr;  // of checkpoints
  std::optional<engine::JobId> last_job_;
  bool is_recovered_ = false;
  bool is_started_ = false;
  bool works_all_lanes_ = false;
  base::Scope tasks_;
};

template <class T>
base::Task<T> Bridge::while_store_lives(base::Task<T> task) {
  namespace asio = boost::asio;
  auto executor = co_await asio::this_coro::executor;
  auto [order, task_error, result, watch_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, std::move(task), asio::deferred),
          asio::co_spawn(executor, store_died(), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  // What the task has done is done; how it failed with a dead store tells nothing.
  const bool is_done = !task_error && result;
  if (store_failure_ && !is_done) co_return std::unexpected(why_store_died());
  if (task_error) std::rethrow_exception(task_error);
  co_return std::move(result);
}

}  // namespace app
