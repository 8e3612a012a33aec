// One packet's way through a conversation: posted at most once, read, checked, repaired if need be.
// Every step is durable before the next one, so that a crash anywhere is picked up where it was.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/limits.h"
#include "bridge/base/random.h"
#include "bridge/base/result.h"
#include "bridge/chat/conversations.h"
#include "bridge/engine/runner.h"
#include "bridge/protocol/message_types.h"
#include "bridge/services/posts.h"
#include "bridge/services/question.h"
#include "bridge/services/send_turns.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services {

inline constexpr std::string_view packet_kind = "packet";
inline constexpr std::string_view repair_kind = "packet.repair";  // only ever a child

struct ExchangeLimits {
  base::Instant::duration reply;  // from sent to the complete answer
  int repairs_max = 2;            // messages that ask again after an invalid answer
  // The shortest pause of the account after the provider said that it was too much.
  std::chrono::milliseconds cooldown = limits::pause_after_limit;
};

// What happened after a packet was answered, for its record.
struct Afterwards {
  engine::JobId job_id;
  std::vector<std::string> warnings;
};

// The handler of jobs of `packet_kind` and of those that ask otherwise. The result of a job is
// {"response", "route", "repairs", "warnings", "post"}.
//
// Which message of a job is under way is told by the engine's stage and by the posts table:
//   none, intent  certainly not sent                     → send; what a restored store may have
//                                                          forgotten is looked for first
//   armed         may have been sent                     → reconcile
//   sent          the provider has it                    → read the answer; repeatable. By a
//                                                          person's word alone: find it first
//   replied       the answer is stored, not yet judged   → judge; ask again as a child job
class Exchange {
 public:
  // All outlive the exchange. `account` is whose limits hold, `marker_key` signs the
  // first line of every message. `afterwards` is
  // called when the page has ended an exchange whose job is done already.
  Exchange(chat::Conversations& conversations, const protocol::MessageTypes& types,
           base::Clock& clock, std::string account, std::string marker_key, ExchangeLimits limits,
           std::function<boost::asio::awaitable<void>(Afterwards)> afterwards = {});

  // Jobs of `kind` ask this way. Before the first job.
  void add_kind(std::string kind, QuestionKind asked);

  // Errors: see Queue::fail. Those that only time or a person can mend are busy or login_required
  // and have tripped the account's breaker, or blocked the lane.
  base::Task<engine::Outcome> handle(engine::Claim claim, engine::LaneContext& lane);

 private:
  struct Story;
  class Steps;
  enum class Looked { sent, nothing, overtaken, untold };

  base::Task<> begin(Story& story, engine::Claim claim);
  base::Result<Post> start_anew(const Story& story, std::optional<Post> last) const;
  base::Task<> obtain(Story& story);
  base::Task<> send(Story& story);
  base::Task<> read(Story& story);
  base::Task<chat::RawReply> listen(Story& story);
  static base::Task<chat::RawReply> listen_for(Story& story, base::Instant::duration limit);
  static bool is_last_look(const Story& story, const base::Error& error);
  base::Task<> reconcile(Story& story);
  base::Task<base::Instant> silence(const Story& story);
  base::Task<> recall(Story& story);
  base::Task<Looked> look_at(Story& story, std::vector<base::Instant> times);
  base::Task<Looked> look(Story& story);
  base::Task<> find_sent(Story& story);
  base::Task<> find_address(Story& story);
  base::Task<> find_chat(Story& story);
  static std::optional<chat::Sent> learnt_address(const Story& story);
  static base::Task<> record_address(Story& story, std::string id, chat::Sent sent);
  static bool is_untold(const Story& story, const base::Error& error);
  static std::function<base::Result<>(store::Tx&, const engine::Now&)> keeping(Story& story,
                                                                               chat::Sent sent);
  base::Task<> record_found(Story& story, chat::Sent sent);
  base::Task<> record_sent(Story& story, chat::Sent sent);
  static void note_sent(Story& story, chat::Sent sent, base::Instant at);
  static void note_address(Story& story, chat::Sent sent);
  static base::Task<> reach(
      Story& story, engine::Stage stage,
      std::function<base::Result<>(store::Tx&, const engine::Now&)> record = {});
  base::Task<> record_unsent(Story& story);
  base::Task<> take_for_armed(Story& story);
  base::Task<> open(Story& story);
  base::Task<> begin_repair(Story& story, Unusable why);
  static std::expected<Answer, Unusable> judge(Story& story);
  engine::Outcome answered(const std::shared_ptr<Story>& story, Answer answer);
  boost::asio::awaitable<void> settle(std::shared_ptr<Story> story);
  base::Instant::duration time_left(const Story& story) const;
  // The answer's time has passed.
  bool is_overdue(const Story& story) const;
  base::Task<> trip(Story& story, const base::Error& error);
  boost::asio::awaitable<void> rest(Story& story);

  chat::Conversations& conversations_;
  base::Clock& clock_;
  std::string account_;
  std::string marker_key_;
  ExchangeLimits limits_;
  std::function<boost::asio::awaitable<void>(Afterwards)> afterwards_;
  std::map<std::string, QuestionKind> kinds_;
  SendTurns turns_;
  int away_ = 0;  // looks in a row that the network or the browser did not let happen
};

// Why a failed look or send closes the account, or (blocked) its lane; or nothing.
std::optional<engine::Trip> trip_of(const base::Error& error);

}  // namespace services
