#include "bridge/services/keys.h"

#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/engine/time.h"
#include "bridge/services/agents/rules.h"
#include "bridge/store/id_prefix.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using engine::from_stamp;
using engine::stamp_or_null;
using engine::time_or_none;
using engine::to_stamp;

namespace {

constexpr std::array migrations = {
    store::Migration{"keys", 1, R"sql(
      CREATE TABLE api_keys (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        agent TEXT NOT NULL,
        scopes TEXT NOT NULL,
        digest TEXT NOT NULL UNIQUE,
        creator TEXT NOT NULL,
        request TEXT,
        request_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        UNIQUE (creator, request)
      ) STRICT
    )sql"},
    store::Migration{"keys", 2, R"sql(
      ALTER TABLE api_keys ADD COLUMN agent_id TEXT NOT NULL DEFAULT '';
      CREATE INDEX api_keys_agent ON api_keys (agent_id) WHERE agent_id <> ''
    )sql"},
};

constexpr std::string_view columns =
    "id, name, agent, scopes, digest, creator, created_at, expires_at, revoked_at, request_hash, "
    "agent_id";
constexpr std::size_t request_hash_column = 9;
constexpr std::size_t agent_id_column = 10;

base::Sha256 digest_of(std::string_view hex) {
  const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  base::Sha256 digest{};
  BRIDGE_ASSERT(hex.size() == 2 * digest.size());
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::uint8_t>(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  }
  return digest;
}

std::string scopes_text(const std::vector<std::string>& scopes) {
  return json::serialize(json::array(scopes.begin(), scopes.end()));
}

Key key_of(const store::Row& row) {
  Key key{.id = row[0].text(),
          .name = row[1].text(),
          .agent = row[2].text(),
          .agent_id = row[agent_id_column].text(),
          .scopes = {},
          .digest = digest_of(row[4].text()),
          .creator = row[5].text(),
          .created = from_stamp(row[6].integer()),
          .expires = time_or_none(row[7]),
          .revoked = time_or_none(row[8])};
  const auto scopes = json::parse(row[3].text());
  for (const auto& scope : scopes.as_array()) key.scopes.emplace_back(scope.as_string());
  return key;
}

Result<std::optional<Keys::Created>> find_request(store::Tx& tx, const NewKey& key) {
  if (key.request.empty()) return std::nullopt;
  TRY(const auto row, tx.query_one(fmt::format(R"sql(
        SELECT {}
        FROM api_keys
        WHERE creator = $1 AND request = $2
      )sql",
                                               columns),
                                   {key.creator, key.request}));
  if (!row) return std::nullopt;
  if ((*row)[request_hash_column].text() != key.request_hash) {
    return base::fail(
        Code::conflict,
        fmt::format("create key: request {} came before with another body", key.request),
        "idempotency_mismatch");
  }
  return Keys::Created{.key = key_of(*row), .is_replay = true};
}

// One of find, or nothing.
Result<std::optional<Key>> find_digest(store::Tx& tx, const base::Sha256& digest) {
  TRY(const auto row,
      tx.query_one(fmt::format("SELECT {} FROM api_keys WHERE digest = $1", columns),
                   {base::hex(digest)}));
  if (!row) return std::nullopt;
  return key_of(*row);
}

Result<Key> find_prefix(store::Tx& tx, const std::string& prefix) {
  TRY(const auto row,
      store::find_by_prefix({.noun = "key", .column = "id", .prefix = prefix},
                            [&](const std::string& rest, store::Values values) {
                              return tx.query(
                                  fmt::format("SELECT {} FROM api_keys {}", columns, rest),
                                  std::move(values));
                            }));
  return key_of(row);
}

json::object facts(const Key& key) {
  json::object data{{"name", key.name},
                    {"agent", key.agent},
                    {"scopes", json::array(key.scopes.begin(), key.scopes.end())}};
  if (key.expires) data["expires"] = base::rfc3339(*key.expires);
  return data;
}

Result<> insert(store::Tx& tx, const engine::Journal& journal, const Key& key,
                const std::string& request, const std::string& request_hash) {
  const auto asked = request.empty() ? std::nullopt : std::optional(request);
  TRY_OK(tx.execute(
      R"sql(
    INSERT INTO api_keys (id, name, agent, scopes, digest, creator, request, request_hash,
                          created_at, expires_at, agent_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  )sql",
      {key.id, key.name, key.agent, scopes_text(key.scopes), base::hex(key.digest), key.creator,
       asked, request_hash, to_stamp(key.created), stamp_or_null(key.expires), key.agent_id}));
  TRY_OK(journal.append(
      tx, {.type = "key.created", .subject = key.id, .actor = key.creator, .data = facts(key)},
      key.created));
  return {};
}

