#include "bridge/services/agents/catalogue.h"

#include "bridge/base/json.h"
#include "bridge/schema/schema.h"
#include "embedded/agent_catalogue.h"

#include <algorithm>

#include <fmt/format.h>

namespace services::agents {

namespace json = boost::json;
using base::Result;

namespace {

std::string_view file(std::string_view path) {
  for (const auto& embedded : embedded::agent_catalogue()) {
    if (embedded.path == path) return embedded.content;
  }
  BRIDGE_ASSERT(false);
  return {};
}

Result<> check(const json::value& catalogue) {
  TRY(auto document, base::parse_json(file("catalogue.schema.json")));
  TRY(const auto schema, schema::Schema::compile(schema::Registry(), std::move(document)));
  TRY(const auto violations, schema.check(catalogue));
  if (violations.empty()) return {};
  std::string text = "read the catalogue of agents:";
  for (const auto& violation : violations) {
    text += fmt::format("\n  {}: {}", violation.instance_location, violation.message);
  }
  return base::fail(base::Code::invalid, std::move(text));
}

std::string text(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value ? std::string(value->get_string()) : std::string();
}

std::vector<std::string> texts(const json::object& object, std::string_view key) {
  std::vector<std::string> all;
  if (const auto* list = object.if_contains(key)) {
    for (const auto& item : list->get_array()) all.emplace_back(item.get_string());
  }
  return all;
}

}  // namespace

Catalogue Catalogue::built_in() {
  auto catalogue = parse(file("catalogue.json"));
  BRIDGE_ASSERT(catalogue.has_value());
  return *std::move(catalogue);
}

Result<Catalogue> Catalogue::parse(std::string_view source) {
  TRY(const auto value, base::parse_json(source));
  TRY_OK(check(value));
  const auto& root = value.get_object();
  Catalogue catalogue;
  for (const auto& item : root.at("ecosystems").get_array()) {
    const auto& ecosystem = item.get_object();
    const auto name = text(ecosystem, "name");
    catalogue.ecosystems_.push_back({name, slug_of(name), text(ecosystem, "purpose")});
  }
  for (const auto& item : root.at("clusters").get_array()) {
    const auto& described = item.get_object();
    Cluster cluster{.name = text(described, "name"),
                    .purpose = text(described, "purpose"),
                    .categories = texts(described, "categories"),
                    .capabilities = texts(described, "capabilities")};
    std::ranges::transform(cluster.categories, cluster.categories.begin(), slug_of);
    catalogue.clusters_.push_back(std::move(cluster));
  }
  const auto& tiers = root.at("tiers").get_object();
  for (const auto& [category, tier] : tiers.at("by_category").get_object()) {
    catalogue.tiers_by_category_[slug_of(category)] = *tier_of(tier.get_string());
  }
  for (const auto& [status, tier] : tiers.at("by_status").get_object()) {
    catalogue.tiers_by_status_[*status_of(status)] = *tier_of(tier.get_string());
  }
  return catalogue;
}

const Ecosystem* Catalogue::ecosystem(std::string_view category_key) const {
  const auto found = std::ranges::find(ecosystems_, category_key, &Ecosystem::key);
  return found == ecosystems_.end() ? nullptr : &*found;
}

std::vector<std::string> Catalogue::clusters_of(const Agent& agent) const {
  const auto has = [](const std::vector<std::string>& words, const std::string& word) {
    return std::ranges::find(words, word) != words.end();
  };
  std::vector<std::string> names;
  for (const auto& cluster : clusters_) {
    const bool is_able = std::ranges::any_of(
        agent.capabilities, [&](const auto& word) { return has(cluster.capabilities, word); });
    if (is_able || has(cluster.categories, agent.category_key)) names.push_back(cluster.name);
  }
  return names;
}

Tier Catalogue::tier(std::string_view category_key, Status status) const {
  const auto by_category = tiers_by_category_.find(category_key);
  if (by_category != tiers_by_category_.end()) return by_category->second;
  const auto by_status = tiers_by_status_.find(status);
  return by_status == tiers_by_status_.end() ? Tier::visitor : by_status->second;
}

}  // namespace services::agents
