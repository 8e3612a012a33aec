#include "bridge/engine/journal.h"

#include "bridge/base/limits.h"
#include "bridge/engine/job_row.h"
#include "cdp/try.h"

#include <algorithm>

#include <fmt/format.h>

namespace engine {
namespace {

using base::Code;
using base::Result;
using store::Value;

constexpr std::string_view entry_columns =
    "seq, time_at, type, subject, actor, thread, cause, data, hash";

Value blob_of(const base::Sha256& hash) {
  return store::Blob{std::string(reinterpret_cast<const char*>(hash.data()), hash.size())};
}

// False: not a hash.
bool read_hash(const std::string& bytes, base::Sha256& hash) {
  if (bytes.size() != hash.size()) return false;
  std::copy(bytes.begin(), bytes.end(), hash.begin());
  return true;
}

// internal: the row is not one that was written here.
Result<Entry> entry_of(const store::Row& row) {
  Entry entry;
  entry.sequence = row.at(0).integer();
  entry.time = from_stamp(row.at(1).integer());
  entry.type = row.at(2).text();
  entry.subject = row.at(3).text();
  entry.actor = row.at(4).text();
  entry.thread = row.at(5).text();
  entry.cause = row.at(6).text();
  auto data = base::parse_json(row.at(7).text());
  if (!data || !data->is_object() || !read_hash(row.at(8).blob(), entry.hash)) {
    return base::fail(Code::internal, fmt::format("read journal entry {}: damaged", entry.sequence),
                      "journal_broken");
  }
  entry.data = std::move(data->as_object());
  return entry;
}

Result<std::vector<store::Row>> rows_after(store::Tx& tx, std::int64_t after, int limit) {
  return tx.query(
      fmt::format("SELECT {} FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2", entry_columns),
      {after, limit});
}

struct Head {
  std::int64_t sequence = 0;
  base::Sha256 hash{};
};

Result<Head> head(store::Tx& tx) {
  TRY(const auto row, tx.query_one("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1"));
  Head found;
  if (!row) return found;
  found.sequence = row->at(0).integer();
  if (!read_hash(row->at(1).blob(), found.hash)) {
    return base::fail(Code::internal, "read journal: its last hash is damaged", "journal_broken");
  }
  return found;
}

void break_at(Verification& progress, std::int64_t sequence, std::string why) {
  progress.broken = sequence;
  progress.why = std::move(why);
}

// Goes one entry further; false: it is broken.
bool look(Verification& progress, const store::Row& row) {
  const std::int64_t expected = progress.checked + 1;
  if (row.at(0).integer() != expected) {
    break_at(progress, expected, "the entry is missing");
    return false;
  }
  const auto entry = entry_of(row);
  if (!entry) {
    break_at(progress, expected, "the entry is damaged");
    return false;
  }
  const std::string bytes = canonical(*entry, progress.previous);
  if (base::sha256(bytes) != entry->hash) {
    break_at(progress, expected, "the entry is not what was written, or not in its place");
    return false;
  }
  progress.previous = entry->hash;
  progress.tree.append(bytes);
  progress.checked = expected;
  return true;
}

struct Kept {
  std::int64_t size;
  base::Sha256 root;
  std::string note;
};

Result<std::vector<Kept>> checkpoints_after(store::Tx& tx, std::int64_t after, int limit) {
  TRY(const auto rows, tx.query("SELECT size, root, note FROM journal_checkpoints "
                                "WHERE size > $1 ORDER BY size LIMIT $2",
                                {after, limit}));
  std::vector<Kept> kept;
  for (const auto& row : rows) {
    Kept one{row.at(0).integer(), {}, row.at(2).text()};
    if (!read_hash(row.at(1).blob(), one.root)) one.root = {};
    kept.push_back(std::move(one));
  }
  return kept;
}

// Why a checkpoint does not vouch for the tree of its size; empty: it does.
std::string objection(const Verification& progress, const Kept& kept,
                      std::string_view verifier_key) {
  std::string text = kept.note.substr(0, kept.note.rfind("\n\n") + 1);
  if (!verifier_key.empty()) {
    auto opened = open_note(kept.note, verifier_key);
    if (!opened) return opened.error().message;
    text = *std::move(opened);
  }
  const auto checkpoint = Checkpoint::parse(text);
  if (!checkpoint) return checkpoint.error().message;
  if (checkpoint->size != kept.size || checkpoint->root != kept.root) {
    return "the checkpoint is not what was signed";
  }
  if (progress.has_tree && progress.tree.root() != kept.root) {
    return "the entries are not those that were signed";
  }
  return {};
}

// See `canonical`; `data` is the entry's as canonical JSON.
std::string canonical_with(const Entry& entry, std::string_view data,
                           const base::Sha256& previous) {
  std::string out;
  out.reserve(data.size() + 512);
  // In the order of their names, which RFC 8785 wants.
  const auto add = [&out](std::string_view name, std::string_view text) {
    out.append(name);
    base::append_canonical(out, text);
  };
  add(R"({"actor":)", entry.actor);
  add(R"(,"cause":)", entry.cause);
  out.append(R"(,"data":)").append(data);
  add(R"(,"previous":)", base::hex(previous));
  out.append(R"(,"seq":)").append(std::to_string(entry.sequence));
  add(R"(,"subject":)", entry.subject);
  add(R"(,"thread":)", entry.thread);
  add(R"(,"time":)", base::rfc3339(entry.time));
  add(R"(,"type":)", entry.type);
  return out += '}';
}

}  // namespace

std::string canonical(const Entry& entry, const base::Sha256& previous) {
  return canonical_with(entry, base::canonical_json(entry.data), previous);
}

bool EntryFilter::matches(const Entry& entry) const {
  const bool is_type =
      type.empty() || entry.type == type || (type.ends_with('.') && entry.type.starts_with(type));
  return is_type && (subject.empty() || subject == entry.subject) &&
         (actor.empty() || actor == entry.actor) && (thread.empty() || thread == entry.thread);
}

Result<std::int64_t> Journal::append(store::Tx& tx, NewEntry written, base::WallTime now) const {
  auto entry = std::make_shared<Entry>();
  static_cast<NewEntry&>(*entry) = std::move(written);
  std::string data = base::canonical_json(entry->data);
  bool is_bounded = !entry->type.empty() && data.size() <= limits::entry_bytes_max;
  for (const auto* text :
       {&entry->type, &entry->subject, &entry->actor, &entry->thread, &entry->cause}) {
    is_bounded = is_bounded && text->size() <= limits::name_bytes_max;
  }
  if (!is_bounded) {
    return base::fail(Code::invalid,
                      fmt::format("append {} entry: no type, or too big", entry->type));
  }
  TRY(const auto before, head(tx));
  entry->sequence = before.sequence + 1;
  entry->time = from_stamp(to_stamp(now));
  entry->hash = base::sha256(canonical_with(*entry, data, before.hash));
  TRY_OK(
      tx.execute("INSERT INTO journal (seq, time_at, type, subject, actor, thread, cause, data, "
                 "hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                 {entry->sequence, to_stamp(entry->time), entry->type, entry->subject, entry->actor,
                  entry->thread, entry->cause, std::move(data), blob_of(entry->hash)}));
  const std::int64_t sequence = entry->sequence;
  if (tail_) {
    tx.after_commit([tail = tail_, entry = std::move(entry)] { tail->add(entry); });
  }
  return sequence;
}

