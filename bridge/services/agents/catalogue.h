// What is known of agents as a whole, from a data file: the ecosystems they belong to, the clusters
// of what they are good at, and the tier a new one begins with.
#pragma once

#include "bridge/base/result.h"
#include "bridge/services/agents/agent.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace services::agents {

struct Ecosystem {
  std::string name;  // the category of its agents
  std::string key;   // its slug
  std::string purpose;
};

struct Cluster {
  std::string name;
  std::string purpose;
  std::vector<std::string> categories;    // keys: whose agents belong to it
  std::vector<std::string> capabilities;  // so do agents with one of these
};

class Catalogue {
 public:
  static Catalogue built_in();
  // invalid: the text is no catalogue; the message names the place.
  static base::Result<Catalogue> parse(std::string_view text);

  const std::vector<Ecosystem>& ecosystems() const { return ecosystems_; }
  const std::vector<Cluster>& clusters() const { return clusters_; }
  // Null for a category that is none.
  const Ecosystem* ecosystem(std::string_view category_key) const;
  // Their names, in the file's order.
  std::vector<std::string> clusters_of(const Agent& agent) const;
  // The category's word goes before the status'.
  Tier tier(std::string_view category_key, Status status) const;

 private:
  std::vector<Ecosystem> ecosystems_;
  std::vector<Cluster> clusters_;
  std::map<std::string, Tier, std::less<>> tiers_by_category_;
  std::map<Status, Tier> tiers_by_status_;
};

}  // namespace services::agents
