// An agent of the registry: a GPT, a plugin or a program that others can name and talk to.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::agents {

enum class Kind { custom_gpt, plugin, mcp_client, a2a_agent, cli };
// What people decided about it. Whether it is there is its liveness.
enum class Status { draft, active, standby, deployed };
enum class Liveness { unknown, active, degraded, offline };
// What it is trusted with; each may do what those before it may.
enum class Tier { visitor, citizen, operator_, architect, founder };

std::string_view name(Kind kind);
std::string_view name(Status status);
std::string_view name(Liveness liveness);
std::string_view name(Tier tier);
// As `name` writes them; a status in any case ("Active"). Nothing for other words.
std::optional<Kind> kind_of(std::string_view word);
std::optional<Status> status_of(std::string_view word);
std::optional<Liveness> liveness_of(std::string_view word);
std::optional<Tier> tier_of(std::string_view word);

// Lower case; runs of other characters than letters and digits become '-'. Empty for a text
// without any. The key of a category is its slug: "Travel & Commerce" is "travel-commerce".
std::string slug_of(std::string_view text);

// The age of the last heartbeat below which an agent is this; older ones are offline.
struct Windows {
  std::chrono::seconds active{120};
  std::chrono::seconds degraded{600};
};

struct Agent {
  std::string id;    // a UUID of version 7
  std::string slug;  // unique; keeps when the name changes
  std::string name;  // unique
  Kind kind = Kind::custom_gpt;
  std::string link;          // where it is talked to; empty: nowhere
  std::string category;      // its fleet, as people write it; empty: none
  std::string category_key;  // the category's slug
  std::string purpose;
  Status status = Status::draft;
  Tier tier = Tier::citizen;
  bool is_tier_set = false;  // by an operator: an import leaves it
  std::string date_added;    // as the registry file says
  std::vector<std::string> aliases;
  std::vector<std::string> capabilities;

  std::string creator;
  base::WallTime created;
  base::WallTime changed;
  std::int64_t revision = 1;  // of what people say about it; heartbeats leave it

  std::optional<base::WallTime> last_beat = {};
  std::int64_t beats = 0;
  std::string reported = {};        // the status that came with the last heartbeat
  base::json::object metrics = {};  // those that came last
  bool is_told_offline = false;     // the journal says so
};

// What its last heartbeat makes of it; it may call itself degraded or offline before its time.
Liveness liveness_of(const Agent& agent, base::WallTime now, const Windows& windows);

// What is said about an agent. What is not there stays as it is, or has no value yet.
struct Facts {
  std::optional<std::string> name = {};
  std::optional<Kind> kind = {};
  std::optional<std::string> link = {};  // empty: none
  std::optional<std::string> category = {};
  std::optional<std::string> purpose = {};
  std::optional<Status> status = {};
  std::optional<Tier> tier = {};
  std::optional<std::string> date_added = {};
  std::optional<std::vector<std::string>> aliases = {};
  std::optional<std::vector<std::string>> capabilities = {};
};

struct Beat {
  std::int64_t number = 0;  // of this agent: 1, 2, …
  base::WallTime time;
  std::string status;  // as reported; may be empty
  base::json::object metrics;
};

}  // namespace services::agents
