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
// What a search asks of every entry that has its words. It lies close together, where
// memory_entries takes a page for a few, and the index one more for the length of each.
const std::string_view marks_table = R"sql(
  CREATE TABLE memory_marks (
    number INTEGER PRIMARY KEY,
    words INTEGER NOT NULL,
    marks TEXT NOT NULL
  ) STRICT;
  INSERT INTO memory_marks (number, words, marks)
  SELECT number, words_in(title) + words_in(content), marks
  FROM memory_entries
  ORDER BY number
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

// How rare a word is in the entries of all may tell who does not see them what they hold: ranked
// for such a viewer, an entry's score comes from this entry alone.
std::string_view score_for(const Filter& filter) {
  return filter.any.empty() ? "relevance" : "likeness";
}

// Newest first, so that the search can stop when enough are found.
constexpr std::string_view rank_all = R"sql(
  SELECT memory_index.rowid, {}(memory_index, $2, m.words, 4.0, 1.0, 0.0)
  FROM memory_index
  CROSS JOIN memory_marks m ON m.number = memory_index.rowid
  WHERE memory_index MATCH $1 AND memory_index.rowid >= $3 AND memory_index.rowid < $4
  ORDER BY memory_index.rowid DESC
  LIMIT $5
)sql";
// The same of what has the words, each looked at by itself whether it has the marks: with an index
// of marks that many entries have, that is much cheaper than to follow both. The last that is
// looked at comes out in any case, to tell that there may be more.
constexpr std::string_view rank_marked = R"sql(
  SELECT number, score, nth
  FROM (
    SELECT memory_index.rowid AS number, nth(memory_index) AS nth,
           CASE WHEN (instr(m.marks, $6) > 0 OR instr(m.marks, $7) > 0 OR instr(m.marks, $8) > 0)
                     AND instr(m.marks, $9) > 0 AND instr(m.marks, $10) > 0
                     AND instr(m.marks, $11) > 0 AND instr(m.marks, $12) > 0
           THEN {}(memory_index, $2, m.words, 4.0, 1.0, 0.0)
           END AS score
    FROM memory_index
    CROSS JOIN memory_marks m ON m.number = memory_index.rowid
    WHERE memory_index MATCH $1 AND memory_index.rowid >= $3
    ORDER BY memory_index.rowid DESC
    LIMIT $4
  )
  WHERE score IS NOT NULL OR nth = $4
  LIMIT $5
)sql";

// One more than is ranked tells whether there are more.
constexpr std::int64_t wanted = limits::memory_candidates_max + 1;
constexpr auto newest_of_all = std::numeric_limits<std::int64_t>::max();

// Every text holds an empty one.
store::Values with_values(store::Values values, const Filter& filter) {
  BRIDGE_ASSERT(filter.any.size() <= 3 && filter.each.size() <= 4);
  const auto or_else = [](const std::vector<std::string>& marks, std::size_t i,
                          const std::string& other) { return i < marks.size() ? marks[i] : other; };
  const std::string first = filter.any.empty() ? "" : filter.any.front();
  for (std::size_t i = 0; i < 3; ++i) values.push_back(or_else(filter.any, i, first));
  for (std::size_t i = 0; i < 4; ++i) values.push_back(or_else(filter.each, i, ""));
  return values;
}

// Adds the newest that fit, until there are `wanted`.
Result<> add_indexed(store::Tx& tx, const std::string& expression, std::size_t phrases,
                     const Filter& filter, std::int64_t before, std::vector<Hit>& hits) {
  const auto missing = wanted - static_cast<std::int64_t>(hits.size());
  TRY(const auto rows, tx.query(fmt::format(rank_all, score_for(filter)),
                                {expression, phrases, filter.from, before, missing}));
  for (const auto& row : rows) hits.push_back({row[0].integer(), -row[1].real()});
  return {};
}

// The same of the newest memory_looked_at_max that have the words. Where others may have been left
// over: the number before which they are.
Result<std::optional<std::int64_t>> add_marked(store::Tx& tx, const std::string& words,
                                               std::size_t phrases, const Filter& filter,
                                               std::vector<Hit>& hits) {
  TRY(const auto rows,
      tx.query(fmt::format(rank_marked, score_for(filter)),
               with_values({words, phrases, filter.from, limits::memory_looked_at_max, wanted},
                           filter)));
  for (const auto& row : rows) {
    if (!row[1].is_null()) hits.push_back({row[0].integer(), -row[1].real()});
  }
  const bool is_end = rows.empty() || rows.back()[2].integer() < limits::memory_looked_at_max;
  return is_end ? std::nullopt : std::optional(rows.back()[0].integer());
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
  TRY_OK(tx.execute(R"sql(
    INSERT INTO memory_marks (number, words, marks)
    SELECT number, words_in(title) + words_in(content), marks
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
  TRY_OK(tx.execute("DELETE FROM memory_marks WHERE number = $1", {number}));
  return {};
}

Result<std::vector<std::int64_t>> newest(store::Tx& tx, const Filter& filter, std::size_t limit) {
  BRIDGE_ASSERT(!filter.any.empty() || !filter.each.empty());
  TRY(const auto rows, tx.query(R"sql(
    SELECT rowid
    FROM memory_index
    WHERE memory_index MATCH $1 AND rowid >= $2 AND rowid < $3
    ORDER BY rowid DESC
    LIMIT $4
  )sql",
                                {with_marks("", filter), filter.from,
                                 filter.before.value_or(newest_of_all), limit}));
  std::vector<std::int64_t> numbers;
  for (const auto& row : rows) numbers.push_back(row[0].integer());
  return numbers;
}

Result<Found> find(store::Tx& tx, const Query& query, const Filter& filter, std::size_t limit) {
  const std::string words = words_of(query);
  const std::size_t phrases = query.phrases().size();
  std::vector<Hit> hits;
  if (filter.any.empty() && filter.each.empty()) {
    TRY_OK(add_indexed(tx, words, phrases, filter, newest_of_all, hits));
  } else {
    TRY(const auto rest, add_marked(tx, words, phrases, filter, hits));
    // Few of those with the words have the marks: now the index says which.
    if (rest && std::ssize(hits) < wanted) {
      TRY_OK(add_indexed(tx, with_marks(words, filter), phrases, filter, *rest, hits));
    }
  }
  Found found;
  found.is_bounded = std::ssize(hits) == wanted;
  if (found.is_bounded) hits.pop_back();
  found.ranked = std::ssize(hits);
  const auto end = std::ranges::next(hits.begin(), static_cast<std::ptrdiff_t>(limit), hits.end());
  std::ranges::partial_sort(hits, end, [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.number > b.number;
  });
  hits.erase(end, hits.end());
  found.hits = std::move(hits);
  return found;
}

Result<std::string> passage(store::Tx& tx, const Query& query, std::int64_t number) {
  std::string lines;
  for (const auto& phrase : query.phrases()) {
    if (!lines.empty()) lines += '\n';
    const auto start = lines.size();
    lines += phrase.text;
    std::replace(lines.begin() + static_cast<std::ptrdiff_t>(start), lines.end(), '\n', ' ');
  }
  TRY(const auto row,
      tx.query_one(
          "SELECT passage(content, $2, $3, $4) FROM memory_entries WHERE number = $1",
          {number, lines, query.phrases().back().is_prefix, limits::memory_passage_words}));
  return row ? row->at(0).text() : std::string();
}

}  // namespace services::memory::text_index
