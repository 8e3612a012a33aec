// What a text that was found shows of itself.
#pragma once

#include "bridge/base/result.h"

struct sqlite3;

namespace store {

// Gives the connection the functions
//
//   passage(text, phrases, is_prefix, words)
//
// for what a full-text search found: at most `words` words of the text where most of the phrases
// stand, with [ ] around each and … where it was cut. `phrases` are lines; with `is_prefix` the
// last word of the last line is the beginning of one. Words are what FTS5's tokenizer
// "unicode61 remove_diacritics 2" takes for them. Nothing but the text is read: FTS5's own
// snippet() looks its words up in the index again for every text.
//
//   words_in(text)
//
// how many words the text has.
base::Result<> add_passage(sqlite3* database);

}  // namespace store
