// Subscriptions and deliveries as rows. Internal to this service.
#pragma once

#include "bridge/base/json.h"
#include "bridge/services/events/subscription.h"
#include "bridge/store/store.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace events {

std::span<const store::Migration> migrations();

namespace rows {

// What it asks for, in words; `only` is not among them.
base::json::object object_of(const Wish& wish);

// The one whose id begins with `which`, at least limits::id_prefix_min characters. not_found;
// invalid, reason ambiguous_id.
base::Result<Subscription> find(store::Tx& tx, const std::string& which);
base::Result<std::optional<Subscription>> with_id(store::Tx& tx, const std::string& id);
// Of one agent, or of all if it is empty; oldest first.
base::Result<std::vector<Subscription>> of_agent(store::Tx& tx, const std::string& agent);
// Active webhooks whose cursor is before `last`, the furthest behind first.
base::Result<std::vector<Subscription>> behind(store::Tx& tx, std::int64_t last);

// The first one of a request that came before. conflict, reason idempotency_mismatch.
base::Result<std::optional<Subscription>> of_request(store::Tx& tx, const std::string& creator,
                                                     const std::string& request,
                                                     const std::string& request_hash);
// conflict, reason too_many.
base::Result<> insert(store::Tx& tx, const Subscription& subscription, const std::string& request,
                      const std::string& request_hash);
// Writes all that changes in the life of a subscription.
base::Result<> update(store::Tx& tx, const Subscription& subscription);
base::Result<> set_cursor(store::Tx& tx, const std::string& id, std::int64_t cursor);
// With its deliveries.
base::Result<> remove(store::Tx& tx, const std::string& id);

// By the beginning of its id, as `find`.
base::Result<Delivery> find_delivery(store::Tx& tx, const std::string& which);
base::Result<std::optional<Delivery>> delivery_with_id(store::Tx& tx, const std::string& id);
base::Result<std::optional<Delivery>> delivery_of(store::Tx& tx, const std::string& subscription,
                                                  std::int64_t event);
base::Result<std::vector<Delivery>> pending_of(store::Tx& tx, const std::string& subscription);

struct DeliveryFilter {
  std::string subscription = {};
  std::string agent = {};
  std::optional<Delivery::State> state = {};
};
// Newest first, those before the number `before`.
base::Result<std::vector<Delivery>> deliveries(store::Tx& tx, const DeliveryFilter& filter,
                                               std::optional<std::int64_t> before,
                                               std::size_t limit);

base::Result<> insert_delivery(store::Tx& tx, const Delivery& delivery);
base::Result<> remove_delivery(store::Tx& tx, const std::string& id);
base::Result<> update_delivery(store::Tx& tx, const Delivery& delivery);
// Forgets some that have ended, the oldest first, and gives their ids.
base::Result<std::vector<std::string>> forget_ended(store::Tx& tx, const std::string& subscription,
                                                    int limit);
// Forgets the oldest ended ones beyond limits::webhook_deliveries_kept, and gives their ids.
base::Result<std::vector<std::string>> forget_old(store::Tx& tx, const std::string& subscription);

}  // namespace rows
}  // namespace events
