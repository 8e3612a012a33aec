#include "bridge/store/relevance.h"

#include "bridge/base/limits.h"
#include "bridge/store/sqlite_error.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <sqlite3.h>

namespace store {
namespace {

using Api = const Fts5ExtensionApi;

constexpr std::int64_t relevance_hits_max = 10'000;
// As FTS5's bm25() has them.
constexpr double saturation = 1.2;
constexpr double length_weight = 0.75;
constexpr double rarity_min = 1e-6;

// What is the same for every row of a query.
struct Query {
  std::vector<double> rarities;  // of each phrase
  double mean_tokens = 1;        // of a row
};

struct Hits {
  std::int64_t count = 0;
  std::int64_t last_row = 0;
};

int count_hit(Api* api, Fts5Context* context, void* counted) {
  auto& hits = *static_cast<Hits*>(counted);
  if (++hits.count < relevance_hits_max) return SQLITE_OK;
  hits.last_row = api->xRowid(context);
  return SQLITE_DONE;
}

// How many rows have the phrase: exactly, or as if the rest were as rich in it as the beginning.
double estimate(const Hits& hits, double rows) {
  const auto counted = static_cast<double>(hits.count);
  if (hits.last_row == 0) return counted;
  return counted * std::max(1.0, rows / static_cast<double>(hits.last_row));
}

int look_at(Api* api, Fts5Context* context, int phrases, Query& query) {
  sqlite3_int64 rows = 0;
  sqlite3_int64 tokens = 0;
  if (int status = api->xRowCount(context, &rows); status != SQLITE_OK) return status;
  if (int status = api->xColumnTotalSize(context, -1, &tokens); status != SQLITE_OK) return status;
  const auto all = static_cast<double>(std::max<sqlite3_int64>(rows, 1));
  query.mean_tokens = std::max(1.0, static_cast<double>(tokens) / all);
  for (int i = 0; i < phrases; ++i) {
    Hits hits;
    const int status = api->xQueryPhrase(context, i, &hits, count_hit);
    if (status != SQLITE_OK) return status;
    const double having = std::min(all, estimate(hits, all));
    query.rarities.push_back(std::max(rarity_min, std::log((all - having + 0.5) / (having + 0.5))));
  }
  return SQLITE_OK;
}

// The query's own, made with its first row.
int query_of(Api* api, Fts5Context* context, int phrases, const Query** found) {
  if (auto* known = static_cast<Query*>(api->xGetAuxdata(context, 0))) {
    *found = known;
    return SQLITE_OK;
  }
  auto query = std::make_unique<Query>();
  if (int status = look_at(api, context, phrases, *query); status != SQLITE_OK) return status;
  *found = query.get();
  return api->xSetAuxdata(context, query.release(),
                          [](void* owned) { delete static_cast<Query*>(owned); });
}

double weight_of(int column, int count, sqlite3_value** weights) {
  return column < count ? sqlite3_value_double(weights[column]) : 1.0;
}

int score(Api* api, Fts5Context* context, int count, sqlite3_value** values, double& sum) {
  const int phrases =
      std::clamp(count > 0 ? sqlite3_value_int(values[0]) : 0, 0, api->xPhraseCount(context));
  const Query* query = nullptr;
  if (int status = query_of(api, context, phrases, &query); status != SQLITE_OK) return status;
  int tokens = 0;
  if (int status = api->xColumnSize(context, -1, &tokens); status != SQLITE_OK) return status;
  const double size = static_cast<double>(tokens) / query->mean_tokens;
  for (int i = 0; i < phrases; ++i) {
    double hits = 0;
    Fts5PhraseIter at{};
    int column = 0;
    int offset = 0;
    int status = api->xPhraseFirst(context, i, &at, &column, &offset);
    if (status != SQLITE_OK) return status;
    for (; column >= 0; api->xPhraseNext(context, &at, &column, &offset)) {
      hits += weight_of(column, count - 1, values + 1);
    }
    sum += query->rarities[static_cast<std::size_t>(i)] * hits * (saturation + 1) /
           (hits + saturation * (1 - length_weight + length_weight * size));
  }
  return SQLITE_OK;
}

void relevance(Api* api, Fts5Context* context, sqlite3_context* result, int count,
               sqlite3_value** values) {
  double sum = 0;
  const int status = score(api, context, count, values, sum);
  if (status != SQLITE_OK) return sqlite3_result_error_code(result, status);
  sqlite3_result_double(result, -sum);
}

fts5_api* api_of(sqlite3* database) {
  fts5_api* api = nullptr;
  sqlite3_stmt* asking = nullptr;
  if (sqlite3_prepare_v2(database, "SELECT fts5($1)", -1, &asking, nullptr) != SQLITE_OK) {
    return nullptr;
  }
  sqlite3_bind_pointer(asking, 1, static_cast<void*>(&api), "fts5_api_ptr", nullptr);
  sqlite3_step(asking);
  sqlite3_finalize(asking);
  return api;
}

}  // namespace

base::Result<> add_relevance(sqlite3* database) {
  fts5_api* api = api_of(database);
  if (api == nullptr) {
    return base::fail(base::Code::unavailable, "open store: SQLite has no full-text search (FTS5)");
  }
  const int status = api->xCreateFunction(api, "relevance", nullptr, relevance, nullptr);
  if (status != SQLITE_OK) {
    return std::unexpected(sqlite_error(database, status, "add the ranking function"));
  }
  return {};
}

}  // namespace store
