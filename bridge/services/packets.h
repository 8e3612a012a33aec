// The packets agents hand in, and what became of them.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/engine/bells.h"
#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/protocol/message_types.h"
#include "bridge/protocol/packet.h"
#include "bridge/services/caller.h"
#include "bridge/store/store.h"

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace services {

struct SubmitOptions {
  std::string key = {};  // of the request; the packet's own or a derived one without
  int band = 2;
  std::optional<std::chrono::seconds> deadline = {};  // not sent later than this from now
};

struct Submitted {
  base::json::object view;  // of the job, as `view` gives it, with "position" and "eta_seconds"
  engine::JobId id;
  bool is_replay = false;  // the key was known: this is the first job
};

// The lane of a conversation's address.
engine::LaneId lane_of(std::string_view conversation_url);

std::span<const store::Migration> packet_migrations();

// The journal's entry for a change of a packet's job; "packet.accepted", "packet.sent", …
engine::NewEntry packet_entry(const engine::Change& change);
// Name of the bell that rings when a job has come to an end or is held.
std::string bell_of_job(const engine::JobId& job);

class Packets {
 public:
  struct Settings {
    std::string url;                   // the conversation
    std::vector<std::string> senders;  // who is accepted; empty: everybody
    std::string marker_key = {};       // as the exchange has it
  };
  // All outlive it.
  Packets(store::Store& store, const engine::Queue& queue, const engine::Journal& journal,
          const engine::Timeline& timeline, engine::Bells& bells, base::Clock& clock,
          const protocol::MessageTypes& types, Settings settings);

  // Where the message of a job of this kind goes that has none yet; without, where its payload
  // says. Before anything is asked.
  using Address = std::function<base::Result<std::string>(store::Tx&, const engine::Job&)>;
  void add_address(std::string kind, Address address);

  // Accepts a packet once per caller and key. Refusals with violations: not_json, unknown_type,
  // invalid. Others: denied (the sender is not the caller, or not welcome), conflict with reason
  // idempotency_mismatch, busy with reason queue_full and retry_after, unavailable with reason
  // disk_full unless it is known already. Durable when this returns.
  boost::asio::awaitable<protocol::Checked<Submitted>> submit(Caller caller, base::json::value body,
                                                              SubmitOptions options);
  // The job that `submit` would queue, with the same refusals as far as no store is asked. For
  // those who queue it in a transaction of their own.
  protocol::Checked<engine::NewJob> job_of(const Caller& caller, base::json::value body,
                                           SubmitOptions options) const;

  // The packet whose id begins so. not_found: there is none, whatever other job there is; invalid,
  // reason ambiguous_id: several do.
  base::Task<engine::JobId> find(std::string prefix);
  // The same among packets and what else the list of those that are held shows.
  base::Task<engine::JobId> find_to_decide(std::string prefix);
  // An agent as a sender: by its id in the registry, and by name where a packet or the agent itself
  // has none, such as a packet that somebody else has sent in its name.
  struct Sender {
    std::string name;
    std::string agent_id = {};
  };
  // False: the packet is another's, be it of one that was called so before.
  base::Task<bool> is_of(engine::JobId id, Sender who);
  // Its "conversation" is where the job's messages are, or go; missing where nobody knows.
  base::Task<base::json::object> view(engine::JobId id);
  // The same once the job has ended or is held, or at the deadline.
  base::Task<base::json::object> wait(engine::JobId id, base::Instant deadline);
  // The validated reply. conflict, reason no_response: there is none (yet).
  base::Task<base::json::value> response(engine::JobId id);
  // The last reply as it came. conflict, reason no_reply.
  base::Task<std::string> raw(engine::JobId id);

  struct ListPage {
    base::json::array items;  // newest first
    std::optional<std::int64_t> cursor;
  };
  // Packets; with state held also whatever else waits for a person and is no action, by its `kind`.
  // With `who` only packets of that one, under whatever name it sent them; a page may then have
  // fewer than there are to come.
  base::Task<ListPage> list(engine::Filter filter, std::optional<std::int64_t> before, int limit,
                            std::optional<Sender> who = {});

  // See Queue. The journal says that `actor` did it.
  base::Task<base::json::object> cancel(engine::JobId id, std::string note, std::string actor);
  base::Task<base::json::object> retry(engine::JobId id, std::string actor);
  base::Task<base::json::object> resolve(engine::JobId id, engine::Verdict verdict,
                                         std::string note, std::string actor);

  // The page has ended the exchange; what differs there from what was accepted is kept.
  base::Task<> settled(engine::JobId id, std::vector<std::string> warnings);

  const Settings& settings() const { return settings_; }

 private:
  base::Task<engine::JobId> find(std::string prefix, engine::Queue::IsMeant is_meant);
  base::Result<std::string> conversation_of(store::Tx& tx, const engine::Job& job) const;

  store::Store& store_;
  const engine::Queue& queue_;
  const engine::Journal& journal_;
  const engine::Timeline& timeline_;
  engine::Bells& bells_;
  base::Clock& clock_;
  const protocol::MessageTypes& types_;
  Settings settings_;
  engine::LaneId lane_;                       // of the conversation
  std::map<std::string, Address> addresses_;  // by kind
};

}  // namespace services
