// Ranking for full-text search whose work does not grow with the number of entries.
#pragma once

#include "bridge/base/result.h"

struct sqlite3;

namespace store {

// Gives the connection the FTS5 function
//
//   relevance(table, phrases, weight, …)
//
// the Okapi BM25 score of the current row as a negative number: smaller is better. Like FTS5's own
// bm25(), with a weight for every column, but of the query's first `phrases` phrases only, so that
// filters behind them neither count nor cost. bm25() reads every hit of every phrase to learn how
// rare it is; this reads `relevance_hits_max` and estimates the rest from how early they came.
base::Result<> add_relevance(sqlite3* database);

}  // namespace store