Result<std::int64_t> Journal::last(store::Tx& tx) const {
  TRY(const auto row, tx.query_one("SELECT COALESCE(MAX(seq), 0) FROM journal"));
  return row->at(0).integer();
}

Result<Entry> Journal::get(store::Tx& tx, std::int64_t sequence) const {
  TRY(const auto rows, rows_after(tx, sequence - 1, 1));
  if (rows.empty() || rows.front().at(0).integer() != sequence) {
    return base::fail(Code::not_found, fmt::format("journal entry {}: no such entry", sequence));
  }
  return entry_of(rows.front());
}

Result<std::vector<Entry>> Journal::newest(store::Tx& tx, std::string_view type,
                                           std::string_view subject, int limit) const {
  BRIDGE_ASSERT(!subject.empty() && limit >= 1);
  TRY(const auto rows,
      tx.query(fmt::format("SELECT {} FROM journal WHERE subject <> '' AND subject = $1 AND "
                           "type = $2 ORDER BY seq DESC LIMIT $3",
                           entry_columns),
               {std::string(subject), std::string(type), limit}));
  std::vector<Entry> entries;
  for (const auto& row : rows) {
    TRY(auto entry, entry_of(row));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<EntryPage> Journal::page(store::Tx& tx, std::int64_t after, int limit,
                                const EntryFilter& filter) const {
  limit = std::clamp(limit, 1, limits::list_max);
  TRY(const std::int64_t newest, last(tx));
  // Subjects and threads have an index; other filters look at a bounded stretch.
  const bool has_index = !filter.subject.empty() || !filter.thread.empty();
  const std::int64_t end =
      has_index ? newest : std::min<std::int64_t>(newest, after + limits::journal_scan_max);
  store::Values values = {after, end};
  std::string where = "WHERE seq > $1 AND seq <= $2";
  const auto add = [&](std::string_view condition, std::string value) {
    values.emplace_back(std::move(value));
    where += fmt::format(" AND {} ${}", condition, values.size());
  };
  if (filter.type.ends_with('.')) {
    add("type >=", filter.type);
    std::string beyond = filter.type;
    beyond.back() = '.' + 1;
    add("type <", std::move(beyond));
  } else if (!filter.type.empty()) {
    add("type =", filter.type);
  }
  if (!filter.subject.empty()) add("subject <> '' AND subject =", filter.subject);
  if (!filter.thread.empty()) add("thread <> '' AND thread =", filter.thread);
  if (!filter.actor.empty()) add("actor =", filter.actor);
  values.emplace_back(limit);
  TRY(const auto rows, tx.query_part(fmt::format("SELECT {} FROM journal {} ORDER BY seq LIMIT ${}",
                                                 entry_columns, where, values.size()),
                                     std::move(values), static_cast<std::size_t>(limit)));
  TRY(auto found, store::read_each(rows, entry_of));
  EntryPage page{.entries = std::move(found.items), .is_cut = !found.is_end};
  const bool is_full = page.is_cut || page.entries.size() == static_cast<std::size_t>(limit);
  page.last = is_full ? page.entries.back().sequence : std::max(end, after);
  page.is_end = page.last >= newest;
  return page;
}

Result<Verification> Journal::resume_from(store::Tx& tx, std::int64_t after) const {
  Verification progress;
  if (after == 0) return progress;
  TRY(const auto entry, get(tx, after));
  progress.checked = after;
  progress.previous = entry.hash;
  progress.has_tree = false;
  TRY(const auto kept,
      tx.query_one("SELECT subtrees FROM journal_checkpoints WHERE size = $1", {after}));
  if (kept) {
    TRY(progress.tree, MerkleTree::from_state(after, kept->at(0).blob()));
    progress.has_tree = true;
  }
  return progress;
}

Result<> Journal::verify(store::Tx& tx, Verification& progress, std::string_view verifier_key,
                         int limit) const {
  BRIDGE_ASSERT(limit >= 1 && !progress.is_finished && !progress.broken);
  TRY(const auto rows, rows_after(tx, progress.checked, limit));
  TRY(const auto kept, checkpoints_after(tx, progress.checked, limit));
  auto next = kept.begin();
  for (const auto& row : rows) {
    if (!look(progress, row)) return {};
    if (next == kept.end() || next->size != progress.checked) continue;
    const std::string why = objection(progress, *next++, verifier_key);
    if (!why.empty()) {
      break_at(progress, progress.vouched + 1, why);
      return {};
    }
    ++progress.checkpoints;
    progress.vouched = progress.checked;
  }
  if (rows.size() == static_cast<std::size_t>(limit)) return {};
  if (next != kept.end()) {
    break_at(progress, progress.checked + 1,
             fmt::format("the tail is cut: {} entries were signed", kept.back().size));
    return {};
  }
  progress.is_finished = true;
  return {};
}

Result<std::optional<std::string>> Journal::last_checkpoint(store::Tx& tx) const {
  TRY(const auto row,
      tx.query_one("SELECT note FROM journal_checkpoints ORDER BY size DESC LIMIT 1"));
  if (!row) return std::nullopt;
  return row->at(0).text();
}

Result<bool> Journal::is_checkpoint_due(store::Tx& tx, base::WallTime now) const {
  TRY(const std::int64_t newest, last(tx));
  TRY(const auto row, tx.query_one("SELECT size, made_at FROM journal_checkpoints "
                                   "ORDER BY size DESC LIMIT 1"));
  if (!row) return newest > 0;
  const std::int64_t since = newest - row->at(0).integer();
  const auto age = now - from_stamp(row->at(1).integer());
  // A calendar that went back makes the age negative: that counts as old.
  const bool is_old = age >= limits::checkpoint_period || age < Milliseconds(0);
  return since >= limits::checkpoint_entries || (since > 0 && is_old);
}

Result<Verification> Journal::begin_checkpoint(store::Tx& tx) const {
  TRY(const auto row, tx.query_one("SELECT size FROM journal_checkpoints "
                                   "ORDER BY size DESC LIMIT 1"));
  const std::int64_t size = row ? row->at(0).integer() : 0;
  TRY(const std::int64_t newest, last(tx));
  if (newest < size) {
    return base::fail(Code::conflict, "sign journal: its tail is cut", "journal_broken");
  }
  TRY(auto progress, resume_from(tx, size));
  progress.wanted = newest;
  return progress;
}

Result<bool> Journal::prepare_checkpoint(store::Tx& tx, Verification& progress, int limit) const {
  const auto left = progress.wanted - progress.checked;
  TRY(const auto rows,
      rows_after(tx, progress.checked, static_cast<int>(std::min<std::int64_t>(limit, left))));
  for (const auto& row : rows) {
    if (!look(progress, row)) break;
  }
  if (rows.empty() && left > 0) break_at(progress, progress.checked + 1, "the entry is missing");
  if (progress.broken) {
    return base::fail(Code::conflict,
                      fmt::format("sign journal: entry {}: {}", *progress.broken, progress.why),
                      "journal_broken");
  }
  return progress.checked == progress.wanted;
}

Result<std::string> Journal::sign_checkpoint(store::Tx& tx, const Verification& progress,
                                             const NoteSigner& signer, base::WallTime now) const {
  BRIDGE_ASSERT(progress.has_tree && progress.tree.size() == progress.checked);
  TRY(const auto known, tx.query_one("SELECT size, note FROM journal_checkpoints "
                                     "ORDER BY size DESC LIMIT 1"));
  if (known && known->at(0).integer() >= progress.checked) return known->at(1).text();
  const Checkpoint made{signer.name(), progress.checked, progress.tree.root()};
  std::string note = signer.sign(made.text());
  TRY_OK(
      tx.execute("INSERT INTO journal_checkpoints (size, made_at, root, subtrees, note) "
                 "VALUES ($1, $2, $3, $4, $5)",
                 {made.size, to_stamp(now), blob_of(made.root),
                  Value(store::Blob{progress.tree.state()}), note}));
  return note;
}

base::Task<std::string> make_checkpoint(store::Store& store, const Journal& journal,
                                        const NoteSigner& signer, const base::Clock& clock) {
  CO_TRY(auto begun, co_await store.read([journal = &journal](store::Tx& tx) {
    return journal->begin_checkpoint(tx);
  }));
  // A work may run a second time: each begins from a copy.
  struct Piece {
    Verification progress;
    bool is_last = false;
  } piece{std::move(begun)};
  while (!piece.is_last) {
    auto look_on = [journal = &journal, before = piece.progress](store::Tx& tx) -> Result<Piece> {
      Piece looked{before};
      TRY(looked.is_last,
          journal->prepare_checkpoint(tx, looked.progress, limits::checkpoint_entries));
      return looked;
    };
    CO_TRY(piece, co_await store.read(std::move(look_on)));
  }
  co_return co_await store.write([journal = &journal, progress = std::move(piece.progress),
                                  signer = &signer, now = clock.wall()](store::Tx& tx) {
    return journal->sign_checkpoint(tx, progress, *signer, now);
  });
}

}  // namespace engine
