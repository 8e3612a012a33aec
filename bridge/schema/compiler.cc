#include "bridge/schema/compiler.h"

#include "bridge/base/limits.h"
#include "bridge/schema/evaluator.h"
#include "bridge/schema/number.h"
#include "bridge/schema/report.h"
#include "bridge/schema/uri.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include <fmt/format.h>

namespace schema {

using base::Code;
using base::fail;

namespace {

constexpr std::string_view vocabulary_prefix = "https://json-schema.org/draft/2020-12/vocab/";

// False for a vocabulary that is not of 2020-12.
bool enable_vocabulary(Dialect& dialect, std::string_view uri) {
  if (!uri.starts_with(vocabulary_prefix)) return false;
  const auto name = uri.substr(vocabulary_prefix.size());
  if (name == "applicator") {
    dialect.applicator = true;
  } else if (name == "unevaluated") {
    dialect.unevaluated = true;
  } else if (name == "validation") {
    dialect.validation = true;
  } else if (name == "format-assertion") {
    dialect.format_assertion = true;
  } else {
    return name == "core" || name == "meta-data" || name == "format-annotation" ||
           name == "content";
  }
  return true;
}

const json::value* step(const json::value& value, const std::string& token) {
  if (auto* object = value.if_object()) return object->if_contains(token);
  auto* array = value.if_array();
  std::size_t index = 0;
  const char* end = token.data() + token.size();
  const auto parsed = std::from_chars(token.data(), end, index);
  const bool is_index =
      parsed.ec == std::errc() && parsed.ptr == end && (token.size() == 1 || token[0] != '0');
  return array && is_index && index < array->size() ? &(*array)[index] : nullptr;
}

// The standard meta-schema, which checks nearly every schema, compiles once.
const std::shared_ptr<const Program>& standard_meta_schema() {
  static const std::shared_ptr<const Program> program = [] {
    const Registry registry;
    auto compiled = Compiler(registry, {}, {}, {std::string(draft_2020_12)}).compile(draft_2020_12);
    BRIDGE_ASSERT(compiled);
    return *std::move(compiled);
  }();
  return program;
}

template <class Visit>
void for_each_in_place(const Node& node, Visit visit) {
  for (const auto& operation : node.operations) {
    if (operation.kind == Operation::Kind::dynamic_ref) continue;
    for (const Node* branch : operation.branches) {
      if (branch) visit(branch);
    }
  }
  if (!node.object) return;
  for (const auto& dependency : node.object->dependencies) {
    if (dependency.schema) visit(dependency.schema);
  }
}

}  // namespace

std::string place_name(const Resource& resource, std::string_view pointer) {
  return fmt::format("schema {}#{}", resource.uri, pointer);
}

Compiler::Compiler(const Registry& registry, ResourceMap local, Options options,
                   std::set<std::string> checking)
    : registry_(registry), local_(std::move(local)), checking_(std::move(checking)) {
  program_->options = options;
}

base::Result<std::shared_ptr<const Program>> Compiler::compile(std::string_view uri) {
  TRY(auto target, resolve(uri));
  TRY(program_->root, node_at(std::move(target.site)));
  TRY_OK(compile_pending());
  TRY_OK(refuse_endless_references());
  simplify();
  return std::shared_ptr<const Program>(std::move(program_));
}

std::shared_ptr<const Resource> Compiler::find(std::string_view uri) const {
  if (auto place = local_.find(uri); place != local_.end()) return place->second;
  return registry_.find(uri);
}

base::Result<Compiler::Target> Compiler::resolve(std::string_view uri) {
  const auto split = split_fragment(uri);
  auto resource = find(split.resource);
  if (!resource) {
    return fail(Code::not_found,
                fmt::format("no schema is registered as {}; register it or correct the reference",
                            split.resource));
  }
  const std::string fragment = percent_decoded(split.fragment);
  if (fragment.empty()) {
    const json::value* root = resource->root;
    return Target{{std::move(resource), root, ""}};
  }
  if (fragment[0] == '/') {
    TRY(Site site, follow_pointer(std::move(resource), fragment));
    return Target{std::move(site)};
  }
  const auto anchor = resource->anchors.find(fragment);
  if (anchor == resource->anchors.end()) {
    std::vector<std::string_view> known;
    for (const auto& [name, place] : resource->anchors) known.push_back(name);
    return fail(Code::not_found, fmt::format("{} has no $anchor \"{}\"; it knows: {}",
                                             place_name(*resource, ""), fragment, listed(known)));
  }
  const Anchor& found = anchor->second;
  return Target{{std::move(resource), found.schema, found.pointer}, found.dynamic};
}

base::Result<Compiler::Site> Compiler::follow_pointer(std::shared_ptr<const Resource> resource,
                                                      std::string_view pointer) {
  Site site{std::move(resource), nullptr, ""};
  site.schema = site.resource->root;
  Holds inside = Holds::schema;
  std::string_view rest = pointer;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const auto encoded = rest.substr(0, rest.find('/'));
    rest.remove_prefix(encoded.size());
    const std::string token = pointer_token_decoded(encoded);
    const json::value* below = step(*site.schema, token);
    if (!below) {
      return fail(Code::not_found, fmt::format("{}: there is no \"{}\" here",
                                               place_name(*site.resource, site.pointer), token));
    }
    const std::string at = fmt::format("{}/{}", site.pointer, encoded);
    if (inside == Holds::schema) {
      inside = site.schema->is_object() ? holds(token) : Holds::nothing;
    } else {
      inside = inside == Holds::nothing ? Holds::nothing : Holds::schema;
    }
    site = inside == Holds::schema ? child(site, *below, at) : Site{site.resource, below, at};
  }
  // The check of the document does not look into other places.
  if (inside != Holds::schema) {
    TRY_OK(check_against_dialect(*site.resource, *site.schema, site.pointer));
  }
  return site;
}

