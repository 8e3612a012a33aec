#include "bridge/protocol/message_types.h"

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/response_shape.h"
#include "embedded/packet_schemas.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

namespace protocol {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view id_base = "flywheel.chatgpt.v1/";
constexpr std::string_view request_prefix = "msg-";
constexpr std::string_view response_prefix = "resp-";
constexpr std::string_view schema_suffix = ".schema.json";

struct SchemaFile {
  std::string path;  // for messages
  std::string name;  // without folders
  std::string id;
  bool is_own = false;  // from a project's folder
};

// The schemas of all folders, before they are compiled.
class Catalogue {
 public:
  base::Result<> add(std::string path, std::string_view text, bool is_own) {
    if (files_.size() == limits::message_types_max) {
      return fail(Code::invalid, fmt::format("read the schema {}: more than {} schemas", path,
                                             limits::message_types_max));
    }
    auto document = base::parse_json(text, limits::schema_document_depth_max);
    if (!document) {
      return fail(Code::invalid,
                  fmt::format("read the schema {}: {}", path, document.error().message));
    }
    SchemaFile file{path, path.substr(path.rfind('/') + 1), {}, is_own};
    const json::object* object = document->if_object();
    const json::value* id = object ? object->if_contains("$id") : nullptr;
    const bool has_id = id && id->is_string();
    file.id = has_id ? std::string(id->get_string()) : std::string(id_base) + file.name;
    if (auto added = registry_.add(has_id ? "" : file.id, *document); !added) {
      return fail(Code::invalid,
                  fmt::format("read the schema {}: {}", path, added.error().message));
    }
    documents_.emplace(file.id, std::move(*document));
    files_.push_back(std::move(file));
    return {};
  }

  // Every schema compiles, whether a message type uses it or not.
  base::Result<> check() const {
    for (const SchemaFile& file : files_) {
      if (file.is_own) TRY_OK(compile(file));
    }
    return {};
  }

  base::Result<std::vector<MessageType>> types() const {
    std::vector<MessageType> out;
    for (const SchemaFile& file : files_) {
      if (file.name.starts_with(request_prefix) && file.name.ends_with(schema_suffix)) {
        TRY(MessageType type, type_of(file));
        out.push_back(std::move(type));
      } else if (file.name.starts_with(response_prefix) && file.name.ends_with(schema_suffix)) {
        const std::string partner =
            std::string(request_prefix) + file.name.substr(response_prefix.size());
        if (!partner_of(file, partner)) return no_partner(file, partner);
      }
    }
    return out;
  }

 private:
  base::Result<schema::Schema> compile(const SchemaFile& file) const {
    schema::Options options;
    options.assert_format = true;
    auto compiled = schema::Schema::compile_uri(registry_, file.id, options);
    if (!compiled) {
      return fail(Code::invalid,
                  fmt::format("compile the schema {}: {}", file.path, compiled.error().message));
    }
    return compiled;
  }

  static SchemaFile envelope_file() {
    return {"envelope.schema.json", "envelope.schema.json",
            std::string(id_base) + "envelope.schema.json"};
  }

  const SchemaFile* partner_of(const SchemaFile& file, std::string_view name) const {
    const auto found = std::ranges::find_if(files_, [&](const SchemaFile& other) {
      return other.name == name && other.is_own == file.is_own;
    });
    return found == files_.end() ? nullptr : &*found;
  }

  static std::unexpected<base::Error> no_partner(const SchemaFile& file, std::string_view name) {
    return fail(Code::invalid,
                fmt::format("read the schema {}: a message type is two files, and {} is not "
                            "beside it",
                            file.path, name));
  }

  base::Result<std::string> msg_type_of(const SchemaFile& file) const {
    boost::system::error_code error;
    const json::value* constant =
        documents_.find(file.id)->second.find_pointer("/properties/msg_type/const", error);
    if (error || !constant->is_string()) {
      return fail(Code::invalid, fmt::format("read the schema {}: /properties/msg_type/const must "
                                             "be the name of the message type",
                                             file.path));
    }
    return std::string(constant->get_string());
  }

  base::Result<MessageType> type_of(const SchemaFile& file) const {
    const std::string partner =
        std::string(response_prefix) + file.name.substr(request_prefix.size());
    const SchemaFile* response = partner_of(file, partner);
    if (!response) return no_partner(file, partner);
    TRY(std::string name, msg_type_of(file));
    TRY(std::string response_name, msg_type_of(*response));
    if (response_name != name + "_RESPONSE") {
      return fail(Code::invalid,
                  fmt::format("read the schema {}: /properties/msg_type/const is \"{}\", but the "
                              "response to {} is {}_RESPONSE",
                              response->path, response_name, name, name));
    }
    TRY(schema::Schema envelope, compile(envelope_file()));
    TRY(schema::Schema request_schema, compile(file));
    TRY(schema::Schema response_schema, compile(*response));
    const json::object& document = documents_.find(file.id)->second.get_object();
    const json::value* title = document.if_contains("title");
    return MessageType{std::move(name),
                       std::move(response_name),
                       title && title->is_string() ? std::string(title->get_string()) : "",
                       std::move(request_schema),
                       std::move(envelope),
                       std::move(response_schema),
                       fields_of(*response),
                       response_shape(documents_, response->id)};
  }

