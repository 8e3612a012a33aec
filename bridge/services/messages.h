// What agents say to one another: messages into durable inboxes, and queries that are answered by
// the agent itself. One with a conversation in the browser is asked there, one message at most; any
// other finds the query in its inbox and answers by a message that replies to it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/scope.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/agents/rules.h"
#include "bridge/services/caller.h"
#include "bridge/services/messages/rules.h"
#include "bridge/services/question.h"
#include "bridge/store/store.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace services {

class Messages {
 public:
  // All outlive it.
  struct Needs {
    store::Store& store;
    const engine::Queue& queue;
    const engine::Journal& journal;
    const engine::Timeline& timeline;
    engine::Bells& bells;
    base::Clock& clock;
  };
  struct Settings {
    std::string account;  // of the browser's session
    std::string origin;   // "https://chatgpt.com": where conversations can be asked
  };
  Messages(Needs needs, Settings settings) : needs_(needs), settings_(std::move(settings)) {}

  // Told of every query that has ended, in the transaction that ends it. Before `start`.
  using OnEnd =
      std::function<base::Result<>(store::Tx&, const messages::Message& query, const engine::Now&)>;
  void tell_ends(OnEnd on_end) { on_end_ = std::move(on_end); }
  // At start: tells of the queries that ended while nobody called `on_change`.
  base::Task<> catch_up();
  // Lets old letters die, by a task in `tasks`.
  void start(base::Scope& tasks);
  // The origin of an address: "https://chatgpt.com/c/1" is at "https://chatgpt.com".
  static std::string origin_of(std::string_view url);
  // An agent is being removed, in this transaction: what waits for it ends, see messages::bury.
  base::Result<> on_removal(const agents::Act& removing, const agents::Agent& agent) const;
  // How its jobs are asked.
  static QuestionKind questions();
  // A change of any job, in its transaction: the end of a query's job is the query's end.
  base::Result<> on_change(store::Tx& tx, const engine::Change& change, const engine::Now& now);

  struct Say {
    // An agent, as agents::find reads it; in a reply first the one who is replied to, also if that
    // is no agent.
    std::string to;
    std::string from = {};  // another sender than the caller, for operators
    std::string text;
    std::string topic = {}, thread = {}, reply_to = {};  // an id, or how one of the sender's begins
    base::json::object meta = {};
  };
  struct Sent {
    messages::Message message;
    bool is_replay = false;  // the request was known: this is the first one
  };
  // denied, reason forged_sender: `from` is not the caller's to use. unavailable, reason disk_full:
  // see room_for_new; what was sent already is still answered. Others as messages::send.
  base::Task<Sent> send(Caller caller, Say say, messages::Request request);

  struct Ask {
    std::string to, from = {};
    std::string text, context = {}, thread = {};
    base::json::value schema = nullptr;  // of the object that the answer must be
  };
  // Accepted and durable; see `result`. conflict, reason no_way_to_ask: its conversation is not one
  // of this account.
  base::Task<Sent> ask(Caller caller, Ask ask, messages::Request request);
  // Puts the question of one without a conversation into its inbox, in a transaction of somebody
  // else's; `thread` must be given. busy, reason inbox_full: see messages::send.
  base::Result<messages::Message> ask_inbox(store::Tx& tx, const Caller& caller,
                                            const agents::Agent& agent, const Ask& ask,
                                            const engine::Now& now) const;
  // Takes an open query back, as that asker. False: it has ended.
  base::Result<bool> withdraw(store::Tx& tx, const std::string& query, const engine::Now& now,
                              const std::string& actor) const;
  // True: it is asked in its conversation; else it finds what is asked in its inbox.
  static bool is_asked_in_a_conversation(const agents::Agent& agent);
  // The job that asks in its conversation, whose lane is declared; for those who queue it in a
  // transaction of their own. No message tells of it. conflict, reason no_way_to_ask.
  base::Result<engine::NewJob> job_of(store::Tx& tx, const agents::Agent& agent,
                                      const messages::Party& asker, const Ask& ask,
                                      const std::string& thread, const Caller& caller) const;
  // The query and, once there is one, its answer; waits for it until the deadline. An agent that
  // asked and is given its answer so has read it. An agent that was removed is found by the id or
  // the name that it had, a query by the beginning of its id.
  struct Result {
    messages::Message query;
    std::optional<messages::Message> answer;
    std::optional<engine::Job> job;
  };
  base::Task<Result> result(Caller caller, std::string which, std::string query,
                            base::Instant deadline);

  struct Page {
    std::vector<messages::Message> messages;
    std::int64_t unread = 0;
    bool is_end = false;
  };
  // Those of an agent. With nothing there it waits for the next until the deadline. Of an agent
  // that was removed who is no agent reads what is left, by the id that it had; so is it named in
  // `with`.
  base::Task<Page> list(Caller caller, std::string which, messages::Filter filter,
                        std::int64_t after, std::size_t limit, base::Instant deadline);
  base::Task<messages::Message> ack(Caller caller, std::string which, std::string id);

  struct Everybody {  // one of them
    std::vector<std::string> to = {};
    std::string category = {};
    std::string capability = {};
    std::string either = {};  // a category; where nobody is of it, a capability
  };
  struct Delivery {
    std::string to;
    std::optional<messages::Message> message;
    std::optional<base::Error> error;
    bool is_repeat = false;  // another name of one that got `message` already
  };
  struct Broadcast {
    base::json::value results;  // as `view` made them
    bool is_replay = false;     // the request was known: these are the first ones
  };
  // One message for each, however often it is named, all in one transaction; who cannot be reached
  // is told of alone. What is answered is kept for the same request.
  using View = std::function<base::json::value(const std::vector<Delivery>&)>;
  base::Task<Broadcast> broadcast(Caller caller, Everybody whom, Say say, messages::Request request,
                                  View view);

 private:
  base::Result<std::vector<Delivery>> deliver(store::Tx& tx, const Caller& caller,
                                              const Everybody& whom, const Say& say,
                                              base::WallTime now) const;
  messages::Act act(store::Tx& tx, base::WallTime now, std::string actor) const;
  // Sends it; what answers a query is remembered with it.
  static base::Result<messages::Message> send_and_remember(const messages::Act& act,
                                                           messages::Draft draft,
                                                           const messages::Request& request);
  // An answer that the caller is given is read if it is the caller's.
  boost::asio::awaitable<messages::Message> given(Caller caller, messages::Message answer);
  boost::asio::awaitable<void> keep_house();

  Needs needs_;
  Settings settings_;
  OnEnd on_end_;
};

}  // namespace services