Compiler::Site Compiler::child(const Site& parent, const json::value& schema,
                               std::string pointer) const {
  const auto* object = schema.if_object();
  const auto* id = object ? object->if_contains("$id") : nullptr;
  if (id && id->is_string()) {
    const std::string uri = resolve_uri(parent.resource->uri, id->get_string());
    // A copy of a registered schema is that schema. An $id where no schema stands names nothing.
    auto resource = find(split_fragment(uri).resource);
    if (resource && (resource->root == &schema || equal(*resource->root, schema))) {
      const json::value* root = resource->root;
      return {std::move(resource), root, ""};
    }
  }
  return {parent.resource, &schema, std::move(pointer)};
}

base::Result<Dialect> Compiler::dialect_of(const Resource& resource) {
  const std::string& uri = resource.dialect;
  if (uri == draft_2020_12) return Dialect{};
  if (auto known = dialects_.find(uri); known != dialects_.end()) return known->second;
  const auto meta_schema = find(uri);
  if (!meta_schema) {
    return fail(Code::invalid,
                fmt::format("{}: the meta-schema {} is not registered; register it, or use {}",
                            place_name(resource, "/$schema"), uri, draft_2020_12));
  }
  Dialect dialect;
  const auto* object = meta_schema->root->if_object();
  const auto* listed = object ? object->if_contains("$vocabulary") : nullptr;
  if (listed && listed->is_object()) {
    dialect = {.applicator = false, .unevaluated = false, .validation = false};
    for (const auto& vocabulary : listed->get_object()) {
      const bool is_required = vocabulary.value().is_bool() && vocabulary.value().get_bool();
      if (!enable_vocabulary(dialect, vocabulary.key()) && is_required) {
        return fail(
            Code::invalid,
            fmt::format("{}: the meta-schema {} requires the vocabulary {}, which is not "
                        "known here; make it optional (false) or remove it",
                        place_name(resource, "/$schema"), uri, std::string_view(vocabulary.key())));
      }
    }
  }
  dialects_.emplace(uri, dialect);
  return dialect;
}

base::Result<> Compiler::check_against_dialect(const Resource& resource, const json::value& schema,
                                               std::string_view pointer) {
  const std::string& uri = resource.dialect;
  if (checking_.contains(uri)) return {};
  std::shared_ptr<const Program> meta_schema;
  if (uri == draft_2020_12) {
    meta_schema = standard_meta_schema();
  } else if (auto known = meta_schemas_.find(uri); known != meta_schemas_.end()) {
    meta_schema = known->second;
  } else {
    TRY_OK(dialect_of(resource));
    auto checking = checking_;
    checking.insert(uri);
    TRY(meta_schema, Compiler(registry_, local_, {}, std::move(checking)).compile(uri));
    meta_schemas_.emplace(uri, meta_schema);
  }
  if (evaluate_flag(*meta_schema, schema)) return {};
  auto violations = evaluate_errors(*meta_schema, schema);
  if (!violations) {
    return fail(Code::invalid, fmt::format("{}: the schema is too deep or too large to be checked",
                                           place_name(resource, pointer)));
  }
  const Violation& first = violations->front();
  const std::string more = violations->size() == 1
                               ? std::string()
                               : fmt::format(" (and {} more)", violations->size() - 1);
  return fail(
      Code::invalid,
      fmt::format("{}: {}{}", place_name(resource, std::string(pointer) + first.instance_location),
                  first.message, more));
}

