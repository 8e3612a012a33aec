#include "bridge/store/passage.h"

#include "bridge/store/fts5.h"
#include "bridge/store/sqlite_error.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

namespace store {
namespace {

// FTS5's tokenizer, as its users have it.
class Tokenizer {
 public:
  static std::unique_ptr<Tokenizer> unicode(fts5_api* api) {
    std::unique_ptr<Tokenizer> made(new Tokenizer());
    void* context = nullptr;
    const char* options[] = {"remove_diacritics", "2"};
    if (api->xFindTokenizer(api, "unicode61", &context, &made->api_) != SQLITE_OK ||
        made->api_.xCreate(context, options, 2, &made->tokenizer_) != SQLITE_OK) {
      return nullptr;
    }
    return made;
  }
  ~Tokenizer() {
    if (tokenizer_ != nullptr) api_.xDelete(tokenizer_);
  }
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Calls `each(token, start, end)` with the bytes in the text that the token comes from.
  template <class Each>
  int read(std::string_view text, Each each) {
    return api_.xTokenize(tokenizer_, &each, FTS5_TOKENIZE_AUX, text.data(),
                          static_cast<int>(text.size()),
                          [](void* reader, int, const char* token, int size, int start, int end) {
                            (*static_cast<Each*>(reader))(
                                std::string_view(token, static_cast<std::size_t>(size)),
                                static_cast<std::size_t>(start), static_cast<std::size_t>(end));
                            return SQLITE_OK;
                          });
  }

 private:
  Tokenizer() = default;
  fts5_tokenizer api_{};
  Fts5Tokenizer* tokenizer_ = nullptr;
};

// A phrase with how much of it the words just read may be: `begun[k]`, its first k + 1 tokens.
struct Phrase {
  std::vector<std::string> tokens;
  std::vector<bool> begun;
  bool is_prefix = false;

  // True: this token is its last.
  bool goes_on(std::string_view token) {
    for (std::size_t k = tokens.size(); k-- > 0;) {
      const bool is_open = is_prefix && k + 1 == tokens.size();
      begun[k] =
          (k == 0 || begun[k - 1]) && (is_open ? token.starts_with(tokens[k]) : token == tokens[k]);
    }
    return begun.back();
  }
};

struct Word {
  std::size_t start = 0;
  std::size_t end = 0;
};
struct Hit {
  std::size_t phrase = 0;
  std::size_t first = 0;  // of its words
  std::size_t last = 0;
};
struct Words {
  std::vector<Word> words;
  std::vector<Hit> hits;  // in the order of their first words
};
// From the first to behind the last.
struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

int phrases_of(Tokenizer& tokenizer, std::string_view lines, bool is_prefix,
               std::vector<Phrase>& phrases) {
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    Phrase phrase;
    const int status = tokenizer.read(
        lines.substr(0, end),
        [&](std::string_view token, auto, auto) { phrase.tokens.emplace_back(token); });
    if (status != SQLITE_OK) return status;
    lines.remove_prefix(std::min(end + 1, lines.size()));
    phrase.is_prefix = is_prefix && lines.empty();
    phrase.begun.resize(phrase.tokens.size());
    if (!phrase.tokens.empty()) phrases.push_back(std::move(phrase));
  }
  return SQLITE_OK;
}

int look_for(Tokenizer& tokenizer, std::vector<Phrase>& phrases, std::string_view text,
             Words& found) {
  const int status =
      tokenizer.read(text, [&](std::string_view token, std::size_t start, std::size_t end) {
        const std::size_t at = found.words.size();
        found.words.push_back({start, end});
        for (std::size_t i = 0; i < phrases.size(); ++i) {
          if (!phrases[i].goes_on(token)) continue;
          found.hits.push_back({i, at + 1 - phrases[i].tokens.size(), at});
        }
      });
  std::ranges::sort(found.hits, {}, &Hit::first);
  return status;
}

// The hits that lie closest: as many different phrases as fit into so many words, then as many hits
// as do, then the first.
Range closest(const std::vector<Hit>& hits, std::size_t phrases, std::size_t words) {
  std::vector<std::size_t> counts(phrases);
  std::size_t different = 0;
  std::pair<std::size_t, std::size_t> most;
  Range best;
  std::size_t end = 0;
  for (std::size_t begin = 0; begin < hits.size(); ++begin) {
    for (; end < hits.size() && hits[end].first < hits[begin].first + words; ++end) {
      different += counts[hits[end].phrase]++ == 0 ? 1 : 0;
    }
    if (const auto here = std::pair(different, end - begin); here > most) {
      most = here;
      best = {begin, end};
    }
    different -= --counts[hits[begin].phrase] == 0 ? 1 : 0;
  }
  return best;
}

bool begins_sentence(std::string_view text, std::size_t start) {
  const auto before = text.substr(0, start).find_last_not_of(" \t\r\n");
  return before == std::string_view::npos ||
         (before + 1 < start && std::string_view(".:!?").contains(text[before]));
}

// So many words around the hits: from where a sentence begins if that leaves them in, else with
// them in the middle.
Range around(const Words& found, Range hits, std::string_view text, std::size_t count) {
  const std::size_t all = found.words.size();
  if (all <= count) return {0, all};
  if (hits.begin == hits.end) return {0, count};
  const std::size_t first = found.hits[hits.begin].first;
  std::size_t last = first;
  for (std::size_t i = hits.begin; i < hits.end; ++i) {
    last = std::clamp(found.hits[i].last, last, first + count - 1);
  }
  const std::size_t earliest = last + 1 > count ? last + 1 - count : 0;
  for (std::size_t at = first + 1; at-- > earliest;) {
    if (at + count <= all && begins_sentence(text, found.words[at].start)) return {at, at + count};
  }
  const std::size_t middle = first - std::min(first, (count - (last - first + 1)) / 2);
  const std::size_t begin = std::min(middle, all - count);
  return {begin, begin + count};
}

std::string shown(const Words& found, Range part, std::string_view text) {
  std::string out = part.begin > 0 ? "…" : "";
  std::size_t copied = part.begin > 0 ? found.words[part.begin].start : 0;
  const auto copy_to = [&](std::size_t end) {
    out += text.substr(copied, end - copied);
    copied = end;
  };
  std::size_t at = part.begin;
  for (auto hit = found.hits.begin(); hit != found.hits.end();) {
    if (hit->first < at || hit->first >= part.end) {
      ++hit;
      continue;
    }
    // Hits that overlap are one.
    const std::size_t first = hit->first;
    std::size_t last = hit->last;
    for (; hit != found.hits.end() && hit->first <= last; ++hit) last = std::max(last, hit->last);
    last = std::min(last, part.end - 1);
    copy_to(found.words[first].start);
    out += '[';
    copy_to(found.words[last].end);
    out += ']';
    at = last + 1;
  }
  const bool is_cut = part.end < found.words.size();
  copy_to(is_cut ? found.words[part.end - 1].end : text.size());
  return out += is_cut ? "…" : "";
}

std::string_view text_of(sqlite3_value* value) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
  return text == nullptr
             ? std::string_view()
             : std::string_view(text, static_cast<std::size_t>(sqlite3_value_bytes(value)));
}

