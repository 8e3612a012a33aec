// From JSON to a program.
#pragma once

#include "bridge/base/result.h"
#include "bridge/schema/program.h"
#include "bridge/schema/registry.h"
#include "bridge/schema/resource.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace schema {

// Which keywords of a schema mean something: the vocabularies of its meta-schema.
struct Dialect {
  bool applicator = true;
  bool unevaluated = true;
  bool validation = true;
  bool format_assertion = false;
};

class Compiler {
 public:
  // `local` goes before the registry. `checking` holds the meta-schemas that are being compiled
  // to check others: one that describes itself is not checked by itself.
  Compiler(const Registry& registry, ResourceMap local, Options options,
           std::set<std::string> checking = {});

  // The program for `uri`, which may end in a fragment.
  base::Result<std::shared_ptr<const Program>> compile(std::string_view uri);

 private:
  // A schema and where it stands.
  struct Site {
    std::shared_ptr<const Resource> resource;
    const json::value* schema = nullptr;
    std::string pointer;  // from the resource's root
  };
  struct Target {
    Site site;
    bool is_dynamic = false;  // named by a $dynamicAnchor
  };

  // References (compiler.cc).
  std::shared_ptr<const Resource> find(std::string_view uri) const;
  base::Result<Target> resolve(std::string_view uri);
  base::Result<Site> follow_pointer(std::shared_ptr<const Resource> resource,
                                    std::string_view pointer);
  Site child(const Site& parent, const json::value& schema, std::string pointer) const;
  base::Result<> enter(const Site& site, Node& node);
  base::Result<Dialect> dialect_of(const Resource& resource);
  base::Result<> check_against_dialect(const Resource& resource, const json::value& schema,
                                       std::string_view pointer);
  base::Result<const Node*> node_at(Site site);
  base::Result<> compile_pending();
  base::Result<> bind_dynamic_anchors();
  base::Result<> refuse_endless_references() const;
  void simplify();

  // Keywords (compiler_keywords.cc).
  base::Result<> fill(Node& node, const Site& site);
  base::Result<> fill_core(Node& node, const Site& site, const json::object& object);
  base::Result<> fill_applicators(Node& node, const Site& site, const json::object& object);
  base::Result<> fill_array(Node& node, const Site& site, const json::object& object,
                            const Dialect& dialect);
  base::Result<> fill_object(Node& node, const Site& site, const json::object& object,
                             const Dialect& dialect);
  base::Result<> fill_dependencies(ObjectRules& rules, const Site& site, const json::object& object,
                                   const Dialect& dialect);
  base::Result<> fill_string(Node& node, const Site& site, const json::object& object,
                             const Dialect& dialect);
  void fill_number(Node& node, const json::object& object);
  void fill_values(Node& node, const json::object& object);
  base::Result<const Node*> subschema(const Site& site, std::string_view keyword);
  base::Result<std::vector<const Node*>> subschemas(const Site& site, std::string_view keyword);
  base::Result<const Regex*> regex(std::string_view pattern, const Site& site,
                                   std::string_view below);

  const Registry& registry_;
  ResourceMap local_;
  std::set<std::string> checking_;
  std::shared_ptr<Program> program_ = std::make_shared<Program>();
  std::unordered_map<const json::value*, Node*> nodes_;
  std::size_t place_bytes_ = 0;  // of their pointers
  std::vector<std::pair<Node*, Site>> pending_;
  std::map<const Resource*, std::uint32_t> entered_;  // number in the program
  std::vector<std::shared_ptr<const Resource>> resources_;
  std::map<std::string, Dialect> dialects_;
  std::map<std::string, std::shared_ptr<const Program>> meta_schemas_;
  std::set<const Resource*> checked_;
  std::map<std::string, std::uint32_t, std::less<>> dynamic_names_;
  std::map<std::string, const Regex*, std::less<>> regexes_;
};

// "schema http://x/y#/properties/a".
std::string place_name(const Resource& resource, std::string_view pointer);

}  // namespace schema
