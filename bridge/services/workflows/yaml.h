// YAML as far as JSON goes: the core schema of YAML 1.2.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace workflow {

struct Place {
  std::size_t line = 1, column = 1;
};

struct Yaml {
  base::json::value value;
  std::map<std::string, Place> places;  // by JSON Pointer: where the member or item begins
};

// Every place is kept with its whole pointer: only for who tells them, of a document of his own.
enum class YamlPlaces { unknown, kept };

// One document. Plain scalars are null, true, false and numbers in the spellings of the core schema
// and nothing else ("yes" is a text). invalid, with line and column: no YAML, two documents, a key
// that is no text, too long or comes twice, a number that JSON has not (.inf, .nan), a tag of the
// writer's own, and what is larger or deeper than the limits, aliases included.
base::Result<Yaml> parse_yaml(std::string_view text, YamlPlaces places = YamlPlaces::unknown);

}  // namespace workflow
