#include "bridge/protocol/response_shape.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace protocol {
namespace {

namespace json = boost::json;

constexpr int depth_max = 8;

class Reader {
 public:
  explicit Reader(const Documents& documents) : documents_(documents) {}

  // `id` names the document that relative references of `schema` start from.
  std::string type_of(const json::value& schema, std::string_view id, int level) {
    const json::object* object = schema.if_object();
    if (!object || level > depth_max || references_ > depth_max) return "any JSON";
    if (const auto* constant = object->if_contains("const")) return json::serialize(*constant);
    if (const auto* list = array_in(*object, "enum")) return alternatives(*list);
    if (object->contains("properties")) return members(*object, id, level);
    if (const auto* reference = object->if_contains("$ref"); reference && reference->is_string()) {
      return follow(reference->get_string(), id, level);
    }
    const json::value* type = object->if_contains("type");
    if (!type || !type->is_string()) return "any JSON";
    if (type->get_string() == "array") return items(*object, id, level);
    if (type->get_string() == "object") return "object of any shape";
    return std::string(type->get_string()) + limits_of(*object);
  }

  std::string description_of(const json::value& schema, std::string_view id) {
    const json::object* object = schema.if_object();
    for (int hops = 0; object && hops < depth_max; ++hops) {
      if (const auto* text = object->if_contains("description"); text && text->is_string()) {
        return std::string(text->get_string());
      }
      const json::value* reference = object->if_contains("$ref");
      if (!reference || !reference->is_string()) break;
      const Target target = resolve(reference->get_string(), id);
      id = target.id;
      object = target.schema ? target.schema->if_object() : nullptr;
    }
    return {};
  }

 private:
  struct Target {
    const json::value* schema = nullptr;
    std::string_view id;
  };

  static const json::array* array_in(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value ? value->if_array() : nullptr;
  }

  Target resolve(std::string_view reference, std::string_view id) {
    const std::size_t hash = reference.find('#');
    const std::string_view file = reference.substr(0, hash);
    auto found = documents_.find(id);
    if (!file.empty()) {
      const std::size_t folder = id.rfind('/') + 1;  // npos wraps to the start
      found = documents_.find(std::string(id.substr(0, folder)) + std::string(file));
      if (found == documents_.end()) found = documents_.find(file);
    }
    if (found == documents_.end()) return {};
    if (hash == std::string_view::npos || hash + 1 == reference.size()) {
      return {&found->second, found->first};
    }
    boost::system::error_code error;
    const json::value* schema = found->second.find_pointer(reference.substr(hash + 1), error);
    return {error ? nullptr : schema, found->first};
  }

  std::string follow(std::string_view reference, std::string_view id, int level) {
    const Target target = resolve(reference, id);
    if (!target.schema) return "any JSON";
    ++references_;
    std::string type = type_of(*target.schema, target.id, level);
    --references_;
    return type;
  }

  static std::string alternatives(const json::array& list) {
    std::string out;
    for (const json::value& item : list) out += (out.empty() ? "" : " | ") + json::serialize(item);
    return out;
  }

  std::string items(const json::object& schema, std::string_view id, int level) {
    const json::value* item = schema.if_contains("items");
    const json::value* least = schema.if_contains("minItems");
    std::string out = "[" + (item ? type_of(*item, id, level) : "any JSON") + ", ...]";
    if (least) out += fmt::format(" (at least {})", json::serialize(*least));
    return out;
  }

  std::string members(const json::object& schema, std::string_view id, int level) {
    const json::object* properties = schema.at("properties").if_object();
    if (!properties) return "object of any shape";
    const json::array* required = array_in(schema, "required");
    const std::string indent(2 * std::size_t(level) + 2, ' ');
    std::string out = "{\n";
    for (const auto& [key, member] : *properties) {
      const bool is_required =
          required && std::ranges::find(*required, json::value(key)) != required->end();
      const bool says_it_all = member.is_object() && member.get_object().contains("const");
      const std::string description = says_it_all ? "" : description_of(member, id);
      out += fmt::format("{}\"{}\"{}: {}{}{}\n", indent, std::string_view(key),
                         is_required ? "" : "?", type_of(member, id, level + 1),
                         description.empty() ? "" : "  // ", description);
    }
    return out + indent.substr(2) + "}";
  }

  static std::string limits_of(const json::object& schema) {
    const auto number = [&](std::string_view key) {
      const json::value* value = schema.if_contains(key);
      return value ? json::serialize(*value) : std::string();
    };
    std::string out;
    const std::string length = number("minLength");
    if (length == "1") out += ", not empty";
    if (!length.empty() && length != "1") out += ", at least " + length + " characters";
    if (const auto least = number("minimum"); !least.empty()) out += ", at least " + least;
    if (const auto most = number("maximum"); !most.empty()) out += ", at most " + most;
    if (const auto pattern = number("pattern"); !pattern.empty()) out += ", matching " + pattern;
    if (const auto format = number("format"); !format.empty()) out += ", format " + format;
    if (const auto fallback = number("default"); !fallback.empty()) out += ", default " + fallback;
    return out;
  }

  const Documents& documents_;
  int references_ = 0;  // followed on the way to where we are
};

}  // namespace

std::string response_shape(const Documents& documents, std::string_view id) {
  const auto found = documents.find(id);
  return found == documents.end() ? std::string() : Reader(documents).type_of(found->second, id, 0);
}

}  // namespace protocol
