// The schemas a reference may reach, by URI.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

namespace schema {

namespace json = boost::json;

struct Resource;

// Schema resources by absolute URI without fragment, including every embedded `$id`.
using ResourceMap = std::map<std::string, std::shared_ptr<const Resource>, std::less<>>;

class Registry {
 public:
  // Knows the 2020-12 meta-schemas.
  Registry();

  // Makes `document` and every `$id` inside it known. `uri` is where it was found and the base of
  // a relative `$id`; it may be empty if there is an `$id`. The document is checked when a schema
  // that needs it is compiled. conflict: the URI or an `$id` already names another schema.
  base::Result<> add(std::string uri, json::value document);
  base::Result<> add_text(std::string uri, std::string_view text);

  // Null if unknown.
  std::shared_ptr<const Resource> find(std::string_view uri) const;
  // The URIs added (not the meta-schemas), sorted.
  std::vector<std::string> uris() const;

 private:
  friend base::Result<> add_directory(Registry&, const std::filesystem::path&, std::string);

  base::Result<> add(const std::vector<std::string>& uris, std::string_view id_base,
                     json::value document);

  ResourceMap resources_;
};

// Adds every *.json file below `folder` under its `$id` (resolved against `base_uri`) and under
// base_uri + its path relative to `folder`. invalid names the file that is not JSON or not a
// schema; nothing is added then. The reason "file_failed": it cannot be read. Symbolic links to
// folders are not followed.
base::Result<> add_directory(Registry& registry, const std::filesystem::path& folder,
                             std::string base_uri = {});

}  // namespace schema
