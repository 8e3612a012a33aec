#include "bridge/schema/registry.h"

#include "bridge/base/limits.h"
#include "bridge/schema/number.h"
#include "bridge/schema/resource.h"
#include "bridge/schema/uri.h"
#include "embedded/metaschemas.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace schema {
namespace {

using base::Code;
using base::fail;

// Counts down to the bounds; false when either is passed.
bool fits(const json::value& value, std::size_t depth_left, std::size_t& values_left) {
  if (depth_left == 0 || values_left == 0) return false;
  --values_left;
  if (auto* object = value.if_object()) {
    return std::ranges::all_of(*object, [&](const auto& member) {
      return fits(member.value(), depth_left - 1, values_left);
    });
  }
  if (auto* array = value.if_array()) {
    return std::ranges::all_of(
        *array, [&](const auto& item) { return fits(item, depth_left - 1, values_left); });
  }
  return true;
}

const json::string* string_member(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? value->if_string() : nullptr;
}

// Walks the places where schemas stand. Malformed keywords are left for the meta-schema to report.
class Indexer {
 public:
  explicit Indexer(std::shared_ptr<const json::value> document) : document_(std::move(document)) {}

  base::Result<> walk(const json::value& schema, const std::shared_ptr<Resource>& around,
                      const std::string& base, const std::string& pointer) {
    const auto* object = schema.if_object();
    if (!object) return {};
    std::shared_ptr<Resource> resource = around;
    std::string at = pointer;
    if (const auto id = own_id(*object, base); !around || !id.empty()) {
      resource = std::make_shared<Resource>();
      resource->uri = id.empty() ? base : id;
      resource->document = document_;
      resource->root = &schema;
      set_dialect(*resource, *object, around);
      at.clear();
      if (!found_.try_emplace(resource->uri, resource).second) {
        return fail(Code::conflict, fmt::format("schema {}: two schemas in one document have this "
                                                "$id; give each its own",
                                                resource->uri));
      }
    }
    place_bytes_ += at.size() + resource->uri.size();
    if (place_bytes_ > limits::schema_place_bytes_max) {
      return fail(Code::invalid,
                  fmt::format("schema {}: its members or $ids have too long names for so many "
                              "schemas below them",
                              around ? around->uri : resource->uri));
    }
    TRY_OK(add_anchor(*resource, *object, "$anchor", schema, at));
    TRY_OK(add_anchor(*resource, *object, "$dynamicAnchor", schema, at));
    return walk_members(*object, resource, at);
  }

  ResourceMap take() { return std::move(found_); }

 private:
  // Empty without an `$id` that names a resource.
  static std::string own_id(const json::object& object, const std::string& base) {
    const auto* id = string_member(object, "$id");
    if (!id) return {};
    const auto split = split_fragment(*id);
    if (!split.fragment.empty() || split.resource.empty()) return {};
    // A relative name found under itself is that name, not one below it.
    if (split.resource == base) return base;
    return resolve_uri(base, split.resource);
  }

  static void set_dialect(Resource& resource, const json::object& object,
                          const std::shared_ptr<Resource>& around) {
    if (const auto* dialect = string_member(object, "$schema")) {
      resource.dialect = split_fragment(*dialect).fragment.empty()
                             ? std::string(split_fragment(*dialect).resource)
                             : std::string(*dialect);
    } else {
      resource.dialect = around ? around->dialect : std::string(draft_2020_12);
    }
    if (around && around->dialect == resource.dialect) {
      resource.dialect_root = around->dialect_root ? around->dialect_root : around;
    }
  }

  static base::Result<> add_anchor(Resource& resource, const json::object& object,
                                   std::string_view keyword, const json::value& schema,
                                   const std::string& pointer) {
    const auto* name = string_member(object, keyword);
    if (!name) return {};
    auto [place, is_new] = resource.anchors.try_emplace(std::string(*name));
    if (!is_new && place->second.schema != &schema) {
      return fail(Code::conflict,
                  fmt::format("schema {}#{}: the anchor \"{}\" is already given at {}#{}; anchors "
                              "are unique in a schema",
                              resource.uri, pointer, std::string_view(*name), resource.uri,
                              place->second.pointer));
    }
    place->second.schema = &schema;
    place->second.pointer = pointer;
    place->second.dynamic |= keyword == "$dynamicAnchor";
    return {};
  }

  base::Result<> walk_members(const json::object& object, const std::shared_ptr<Resource>& resource,
                              const std::string& at) {
    for (const auto& member : object) {
      const std::string below = at + "/" + pointer_token(member.key());
      const json::value& value = member.value();
      switch (holds(member.key())) {
        case Holds::nothing:
          break;
        case Holds::schema:
          TRY_OK(walk(value, resource, resource->uri, below));
          break;
        case Holds::list:
          if (auto* list = value.if_array()) {
            for (std::size_t i = 0; i < list->size(); ++i) {
              TRY_OK(walk((*list)[i], resource, resource->uri, fmt::format("{}/{}", below, i)));
            }
          }
          break;
        case Holds::map:
          if (auto* map = value.if_object()) {
            for (const auto& entry : *map) {
              TRY_OK(walk(entry.value(), resource, resource->uri,
                          below + "/" + pointer_token(entry.key())));
            }
          }
          break;
      }
    }
    return {};
  }

