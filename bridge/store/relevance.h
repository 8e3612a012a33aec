// Ranking for full-text search whose work does not grow with the number of entries.
#pragma once

#include "bridge/base/result.h"

struct sqlite3;

namespace store {

// Gives the connection the FTS5 functions
//
//   relevance(table, phrases, words, weight, …)
//
// the Okapi BM25 score of the current row as a negative number: smaller is better. Like FTS5's own
// bm25(), with a weight for every column, but of the query's first `phrases` phrases only, so that
// filters behind them neither count nor cost. `words` is how many the row has in the columns whose
// weight is not 0, which the caller may have at hand: FTS5 looks it up in a table of its own.
// bm25() reads every hit of every phrase to learn how rare it is; this reads `relevance_hits_max`
// and estimates the rest from how early they came.
//
//   likeness(table, phrases, words, weight, …)
//
// the same as if every phrase was equally rare and every other row of a usual length. It depends on
// the current row alone: what others have cannot be read from it.
//
//   nth(table)
//
// how many rows of the query it was asked about so far: the first is 1. It tells whether a query
// that stops after so many rows came to its limit, where some of these rows do not come out.
base::Result<> add_relevance(sqlite3* database);

}  // namespace store