  // The members of a response besides those that every response has.
  std::vector<std::string> fields_of(const SchemaFile& response) const {
    constexpr std::array<std::string_view, 5> common = {"proto", "bead_id", "msg_type", "verdict",
                                                        "notes"};
    const json::object& properties =
        documents_.find(response.id)->second.at("properties").get_object();
    std::vector<std::string> out;
    for (const auto& [key, member] : properties) {
      if (std::ranges::find(common, std::string_view(key)) == common.end()) out.emplace_back(key);
    }
    return out;
  }

  schema::Registry registry_;
  Documents documents_;
  std::vector<SchemaFile> files_;
};

base::Result<> add_embedded(Catalogue& catalogue) {
  for (const base::EmbeddedFile& file : embedded::packet_schemas()) {
    TRY_OK(catalogue.add(std::string(file.path), file.content, false));
  }
  return {};
}

base::Result<> add_folder(Catalogue& catalogue, const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) return {};
  std::vector<std::filesystem::path> paths;
  for (auto entry = std::filesystem::directory_iterator(folder, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".json") paths.push_back(entry->path());
    if (paths.size() > limits::message_types_max) break;
  }
  if (error) {
    return fail(Code::unavailable,
                fmt::format("read the schema folder {}: {}", folder.string(), error.message()));
  }
  std::ranges::sort(paths);
  for (const auto& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) {
      return fail(Code::unavailable,
                  fmt::format("read the schema {}: the file cannot be opened", path.string()));
    }
    std::string text(limits::schema_file_bytes_max + 1, '\0');
    stream.read(text.data(), std::streamsize(text.size()));
    text.resize(std::size_t(stream.gcount()));
    if (text.size() > limits::schema_file_bytes_max) {
      return fail(Code::invalid, fmt::format("read the schema {}: longer than {} bytes",
                                             path.string(), limits::schema_file_bytes_max));
    }
    TRY_OK(catalogue.add(path.string(), text, true));
  }
  return {};
}

}  // namespace

MessageTypes MessageTypes::built_in() {
  auto types = load({});
  BRIDGE_ASSERT(types);
  return *std::move(types);
}

base::Result<MessageTypes> MessageTypes::load(const std::filesystem::path& folder) {
  Catalogue catalogue;
  TRY_OK(add_embedded(catalogue));
  TRY_OK(add_folder(catalogue, folder));
  TRY_OK(catalogue.check());
  TRY(auto types, catalogue.types());
  MessageTypes out;
  for (MessageType& type : types) {
    auto shared = std::make_shared<const MessageType>(std::move(type));
    for (const std::string& name : {shared->name, shared->response_name}) {
      if (!out.by_name_.emplace(name, shared).second) {
        return fail(Code::invalid,
                    fmt::format("read the schemas in {}: the message type {} is there twice",
                                folder.string(), name));
      }
    }
  }
  return out;
}

std::shared_ptr<const MessageType> MessageTypes::find(std::string_view msg_type) const {
  const auto found = by_name_.find(msg_type);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const MessageType>> MessageTypes::all() const {
  std::vector<std::shared_ptr<const MessageType>> out;
  for (const auto& [name, type] : by_name_) {
    if (name == type->name) out.push_back(type);
  }
  return out;
}

std::string MessageTypes::request_names() const {
  std::string out;
  for (const auto& type : all()) out += (out.empty() ? "" : ", ") + type->name;
  return out;
}

std::vector<Violation> violations_of(const schema::Schema& schema, const json::value& value) {
  auto found = schema.check(value);
  if (!found) return {{"", "limits", found.error().message}};
  std::vector<Violation> out;
  for (schema::Violation& violation : *found) {
    out.push_back({std::move(violation.instance_location), std::move(violation.keyword),
                   std::move(violation.message)});
  }
  return out;
}

Checked<std::string> check_message(const json::value& message, const MessageTypes& types) {
  const auto refuse = [](std::string reason, std::string what, std::vector<Violation> violations) {
    return std::unexpected(
        Refusal{{Code::invalid, std::move(what), std::move(reason)}, std::move(violations)});
  };
  const json::object* object = message.if_object();
  if (!object) {
    return refuse("invalid", "a message must be a JSON object",
                  {{"", "type", "must be an object"}});
  }
  const json::value* name = object->if_contains("msg_type");
  if (!name || !name->is_string()) {
    return refuse(
        "unknown_type", "the message has no msg_type",
        {{name ? "/msg_type" : "", name ? "type" : "required",
          "msg_type must be one of " + types.request_names() + ", or one of them with _RESPONSE"}});
  }
  const std::string_view msg_type = name->get_string();
  const auto type = types.find(msg_type);
  if (!type) {
    return refuse("unknown_type", fmt::format("unknown msg_type \"{}\"", msg_type),
                  {{"/msg_type", "enum",
                    fmt::format("\"{}\" is no known message type; known are {}, and each with "
                                "_RESPONSE",
                                msg_type, types.request_names())}});
  }
  const bool is_request = msg_type == type->name;
  auto violations = violations_of(is_request ? type->request : type->response, message);
  // A type of a project's own may have forgotten the envelope; every request keeps to it.
  if (is_request && violations.empty()) violations = violations_of(type->envelope, message);
  if (!violations.empty()) {
    return refuse("invalid", fmt::format("no valid {}", msg_type), std::move(violations));
  }
  return std::string(msg_type);
}

}  // namespace protocol