  std::shared_ptr<const json::value> document_;
  ResourceMap found_;
  std::size_t place_bytes_ = 0;  // of the pointers and URIs of all schemas
};

}  // namespace

Holds holds(std::string_view keyword) {
  static const std::map<std::string_view, Holds> places{
      {"$defs", Holds::map},
      {"additionalProperties", Holds::schema},
      {"allOf", Holds::list},
      {"anyOf", Holds::list},
      {"contains", Holds::schema},
      {"contentSchema", Holds::schema},
      {"definitions", Holds::map},
      {"dependencies", Holds::map},
      {"dependentSchemas", Holds::map},
      {"else", Holds::schema},
      {"if", Holds::schema},
      {"items", Holds::schema},
      {"not", Holds::schema},
      {"oneOf", Holds::list},
      {"patternProperties", Holds::map},
      {"prefixItems", Holds::list},
      {"properties", Holds::map},
      {"propertyNames", Holds::schema},
      {"then", Holds::schema},
      {"unevaluatedItems", Holds::schema},
      {"unevaluatedProperties", Holds::schema},
  };
  const auto place = places.find(keyword);
  return place == places.end() ? Holds::nothing : place->second;
}

base::Result<ResourceMap> index_document(const std::vector<std::string>& uris,
                                         std::string_view id_base, json::value value) {
  std::size_t values_left = limits::schema_document_values_max;
  const std::string name = uris.empty() ? std::string(id_base) : uris.front();
  if (!fits(value, limits::schema_document_depth_max, values_left)) {
    return fail(
        Code::invalid,
        fmt::format("schema {}: nested deeper than {} levels or more than {} values; "
                    "split it into several schemas",
                    name, limits::schema_document_depth_max, limits::schema_document_values_max));
  }
  auto document = std::make_shared<const json::value>(std::move(value));
  if (!document->is_object() && !document->is_bool()) {
    return fail(
        Code::invalid,
        fmt::format("schema {}: is neither an object nor a boolean, so not a schema", name));
  }
  auto root = std::make_shared<Resource>();
  Indexer indexer(document);
  TRY_OK(indexer.walk(*document, nullptr, std::string(id_base), ""));
  ResourceMap found = indexer.take();
  std::shared_ptr<const Resource> first;
  for (const auto& [uri, resource] : found) {
    if (resource->root == document.get()) first = resource;
  }
  if (!first) {  // A boolean has no members to index.
    root->uri = std::string(id_base);
    root->document = document;
    root->root = document.get();
    root->dialect = std::string(draft_2020_12);
    first = root;
    found.emplace(root->uri, first);
  }
  for (const auto& uri : uris) {
    const auto [place, is_new] = found.try_emplace(uri, first);
    if (!is_new && place->second != first) {
      return fail(Code::conflict,
                  fmt::format("schema {}: a schema inside the document has the same $id", uri));
    }
  }
  return found;
}

const ResourceMap& standard_resources() {
  static const ResourceMap standard = [] {
    ResourceMap all;
    for (const auto& file : embedded::metaschemas()) {
      auto document = base::parse_json(file.content);
      BRIDGE_ASSERT(document);
      auto found = index_document({}, "", *std::move(document));
      BRIDGE_ASSERT(found);
      all.merge(*found);
    }
    return all;
  }();
  return standard;
}

Registry::Registry() = default;

base::Result<> Registry::add(const std::vector<std::string>& uris, std::string_view id_base,
                             json::value document) {
  TRY(auto found, index_document(uris, id_base, std::move(document)));
  for (const auto& [uri, resource] : found) {
    const auto known = find(uri);
    if (known && !equal(*known->root, *resource->root)) {
      return fail(Code::conflict,
                  fmt::format("schema {}: another schema is already registered under this URI; "
                              "give one of them a different $id",
                              uri));
    }
  }
  // Of equal schemas the first stays, so that its anchors keep one owner.
  resources_.merge(found);
  return {};
}

base::Result<> Registry::add(std::string uri, json::value document) {
  uri = std::string(split_fragment(uri).resource);
  const auto* object = document.if_object();
  if (uri.empty() && !(object && object->contains("$id"))) {
    return fail(Code::invalid, "schema without $id: give the URI it is to be known under");
  }
  std::vector<std::string> uris;
  if (!uri.empty()) uris.push_back(uri);
  return add(uris, uri, std::move(document));
}

base::Result<> Registry::add_text(std::string uri, std::string_view text) {
  auto document = base::parse_json(text);
  if (!document) {
    return fail(document.error().code, fmt::format("schema {}: {}", uri, document.error().message));
  }
  return add(std::move(uri), *std::move(document));
}

std::shared_ptr<const Resource> Registry::find(std::string_view uri) const {
  if (auto place = resources_.find(uri); place != resources_.end()) return place->second;
  const auto& standard = standard_resources();
  if (auto place = standard.find(uri); place != standard.end()) return place->second;
  return nullptr;
}

std::vector<std::string> Registry::uris() const {
  std::vector<std::string> all;
  for (const auto& [uri, resource] : resources_) all.push_back(uri);
  return all;
}

}  // namespace schema