Result<> revoke(store::Tx& tx, const engine::Journal& journal, Key& key, const std::string& actor,
                base::WallTime now) {
  key.revoked = from_stamp(to_stamp(now));
  TRY_OK(tx.execute("UPDATE api_keys SET revoked_at = $2 WHERE id = $1", {key.id, to_stamp(now)}));
  TRY_OK(journal.append(
      tx, {.type = "key.revoked", .subject = key.id, .actor = actor, .data = facts(key)}, now));
  return {};
}

// Text files of secrets.

std::unexpected<base::Error> cannot(std::string_view doing, const std::filesystem::path& file) {
  return base::fail(Code::unavailable, fmt::format("{} {}: {}", doing, file.string(),
                                                   std::generic_category().message(errno)));
}

class File {
 public:
  File(const std::filesystem::path& path, int flags)
      : number_(::open(path.c_str(), flags | O_CLOEXEC, S_IRUSR | S_IWUSR)) {}
  ~File() {
    if (number_ >= 0) ::close(number_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

// Nothing if there is no such file.
Result<std::optional<std::string>> read_secret(const std::filesystem::path& path) {
  const File file(path, O_RDONLY | O_NOFOLLOW);
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return cannot("read", path);
  }
  struct stat about{};
  if (::fstat(file.number(), &about) != 0) return cannot("read", path);
  if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return base::fail(Code::denied, fmt::format("read {}: others may read or write it; set its "
                                                "mode to 0600",
                                                path.string()));
  }
  std::string text(limits::name_bytes_max, '\0');
  const auto count = ::read(file.number(), text.data(), text.size());
  if (count < 0) return cannot("read", path);
  text.resize(static_cast<std::size_t>(count));
  while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with(' ')) text.pop_back();
  return text;
}

// Whole or not at all: a crash leaves no half of a key under this name.
Result<> write_secret(const std::filesystem::path& path, const std::string& text) {
  auto unfinished = path;
  unfinished += ".new";
  std::error_code ignored;
  std::filesystem::remove(unfinished, ignored);
  {
    const File file(unfinished, O_WRONLY | O_CREAT | O_EXCL);
    if (!file.is_open()) return cannot("write", unfinished);
    const std::string line = text + "\n";
    const auto count = ::write(file.number(), line.data(), line.size());
    if (count != static_cast<ssize_t>(line.size()) || ::fsync(file.number()) != 0) {
      return cannot("write", unfinished);
    }
  }
  if (::rename(unfinished.c_str(), path.c_str()) != 0) return cannot("write", path);
  const File folder(path.parent_path().empty() ? "." : path.parent_path(), O_RDONLY | O_DIRECTORY);
  if (!folder.is_open() || ::fsync(folder.number()) != 0) return cannot("write", path);
  return {};
}

// Why a key is not one for everything; empty: it is.
std::string admin_trouble(const Key& key, base::WallTime now) {
  if (key.revoked) return "has been revoked";
  if (key.expires && *key.expires <= now) return "has expired";
  if (!key.agent.empty()) return "is bound to an agent";
  if (std::ranges::find(key.scopes, "admin") == key.scopes.end()) return "lacks the scope admin";
  return "";
}

}  // namespace

std::span<const store::Migration> key_migrations() { return migrations; }

Result<> revoke_keys_of(store::Tx& tx, const engine::Journal& journal, const agents::Agent& agent,
                        const std::string& actor, base::WallTime now) {
  TRY(const auto rows, tx.query(fmt::format(R"sql(
        SELECT {}
        FROM api_keys
        WHERE revoked_at IS NULL
          AND (agent_id = $1 OR (agent_id = '' AND agent IN ($1, $2, $3)))
        ORDER BY id
      )sql",
                                            columns),
                                {agent.id, agent.slug, agent.name}));
  for (const auto& row : rows) {
    auto key = key_of(row);
    TRY_OK(revoke(tx, journal, key, actor, now));
  }
  return {};
}

Result<> rename_keys_of(store::Tx& tx, const agents::Agent& before, const agents::Agent& after) {
  if (before.name == after.name) return {};
  std::vector<std::string> lasting = before.aliases;
  lasting.push_back(before.id);
  lasting.push_back(before.slug);
  TRY(const auto rows, tx.query(R"sql(
    SELECT id, agent
    FROM api_keys
    WHERE agent_id = $1 OR (agent_id = '' AND agent = $2)
  )sql",
                                {before.id, before.name}));
  for (const auto& row : rows) {
    if (std::ranges::find(lasting, row[1].text()) != lasting.end()) continue;
    TRY_OK(tx.execute("UPDATE api_keys SET agent = $2, agent_id = $3 WHERE id = $1",
                      {row[0].text(), after.name, after.id}));
  }
  return {};
}