void passage(sqlite3_context* result, int, sqlite3_value** values) {
  auto& tokenizer = *static_cast<Tokenizer*>(sqlite3_user_data(result));
  const auto text = text_of(values[0]);
  const auto count = static_cast<std::size_t>(std::max(1, sqlite3_value_int(values[3])));
  std::vector<Phrase> phrases;
  Words found;
  int status =
      phrases_of(tokenizer, text_of(values[1]), sqlite3_value_int(values[2]) != 0, phrases);
  if (status == SQLITE_OK) status = look_for(tokenizer, phrases, text, found);
  if (status != SQLITE_OK) return sqlite3_result_error_code(result, status);
  const auto hits = closest(found.hits, phrases.size(), count);
  const auto part = shown(found, around(found, hits, text, count), text);
  sqlite3_result_text64(result, part.data(), part.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void words_in(sqlite3_context* result, int, sqlite3_value** values) {
  auto& tokenizer = *static_cast<Tokenizer*>(sqlite3_user_data(result));
  std::int64_t count = 0;
  const int status = tokenizer.read(text_of(values[0]), [&](auto, auto, auto) { ++count; });
  if (status != SQLITE_OK) return sqlite3_result_error_code(result, status);
  sqlite3_result_int64(result, count);
}

using Function = void (*)(sqlite3_context*, int, sqlite3_value**);

// With a tokenizer of its own.
base::Result<> add_function(sqlite3* database, fts5_api* api, const char* name, int values,
                            Function function) {
  auto tokenizer = Tokenizer::unicode(api);
  if (!tokenizer) {
    return base::fail(base::Code::unavailable, "open store: FTS5 has no tokenizer unicode61");
  }
  // SQLite also deletes it when the function cannot be added.
  const int status = sqlite3_create_function_v2(
      database, name, values, SQLITE_UTF8 | SQLITE_DETERMINISTIC, tokenizer.release(), function,
      nullptr, nullptr, [](void* owned) { delete static_cast<Tokenizer*>(owned); });
  if (status != SQLITE_OK) {
    return std::unexpected(sqlite_error(database, status, "add the functions of passages"));
  }
  return {};
}

}  // namespace

base::Result<> add_passage(sqlite3* database) {
  TRY(auto* api, fts5_of(database));
  TRY_OK(add_function(database, api, "passage", 4, passage));
  return add_function(database, api, "words_in", 1, words_in);
}

}  // namespace store
