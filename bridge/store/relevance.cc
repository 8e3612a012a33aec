#include "bridge/store/relevance.h"

#include "bridge/store/fts5.h"
#include "bridge/store/sqlite_error.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <sqlite3.h>

namespace store {
namespace {

using Api = const Fts5ExtensionApi;

constexpr std::int64_t relevance_hits_max = 2000;
// As FTS5's bm25() has them.
constexpr double saturation = 1.2;
constexpr double length_weight = 0.75;
constexpr double rarity_min = 1e-6;
// Of a row of middling length, where those of the other rows are not to be told.
constexpr double usual_words = 100;

// What is the same for every row of a query.
struct Query {
  std::vector<double> rarities;  // of each phrase
  double mean_words = 1;         // of a row, in the columns that count
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

// What the function is called with: phrases, words, weight, …
class Call {
 public:
  Call(int count, sqlite3_value** values) : count_(count), values_(values) {}
  int phrases() const { return count_ > 0 ? sqlite3_value_int(values_[0]) : 0; }
  double words() const { return count_ > 1 ? sqlite3_value_double(values_[1]) : 0; }
  double weight(int column) const {
    return column + 2 < count_ ? sqlite3_value_double(values_[column + 2]) : 1.0;
  }

 private:
  int count_;
  sqlite3_value** values_;
};

int look_at(Api* api, Fts5Context* context, int phrases, const Call& call, Query& query) {
  sqlite3_int64 rows = 0;
  if (int status = api->xRowCount(context, &rows); status != SQLITE_OK) return status;
  const auto all = static_cast<double>(std::max<sqlite3_int64>(rows, 1));
  sqlite3_int64 words = 0;
  for (int column = 0; column < api->xColumnCount(context); ++column) {
    sqlite3_int64 here = 0;
    const int status = api->xColumnTotalSize(context, column, &here);
    if (status != SQLITE_OK) return status;
    if (call.weight(column) > 0) words += here;
  }
  query.mean_words = std::max(1.0, static_cast<double>(words) / all);
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
int query_of(Api* api, Fts5Context* context, int phrases, const Call& call, const Query** found) {
  if (auto* known = static_cast<Query*>(api->xGetAuxdata(context, 0))) {
    *found = known;
    return SQLITE_OK;
  }
  auto query = std::make_unique<Query>();
  const int status = look_at(api, context, phrases, call, *query);
  if (status != SQLITE_OK) return status;
  *found = query.get();
  return api->xSetAuxdata(context, query.release(),
                          [](void* owned) { delete static_cast<Query*>(owned); });
}

int phrases_of(Api* api, Fts5Context* context, const Call& call) {
  return std::clamp(call.phrases(), 0, api->xPhraseCount(context));
}

// How often the row has the phrase, by the weights of the columns.
int weigh(Api* api, Fts5Context* context, int phrase, const Call& call, double& hits) {
  Fts5PhraseIter at{};
  int column = 0;
  int offset = 0;
  const int status = api->xPhraseFirst(context, phrase, &at, &column, &offset);
  if (status != SQLITE_OK) return status;
  for (; column >= 0; api->xPhraseNext(context, &at, &column, &offset)) {
    hits += call.weight(column);
  }
  return SQLITE_OK;
}

// What so many hits are worth in a row of this size; 1 is the middling one.
double worth(double hits, double size) {
  return hits * (saturation + 1) / (hits + saturation * (1 - length_weight + length_weight * size));
}

int score(Api* api, Fts5Context* context, const Call& call, double& sum) {
  const int phrases = phrases_of(api, context, call);
  const Query* query = nullptr;
  if (int status = query_of(api, context, phrases, call, &query); status != SQLITE_OK) {
    return status;
  }
  const double size = call.words() / query->mean_words;
  for (int i = 0; i < phrases; ++i) {
    double hits = 0;
    if (int status = weigh(api, context, i, call, hits); status != SQLITE_OK) return status;
    sum += query->rarities[static_cast<std::size_t>(i)] * worth(hits, size);
  }
  return SQLITE_OK;
}

int score_alone(Api* api, Fts5Context* context, const Call& call, double& sum) {
  const double size = call.words() / usual_words;
  for (int i = 0; i < phrases_of(api, context, call); ++i) {
    double hits = 0;
    if (int status = weigh(api, context, i, call, hits); status != SQLITE_OK) return status;
    sum += worth(hits, size);
  }
  return SQLITE_OK;
}

template <auto score_by>
void rank(Api* api, Fts5Context* context, sqlite3_context* result, int count,
          sqlite3_value** values) {
  double sum = 0;
  const int status = score_by(api, context, Call(count, values), sum);
  if (status != SQLITE_OK) return sqlite3_result_error_code(result, status);
  sqlite3_result_double(result, -sum);
}

// Its count is kept with the query.
void nth(Api* api, Fts5Context* context, sqlite3_context* result, int, sqlite3_value**) {
  auto* rows = static_cast<std::int64_t*>(api->xGetAuxdata(context, 0));
  if (rows == nullptr) {
    rows = std::make_unique<std::int64_t>(0).release();
    const int status = api->xSetAuxdata(
        context, rows, [](void* owned) { delete static_cast<std::int64_t*>(owned); });
    if (status != SQLITE_OK) return sqlite3_result_error_code(result, status);
  }
  sqlite3_result_int64(result, ++*rows);
}

}  // namespace

base::Result<> add_relevance(sqlite3* database) {
  TRY(auto* api, fts5_of(database));
  int status = api->xCreateFunction(api, "relevance", nullptr, rank<score>, nullptr);
  if (status == SQLITE_OK) {
    status = api->xCreateFunction(api, "likeness", nullptr, rank<score_alone>, nullptr);
  }
  if (status == SQLITE_OK) status = api->xCreateFunction(api, "nth", nullptr, nth, nullptr);
  if (status != SQLITE_OK) {
    return std::unexpected(sqlite_error(database, status, "add the ranking functions"));
  }
  return {};
}

}  // namespace store