// Numbers the site's resource and checks its document once.
base::Result<> Compiler::enter(const Site& site, Node& node) {
  const auto& resource = site.resource;
  auto [place, is_new] =
      entered_.try_emplace(resource.get(), static_cast<std::uint32_t>(resources_.size()));
  node.resource = place->second;
  if (!is_new) return {};
  resources_.push_back(resource);
  program_->resources.push_back({resource->uri, {}});
  program_->documents.push_back(resource->document);
  const Resource& top = resource->dialect_root ? *resource->dialect_root : *resource;
  if (!checked_.insert(&top).second) return {};
  TRY_OK(dialect_of(top));
  return check_against_dialect(top, *top.root, "");
}

base::Result<const Node*> Compiler::node_at(Site site) {
  if (auto known = nodes_.find(site.schema); known != nodes_.end()) return known->second;
  if (nodes_.size() == limits::schema_nodes_max) {
    return fail(Code::invalid,
                fmt::format("{}: more than {} schemas are needed; split the schema",
                            place_name(*site.resource, site.pointer), limits::schema_nodes_max));
  }
  place_bytes_ += site.pointer.size();
  if (place_bytes_ > limits::schema_place_bytes_max) {
    return fail(Code::invalid, fmt::format("schema {}: its members have too long names for so many "
                                           "schemas below them",
                                           site.resource->uri));
  }
  Node& node = program_->nodes.emplace_back();
  node.source = site.schema;
  node.pointer = site.pointer;
  nodes_.emplace(site.schema, &node);
  TRY_OK(enter(site, node));
  pending_.emplace_back(&node, std::move(site));
  return &node;
}

base::Result<> Compiler::compile_pending() {
  while (!pending_.empty()) {
    while (!pending_.empty()) {
      auto [node, site] = std::move(pending_.back());
      pending_.pop_back();
      TRY_OK(fill(*node, site));
    }
    TRY_OK(bind_dynamic_anchors());
  }
  return {};
}

// Every resource that may be in the dynamic scope offers its anchors; compiling those may bring
// in more resources.
base::Result<> Compiler::bind_dynamic_anchors() {
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    auto& bound = program_->resources[i].dynamic_anchors;
    bound.resize(dynamic_names_.size());
    for (const auto& [name, number] : dynamic_names_) {
      const auto anchor = resources_[i]->anchors.find(name);
      if (bound[number] || anchor == resources_[i]->anchors.end() || !anchor->second.dynamic) {
        continue;
      }
      TRY(const Node* node,
          node_at({resources_[i], anchor->second.schema, anchor->second.pointer}));
      program_->resources[i].dynamic_anchors[number] = node;
    }
  }
  return {};
}

// A schema that applies itself to the same value never comes to an end.
base::Result<> Compiler::refuse_endless_references() const {
  enum class Mark { open, done };
  std::unordered_map<const Node*, Mark> marks;
  for (const Node& start : program_->nodes) {
    std::vector<const Node*> stack{&start};
    while (!stack.empty()) {
      const Node* node = stack.back();
      const auto [place, is_new] = marks.try_emplace(node, Mark::open);
      if (!is_new) {
        place->second = Mark::done;
        stack.pop_back();
        continue;
      }
      const Node* again = nullptr;
      for_each_in_place(*node, [&](const Node* next) {
        const auto mark = marks.find(next);
        if (mark == marks.end()) {
          stack.push_back(next);
        } else if (mark->second == Mark::open) {
          again = next;
        }
      });
      if (again) {
        return fail(Code::invalid,
                    fmt::format("{}: this schema refers back to {} for the same value, without "
                                "end; break the circle of references",
                                place_name(*resources_[node->resource], node->pointer),
                                place_name(*resources_[again->resource], again->pointer)));
      }
    }
  }
  return {};
}

// Marks what a check need not look at.
void Compiler::simplify() {
  for (Node& node : program_->nodes) {
    const bool has_rules = node.number || node.string || node.array || node.object;
    node.is_trivial = !has_rules && node.operations.empty();
    if (!program_->uses_dynamic_scope && !has_rules && node.types == all_types &&
        node.operations.size() == 1 && node.operations[0].kind == Operation::Kind::ref) {
      node.same_as = node.operations[0].branches[0];
    }
  }
}

}  // namespace schema
