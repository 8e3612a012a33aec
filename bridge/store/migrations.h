// The tables of a store: whose they are and how they came to be.
#pragma once

#include "bridge/store/connection.h"

#include <span>

namespace store {

// Makes a new database ours or checks that it is; then brings the tables of every component to the
// newest step. conflict with reason foreign: not a store; newer_schema: steps were taken that
// `migrations` does not know; changed_migration: a step was taken that has another text now.
base::Result<> migrate(Connection& connection, std::span<const Migration> migrations);

// conflict with reason foreign if the database is neither empty nor a store.
base::Result<> check_is_store(Connection& connection);
bool is_empty(Connection& connection);

// See Store::generation.
base::Result<std::int64_t> generation(Connection& connection);
base::Result<> set_generation(Connection& connection, std::int64_t generation);

}  // namespace store
