#include "bridge/services/memory/text_index.h"

#include "bridge/services/memory/memory_limits.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace services::memory::text_index {

using base::Result;

// The texts are not stored twice: the index reads them from the table it is over.
const std::string_view tables = R"sql(
  CREATE VIRTUAL TABLE memory_index USING fts5 (
    title, content, marks,
    content = 'memory_entries', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2'
  )
)sql";

namespace {

// A string of FTS5: inside of it only the quote means anything.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += c;
    out += c;
  }
  return out += '"';
}

std::string joined(const std::vector<std::string>& marks) {
  std::string out;
  for (const auto& one : marks) out += (out.empty() ? "" : " OR ") + quoted(one);
  return out;
}

// Words side by side must all be there; those that hold no letters are left out by FTS5.
std::string words_of(const Query& query) {
  std::string out;
  for (const auto& phrase : query.phrases()) {
    out += (out.empty() ? "" : " ") + quoted(phrase.text) + (phrase.is_prefix ? " *" : "");
  }
  return "{title content} : (" + out + ")";
}

// The marks as a part of the expression. What is before them must not be empty when they are all
// negative.
std::string with_marks(std::string expression, const Filter& filter) {
  const auto add = [&](std::string_view by, const std::string& marks) {
    if (!expression.empty()) expression += fmt::format(" {} ", by);
    expression += "marks : (" + marks + ")";
  };
  if (!filter.any.empty()) add("AND", joined(filter.any));
  for (const auto& one : filter.each) add("AND", quoted(one));
  if (!filter.none.empty()) add("NOT", joined(filter.none));
  return expression;
}

// Newest first, so that the search can stop when enough are found.
constexpr std::string_view rank_all = R"sql(
  SELECT rowid, relevance(memory_index, $2, 4.0, 1.0, 0.0), 1
  FROM memory_index
  WHERE memory_index MATCH $1 AND rowid >= $3
  ORDER BY rowid DESC
  LIMIT $4
)sql";
// The same for a few hits, each looked at by itself: with an index of marks that many entries have,
// that is cheaper than to follow both.
constexpr std::string_view rank_few = R"sql(
  SELECT h.number, h.score,
         (instr(e.marks, $5) > 0 OR instr(e.marks, $6) > 0 OR instr(e.marks, $7) > 0)
         AND instr(e.marks, $8) > 0 AND instr(e.marks, $9) > 0
         AND instr(e.marks, $10) > 0 AND instr(e.marks, $11) > 0
  FROM (
    SELECT rowid AS number, relevance(memory_index, $2, 4.0, 1.0, 0.0) AS score
    FROM memory_index
    WHERE memory_index MATCH $1 AND rowid >= $3
    ORDER BY rowid DESC
    LIMIT $4
  ) h
  CROSS JOIN memory_entries e ON e.number = h.number
)sql";

// Whether no more entries have the words than are ranked.
Result<bool> are_few(store::Tx& tx, const std::string& words, std::int64_t from) {
  TRY(const auto row, tx.query_one(R"sql(
    SELECT COUNT(*)
    FROM (
      SELECT rowid
      FROM memory_index
      WHERE memory_index MATCH $1 AND rowid >= $2
      LIMIT $3
    )
  )sql",
                                   {words, from, limits::memory_candidates_max + 1}));
  return row->at(0).integer() <= limits::memory_candidates_max;
}

// Every text holds an empty one.
store::Values few_values(store::Values values, const Filter& filter) {
  BRIDGE_ASSERT(filter.any.size() <= 3 && filter.each.size() <= 4);
  const auto or_else = [](const std::vector<std::string>& marks, std::size_t i,
                          const std::string& other) { return i < marks.size() ? marks[i] : other; };
  const std::string first = filter.any.empty() ? "" : filter.any.front();
  for (std::size_t i = 0; i < 3; ++i) values.push_back(or_else(filter.any, i, first));
  for (std::size_t i = 0; i < 4; ++i) values.push_back(or_else(filter.each, i, ""));
  return values;
}

}  // namespace

Result<> add(store::Tx& tx, std::int64_t number) {
  TRY_OK(tx.execute(R"sql(
    INSERT INTO memory_index (rowid, title, content, marks)
    SELECT number, title, content, marks
    FROM memory_entries
    WHERE number = $1
  )sql",
                    {number}));
  return {};
}

Result<> remove(store::Tx& tx, std::int64_t number) {
  // FTS5 takes the words out that it is told, which must be those that it was given.
  TRY_OK(tx.execute(R"sql(
    INSERT INTO memory_index (memory_index, rowid, title, content, marks)
    SELECT 'delete', number, title, content, marks
    FROM memory_entries
    WHERE number = $1
  )sql",
                    {number}));
  return {};
}

Result<std::vector<std::int64_t>> newest(store::Tx& tx, const Filter& filter, std::size_t limit) {
  BRIDGE_ASSERT(!filter.any.empty() || !filter.each.empty());
  constexpr auto all = std::numeric_limits<std::int64_t>::max();
  TRY(const auto rows,
      tx.query(R"sql(
    SELECT rowid
    FROM memory_index
    WHERE memory_index MATCH $1 AND rowid >= $2 AND rowid < $3
    ORDER BY rowid DESC
    LIMIT $4
  )sql",
               {with_marks("", filter), filter.from, filter.before.value_or(all), limit}));
  std::vector<std::int64_t> numbers;
  for (const auto& row : rows) numbers.push_back(row[0].integer());
  return numbers;
}

Result<Found> find(store::Tx& tx, const Query& query, const Filter& filter, std::size_t limit) {
  const std::string words = words_of(query);
  const bool has_marks = !filter.any.empty() || !filter.each.empty();
  bool is_few = false;
  if (has_marks) {
    TRY(is_few, are_few(tx, words, filter.from));
  }
  // One more tells whether there are more.
  store::Values values{is_few ? words : with_marks(words, filter), query.phrases().size(),
                       filter.from, limits::memory_candidates_max + 1};
  if (is_few) values = few_values(std::move(values), filter);
  TRY(const auto rows, tx.query(is_few ? rank_few : rank_all, std::move(values)));
  Found found;
  for (const auto& row : rows) {
    if (found.ranked == limits::memory_candidates_max) {
      found.is_bounded = true;
      break;
    }
    if (!row[2].flag()) continue;
    ++found.ranked;
    found.hits.push_back({row[0].integer(), -row[1].real()});
  }
  const auto end =
      std::ranges::next(found.hits.begin(), static_cast<std::ptrdiff_t>(limit), found.hits.end());
  std::ranges::partial_sort(found.hits, end, [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.number > b.number;
  });
  found.hits.erase(end, found.hits.end());
  return found;
}

Result<std::string> snippet(store::Tx& tx, const Query& query, std::string_view prefixed,
                            std::int64_t number) {
  // A prefix would be looked up anew for every entry, a whole word costs nothing.
  std::string words;
  for (const auto& phrase : query.phrases()) {
    const std::string_view text = phrase.is_prefix ? prefixed : std::string_view(phrase.text);
    if (text.empty()) continue;
    words += (words.empty() ? "" : " ") + quoted(text);
  }
  if (words.empty()) return std::string();
  TRY(const auto row,
      tx.query_one(R"sql(
    SELECT snippet(memory_index, 1, '[', ']', '…', $3)
    FROM memory_index
    WHERE memory_index MATCH $1 AND rowid = $2
  )sql",
                   {"{title content} : (" + words + ")", number, limits::memory_snippet_words}));
  return row ? row->at(0).text() : std::string();
}

}  // namespace services::memory::text_index
