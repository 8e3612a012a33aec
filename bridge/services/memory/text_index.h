// The full-text index over what is remembered. Its file is the only one that knows by which means:
// SQLite's FTS5 with bridge/store/relevance.h and passage.h. PostgreSQL would have a tsvector
// behind the same door.
#pragma once

#include "bridge/base/result.h"
#include "bridge/services/memory/entry.h"
#include "bridge/services/memory/query.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace services::memory::text_index {

// Makes the index; it reads the columns number, title, content and marks of memory_entries.
extern const std::string_view tables;
// What is looked up beside it: another step, which reads all entries there are once.
extern const std::string_view marks_table;

// Which entries count, by their marks and numbers.
struct Filter {
  std::vector<std::string> any = {};   // at least one of these, at most three; empty: all entries
  std::vector<std::string> each = {};  // all of these, at most four
  std::vector<std::string> none = {};  // none of these
  std::int64_t from = 0;
  std::optional<std::int64_t> before = {};
};

// The entry is in memory_entries already, or still.
base::Result<> add(store::Tx& tx, std::int64_t number);
// It is found no more. Its words stay in older parts of the index, each with the number of an entry
// that is no more, until FTS5 merges those parts by itself (SQLite 3.42 has secure-delete for
// this).
base::Result<> remove(store::Tx& tx, std::int64_t number);

// Numbers, newest first. The filter names a mark in `any` or `each`.
base::Result<std::vector<std::int64_t>> newest(store::Tx& tx, const Filter& filter,
                                               std::size_t limit);

struct Hit {
  std::int64_t number = 0;
  double score = 0;  // more is better
};
struct Found {
  std::vector<Hit> hits;    // best first, newer ones before older ones that are as good
  std::int64_t ranked = 0;  // entries that were compared
  // There are more than limits::memory_candidates_max: only the newest were compared.
  bool is_bounded = false;
};
// `none` and `before` are left out of account.
base::Result<Found> find(store::Tx& tx, const Query& query, const Filter& filter,
                         std::size_t limit);

// The part of the entry's content that shows best why it was found, with [ ] around the words.
base::Result<std::string> passage(store::Tx& tx, const Query& query, std::int64_t number);

}  // namespace services::memory::text_index
