// What the API says of its routes beforehand: their names, the query parameters and headers that
// they read and what they answer, as data. Internal to the API.
#pragma once

#include "bridge/base/json.h"
#include "bridge/http/router.h"
#include "bridge/protocol/message_types.h"

#include <span>
#include <string_view>

namespace http {

struct Declaration {
  std::string_view operation;  // "GET /api/packets/{id}"
  std::string_view id;         // what clients call it: a verb and what it is about, in camelCase
  std::string_view query;      // keys of DeclaredParameter, by spaces; "*": anything, unread
  // "202 Packet, 200 Packet"; a media type, before its schema if it has one: no JSON; alone: no
  // body.
  std::string_view answers;
  std::string_view headers = {};  // names of declared_headers(), by spaces
};
std::span<const Declaration> declarations();

// Parameters of one name that mean several things are told apart by what stands before the dot.
struct DeclaredParameter {
  std::string_view key;          // "limit", "packet.state"
  std::string_view schema;       // of the value
  std::string_view description;  // for people
};
std::span<const DeclaredParameter> declared_parameters();
std::span<const HeaderParameter> declared_headers();

// The schemas of what is answered, which refer to one another by "#/components/schemas/<name>".
struct ComponentSchema {
  std::string_view name;
  std::string_view schema;
};
std::span<const ComponentSchema> work_schemas();      // packets, workflows, schedules
std::span<const ComponentSchema> registry_schemas();  // agents and what is theirs, keys
std::span<const ComponentSchema> common_schemas();    // problems, actions, what others refer to
std::span<const ComponentSchema> bridge_schemas();    // the queue, the session, fleets, counts

// Those that the program has as data for itself: the words of its enumerations, request packets of
// these types, definitions of workflows.
base::json::object derived_schemas(const protocol::MessageTypes& types);

// All of them, and for every <Name>Page the page of a list of <Name>.
base::json::object component_schemas(const protocol::MessageTypes& types);

// Adds a route as it is declared. One that is not declared is a bug.
void add_declared(Router& router, Route route, Handler handler);

}  // namespace http
