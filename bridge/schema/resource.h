// A schema resource: a document, or the part of one below its own `$id`.
#pragma once

#include "bridge/base/result.h"
#include "bridge/schema/registry.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace schema {

inline constexpr std::string_view draft_2020_12 = "https://json-schema.org/draft/2020-12/schema";

struct Anchor {
  const json::value* schema = nullptr;
  std::string pointer;  // from the resource's root
  bool dynamic = false;
};

struct Resource {
  std::string uri;
  std::shared_ptr<const json::value> document;
  const json::value* root = nullptr;  // inside the document
  std::string dialect;                // `$schema`, its own or inherited
  // The outermost resource of the same dialect around this one; null if that is itself. Its check
  // against the meta-schema covers this resource.
  std::shared_ptr<const Resource> dialect_root;
  std::map<std::string, Anchor, std::less<>> anchors;
};

// Where a keyword holds schemas.
enum class Holds { nothing, schema, list, map };
Holds holds(std::string_view keyword);

// The document's resources by URI, its root also by each of `uris`. A relative `$id` of the root
// resolves against `id_base`. conflict: an `$id` or anchor is given twice. invalid: the document
// is too deep or too large.
base::Result<ResourceMap> index_document(const std::vector<std::string>& uris,
                                         std::string_view id_base, json::value value);

// The 2020-12 meta-schemas.
const ResourceMap& standard_resources();

}  // namespace schema
