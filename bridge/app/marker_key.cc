#include "bridge/app/marker_key.h"

#include "bridge/app/bridge.h"
#include "bridge/base/hash.h"
#include "bridge/services/posts.h"
#include "bridge/store/files.h"
#include "bridge/store/migrations.h"
#include "bridge/store/sqlite_tx.h"
#include "bridge/store/survey.h"

#include <optional>

#include <fmt/format.h>

namespace app {

namespace fs = std::filesystem;
namespace marker_keys = services::marker_keys;
using base::Code;
using base::fail;

namespace {

constexpr std::size_t marker_key_bytes = 32;

fs::path marker_file(const fs::path& state) { return state / "marker.key"; }

bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::exists(file, error);
}

// The hash of the key that signs the store's messages, if it tells.
base::Result<std::optional<std::string>> hash_known_to(const std::string& store) {
  std::optional<std::string> known;
  if (!is_there(store)) return known;
  TRY_OK(store::look_into(store, [&known](store::Tx& tx) -> base::Result<> {
    TRY(const auto table, tx.query_one("SELECT name FROM sqlite_schema WHERE type = 'table' "
                                       "AND name = 'marker_keys'"));
    if (!table) return {};
    TRY(known, marker_keys::current(tx));
    return {};
  }));
  return known;
}

base::Result<std::string> key_in(const fs::path& state) {
  TRY(std::string text, key_file(marker_file(state), [] {
        return base::hex(base::random_bytes(marker_key_bytes)) + "\n";
      }));
  while (text.ends_with('\n')) text.pop_back();
  if (text.size() == marker_key_bytes * 2) return text;
  return fail(Code::invalid,
              fmt::format("{} is damaged: put it back from the backup; if it is lost, remove it, "
                          "and see flywheel restore --new-marker-key",
                          marker_file(state).string()),
              "configuration");
}

base::Result<> misfit(const fs::path& state, const std::string& store, std::string_view what) {
  return fail(Code::conflict,
              fmt::format("{0} {1}, and without the key that {2} was written with, nothing that "
                          "was sent is recognised: put that key there. If it is lost: flywheel "
                          "backup FILE, then flywheel restore FILE --new-marker-key, and what may "
                          "have been sent is held for you",
                          marker_file(state).string(), what, store),
              "configuration");
}

}  // namespace

base::Result<> check_marker_key(const fs::path& state, const std::string& store) {
  const auto known = hash_known_to(store);
  if (!is_there(marker_file(state))) {
    if (!known) return std::unexpected(known.error());
    return *known ? misfit(state, store, "is missing") : base::Result<>();
  }
  // What else is wrong with the store is told by who opens it.
  if (!known || !*known) return {};
  TRY(const std::string key, key_in(state));
  if (marker_keys::hash_of(key) == **known) return {};
  return misfit(state, store, "is another key");
}

base::Result<std::string> marker_key(const fs::path& state, const std::string& store) {
  TRY_OK(check_marker_key(state, store));
  return key_in(state);
}

base::Result<> accept_marker_key(const fs::path& state, store::Connection& store,
                                 base::WallTime now) {
  const auto steps = bridge_migrations();
  TRY_OK(store::migrate(store, steps));
  // The store may lie elsewhere, and the state directory be missing with all that was in it.
  TRY_OK(store::make_folder_of(marker_file(state).string()));
  TRY(auto transaction, store::Transaction::begin(store, store::Access::write));
  store::SqliteTx tx(store, store::Access::write);
  TRY(const std::string key, key_in(state));
  TRY_OK(tx.run([&](store::Tx& open) { return marker_keys::replace(open, key, now); }));
  return transaction.commit();
}

}  // namespace app
