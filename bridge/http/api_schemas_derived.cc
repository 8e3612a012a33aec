// Schemas of what the program describes elsewhere, for itself: nothing is said twice.
#include "bridge/chat/state.h"
#include "bridge/engine/job.h"
#include "bridge/engine/pacing.h"
#include "bridge/http/api_declared.h"
#include "bridge/services/actions/action.h"
#include "bridge/services/actions/definition.h"
#include "bridge/services/agents/agent.h"
#include "bridge/services/agents/fleets.h"
#include "bridge/services/events/subscription.h"
#include "bridge/services/memory/entry.h"
#include "bridge/services/messages/message.h"
#include "bridge/services/workflows/definition.h"
#include "embedded/packet_schemas.h"

#include <algorithm>

#include <fmt/format.h>

namespace http {

namespace json = boost::json;

namespace {

namespace agents = services::agents;

// The names of all values up to the last one.
template <class Enum>
json::object words_up_to(Enum last) {
  json::array words;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    words.push_back(json::value(name(static_cast<Enum>(i))));
  }
  return {{"enum", std::move(words)}};
}

std::string in_components(std::string_view rest) {
  return fmt::format("#/components/schemas/{}", rest);
}

// Where the schemas of packets and workflows refer to, as components.
std::string moved(std::string_view reference) {
  constexpr std::string_view common = "common.schema.json#", own = "#";
  if (reference.starts_with(common)) {
    reference.remove_prefix(common.size());
    return in_components(fmt::format("PacketTypes{}", reference));
  }
  BRIDGE_ASSERT(reference.starts_with(own));
  reference.remove_prefix(own.size());
  return in_components(fmt::format("WorkflowDefinition{}", reference));
}

void move_references(json::value& value) {
  if (auto* list = value.if_array()) {
    for (auto& one : *list) move_references(one);
  }
  auto* object = value.if_object();
  if (object == nullptr) return;
  for (auto& [key, member] : *object) {
    if (key == "$ref" && member.is_string()) {
      member = moved(member.get_string());
    } else {
      move_references(member);
    }
  }
}

// A schema that is built into the program, as a component.
json::object component(std::string_view text) {
  auto schema = base::parse_json(text);
  BRIDGE_ASSERT(schema && schema->is_object());
  schema->get_object().erase("$id");
  schema->get_object().erase("$schema");
  move_references(*schema);
  return std::move(schema->get_object());
}

json::object packet_component(std::string_view path) {
  const auto files = embedded::packet_schemas();
  const auto found = std::ranges::find_if(
      files, [&](const base::EmbeddedFile& file) { return file.path.ends_with(path); });
  BRIDGE_ASSERT(found != files.end());
  return component(found->content);
}

// Every request keeps to the envelope, of whatever type it is.
json::object request_packet(const protocol::MessageTypes& types) {
  json::array names;
  for (const auto& type : types.all()) names.push_back(json::value(type->name));
  json::object msg_type{{"enum", std::move(names)},
                        {"description", "The types that this bridge knows, the project's too."}};
  return {{"description",
           "A request packet. A type that the project adds may demand more than the envelope; "
           "POST /api/packets/validate tells."},
          {"$ref", in_components("PacketEnvelope")},
          {"properties", json::object{{"msg_type", std::move(msg_type)}}}};
}

json::object new_workflow() {
  const json::object key{{"type", "string"}, {"minLength", 1}, {"maxLength", 255}};
  const json::object in_yaml{{"type", "object"},
                             {"required", json::array{"yaml"}},
                             {"additionalProperties", false},
                             {"properties", json::object{{"yaml", json::object{{"type", "string"}}},
                                                         {"idempotency_key", key}}}};
  return {
      {"description", "The definition itself, or its text in YAML."},
      {"anyOf", json::array{json::object{{"$ref", in_components("WorkflowDefinition")}}, in_yaml}}};
}

json::object definition() {
  auto schema = component(workflow::definition_schema());
  schema.at("properties").as_object()["idempotency_key"] =
      json::object{{"type", "string"},
                   {"minLength", 1},
                   {"maxLength", 255},
                   {"description", "No part of it: the twin of the header Idempotency-Key."}};
  return schema;
}

}  // namespace

json::object derived_schemas(const protocol::MessageTypes& types) {
  json::object schemas;
  schemas["SessionState"] = words_up_to(chat::State::ready);
  schemas["Trip"] = words_up_to(engine::Trip::blocked);
  schemas["Liveness"] = words_up_to(agents::Liveness::offline);
  schemas["MissionState"] = words_up_to(agents::Mission::State::recalled);
  schemas["MemberState"] = words_up_to(agents::Member::State::withdrawn);
  schemas["JobState"] = words_up_to(engine::State::expired);
  schemas["JobStage"] = words_up_to(engine::Stage::replied);
  schemas["AgentKind"] = words_up_to(agents::Kind::cli);
  schemas["AgentStatus"] = words_up_to(agents::Status::deployed);
  schemas["Tier"] = words_up_to(agents::Tier::founder);
  schemas["MessageKind"] = words_up_to(services::messages::Kind::answer);
  schemas["Sharing"] = words_up_to(services::memory::Sharing::all);
  schemas["MemoryOrigin"] = words_up_to(services::memory::Origin::person);
  schemas["DeliveryWay"] = words_up_to(::events::Via::webhook);
  schemas["DeliveryState"] = words_up_to(::events::Delivery::State::dead);
  schemas["ActionKind"] = words_up_to(services::actions::Kind::http);
  schemas["ActionState"] = words_up_to(services::actions::State::held);
  schemas["PacketTypes"] = packet_component("common.schema.json");
  schemas["PacketEnvelope"] = packet_component("envelope.schema.json");
  schemas["RequestPacket"] = request_packet(types);
  schemas["WorkflowDefinition"] = definition();
  schemas["NewWorkflow"] = new_workflow();
  return schemas;
}

}  // namespace http