Result<Key> good_key(store::Tx& tx, std::string_view principal, base::WallTime now) {
  const auto bad = [&](std::string_view why) {
    return base::fail(Code::denied, fmt::format("{}: the key {}", principal, why), "key_not_good");
  };
  constexpr std::string_view prefix = "key:";
  if (!principal.starts_with(prefix)) return bad("is none");
  TRY(const auto row, tx.query_one(fmt::format("SELECT {} FROM api_keys WHERE id = $1", columns),
                                   {principal.substr(prefix.size())}));
  if (!row) return bad("is not known");
  auto key = key_of(*row);
  if (key.revoked) return bad("has been revoked");
  if (key.expires && *key.expires <= now) return bad("has expired");
  return key;
}

Result<Key> add_key(store::Tx& tx, const engine::Journal& journal, const NewKey& asked,
                    base::WallTime now) {
  Key key{.id = base::uuid_v7(now),
          .name = asked.name,
          .agent = asked.agent,
          .agent_id = asked.agent_id,
          .scopes = asked.scopes,
          .digest = asked.digest,
          .creator = asked.creator,
          .created = from_stamp(to_stamp(now)),
          .expires = asked.expires,
          .revoked = std::nullopt};
  if (!key.agent.empty() && key.agent_id.empty()) {
    TRY(const auto agent, agents::look(tx, key.agent));
    if (agent) key.agent_id = agent->id;
  }
  TRY_OK(insert(tx, journal, key, asked.request, asked.request_hash));
  return key;
}

base::Task<Keys::Created> Keys::create(NewKey asked) {
  const auto now = clock_.wall();
  co_return co_await store_.write(
      [journal = &journal_, asked = std::move(asked), now](store::Tx& tx) -> Result<Created> {
        TRY(auto known, find_request(tx, asked));
        if (known) return *std::move(known);
        TRY(auto key, add_key(tx, *journal, asked, now));
        return Created{.key = std::move(key), .is_replay = false};
      });
}

base::Task<Key> Keys::get(std::string prefix) {
  co_return co_await store_.read(
      [prefix = std::move(prefix)](store::Tx& tx) { return find_prefix(tx, prefix); });
}

base::Task<Key> Keys::revoke(std::string prefix, std::string actor) {
  const auto now = clock_.wall();
  co_return co_await store_.write([journal = &journal_, prefix = std::move(prefix),
                                   actor = std::move(actor), now](store::Tx& tx) -> Result<Key> {
    TRY(auto key, find_prefix(tx, prefix));
    if (key.revoked) return key;
    TRY_OK(services::revoke(tx, *journal, key, actor, now));
    return key;
  });
}

base::Task<std::optional<Key>> Keys::find(base::Sha256 digest) {
  co_return co_await store_.read([digest](store::Tx& tx) { return find_digest(tx, digest); });
}

base::Task<Keys::Page> Keys::list(std::string before, std::size_t limit) {
  co_return co_await store_.read(
      [before = std::move(before), limit](store::Tx& tx) -> Result<Page> {
        TRY(const auto rows, tx.query(fmt::format(R"sql(
          SELECT {}
          FROM api_keys
          WHERE $1 = '' OR id < $1
          ORDER BY id DESC
          LIMIT $2
        )sql",
                                                  columns),
                                      {before, limit + 1}));
        Page page{.keys = {}, .is_end = rows.size() <= limit};
        for (const auto& row : rows) {
          if (page.keys.size() < limit) page.keys.push_back(key_of(row));
        }
        return page;
      });
}

Result<std::string> admin_key_trouble(store::Tx& tx, const std::filesystem::path& file,
                                      base::WallTime now) {
  TRY(const auto text, read_secret(file));
  if (!text) return std::string();
  TRY(const auto known, find_digest(tx, base::sha256(*text)));
  return known ? admin_trouble(*known, now) : std::string();
}

base::Task<Keys::Admin> Keys::ensure_admin(std::filesystem::path file,
                                           std::function<std::string()> make) {
  CO_TRY(auto text, read_secret(file));
  if (text && text->empty()) {
    co_return base::fail(Code::invalid, fmt::format("read {}: it holds no key", file.string()));
  }
  const auto now = clock_.wall();
  std::string replaced;
  if (text) {
    CO_TRY(const auto known, co_await find(base::sha256(*text)));
    if (known && !admin_trouble(*known, now).empty()) replaced = known->id;
  }
  if (!text || !replaced.empty()) {
    text = make();
    CO_TRY_OK(write_secret(file, *text));
  }
  Key key{.id = base::uuid_v7(now),
          .name = "admin",
          .agent = {},
          .agent_id = {},
          .scopes = {"admin"},
          .digest = base::sha256(*text),
          .creator = "bridge",
          .created = from_stamp(to_stamp(now)),
          .expires = std::nullopt,
          .revoked = std::nullopt};
  CO_TRY(auto admin, co_await store_.write(
                         [journal = &journal_, key = std::move(key)](store::Tx& tx) -> Result<Key> {
                           TRY(auto known, find_digest(tx, key.digest));
                           if (known) return *std::move(known);
                           TRY_OK(insert(tx, *journal, key, {}, {}));
                           return key;
                         }));
  co_return Admin{std::move(admin), std::move(replaced)};
}

}  // namespace services
