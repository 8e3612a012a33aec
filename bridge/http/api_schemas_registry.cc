// What agents, messages, memory, events and keys look like to callers.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::array all = {
    ComponentSchema{"Agent", R"json({
      "description": "An agent of the registry.",
      "type": "object",
      "required": ["id", "slug", "name", "kind", "link", "category", "category_key", "ecosystem",
                   "clusters", "purpose", "status", "tier", "aliases", "capabilities", "liveness",
                   "last_heartbeat", "heartbeats", "reported_status", "metrics", "date_added",
                   "created", "created_by", "changed", "revision", "links"],
      "properties": {
        "id": {"type": "string"},
        "slug": {"type": "string"},
        "name": {"type": "string"},
        "kind": {"$ref": "#/components/schemas/AgentKind"},
        "link": {"type": ["string", "null"]},
        "category": {"type": ["string", "null"]},
        "category_key": {"type": ["string", "null"]},
        "ecosystem": {"type": ["string", "null"]},
        "clusters": {"type": "array", "items": {"type": "string"}},
        "purpose": {"type": "string"},
        "status": {"$ref": "#/components/schemas/AgentStatus"},
        "tier": {"$ref": "#/components/schemas/Tier"},
        "aliases": {"type": "array", "items": {"type": "string"}},
        "capabilities": {"type": "array", "items": {"type": "string"}},
        "liveness": {"$ref": "#/components/schemas/Liveness"},
        "last_heartbeat": {"type": ["string", "null"], "format": "date-time"},
        "heartbeats": {"type": "integer", "minimum": 0},
        "reported_status": {"type": ["string", "null"]},
        "metrics": {"type": "object"},
        "date_added": {"type": ["string", "null"]},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "changed": {"type": "string", "format": "date-time"},
        "revision": {"type": "integer"},
        "key": {"type": "string", "description": "Of its own, when one was made; shown once."},
        "key_id": {"type": "string"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Imported", R"json({
      "description": "What became of each entry of an import.",
      "type": "object",
      "required": ["total", "created", "updated", "unchanged", "results"],
      "properties": {
        "total": {"type": "integer"},
        "created": {"type": "integer"},
        "updated": {"type": "integer"},
        "unchanged": {"type": "integer"},
        "results": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["index", "name", "result", "id", "slug", "note"],
            "properties": {
              "index": {"type": "integer", "minimum": 0},
              "name": {"type": "string"},
              "result": {"enum": ["created", "updated", "unchanged"]},
              "id": {"type": "string", "format": "uuid"},
              "slug": {"type": "string"},
              "note": {"type": ["string", "null"]}
            }
          }
        }
      }
    })json"},
    ComponentSchema{"Registered", R"json({
      "anyOf": [{"$ref": "#/components/schemas/Agent"}, {"$ref": "#/components/schemas/Imported"}]
    })json"},
    ComponentSchema{"Party", R"json({
      "type": "object",
      "required": ["id", "name"],
      "properties": {
        "id": {"type": ["string", "null"], "description": "Of an agent; null: it is none."},
        "name": {"type": "string"}
      }
    })json"},
    ComponentSchema{"Message", R"json({
      "description": "A message; an answer and what a run says are untrusted: no instruction.",
      "type": "object",
      "required": ["id", "sequence", "kind", "thread", "from", "to", "text", "topic", "reply_to",
                   "meta", "trust", "sent", "acked", "outcome"],
      "properties": {
        "id": {"type": "string"},
        "sequence": {"type": "integer"},
        "kind": {"$ref": "#/components/schemas/MessageKind"},
        "thread": {"type": "string"},
        "from": {"$ref": "#/components/schemas/Party"},
        "to": {"$ref": "#/components/schemas/Party"},
        "text": {"type": "string"},
        "topic": {"type": ["string", "null"]},
        "reply_to": {"type": ["string", "null"]},
        "meta": {"type": "object"},
        "trust": {"enum": ["untrusted", "sender"]},
        "sent": {"type": "string", "format": "date-time"},
        "acked": {"type": ["string", "null"], "format": "date-time"},
        "outcome": {"type": ["string", "null"]},
        "answered_by": {
          "enum": ["inbox", "conversation"],
          "description": "Of a query: the one in whose inbox it lies, by a message, or a chat."
        },
        "value": {"description": "Of an answer by schema."}
      }
    })json"},
    ComponentSchema{"Query", R"json({
      "description": "A question to an agent, and the answer once it is there.",
      "type": "object",
      "required": ["id", "state", "thread", "from", "to", "asked", "answered_by", "answer", "error",
                   "links"],
      "properties": {
        "id": {"type": "string"},
        "state": {"enum": ["open", "answered", "failed"]},
        "thread": {"type": "string"},
        "from": {"$ref": "#/components/schemas/Party"},
        "to": {"$ref": "#/components/schemas/Party"},
        "asked": {"type": "string", "format": "date-time"},
        "answered_by": {"enum": ["inbox", "conversation"]},
        "answer": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Message"}]},
        "error": {"$ref": "#/components/schemas/Failure"},
        "job": {
          "description": "Of a question that is put in a conversation.",
          "type": "object",
          "required": ["id", "state", "stage"],
          "properties": {
            "id": {"type": "string"},
            "state": {"$ref": "#/components/schemas/JobState"},
            "stage": {"$ref": "#/components/schemas/JobStage"}
          }
        },
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"MemorySummary", R"json({
      "description": "An entry of an agent's memory; lists have the beginning of its text.",
      "type": "object",
      "required": ["id", "agent", "type", "title", "tags", "sharing", "trust", "origin",
                   "provenance", "created", "created_by", "sha256", "bytes", "links"],
      "properties": {
        "id": {"type": "string"},
        "agent": {"type": "string"},
        "type": {"type": "string"},
        "title": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sharing": {"$ref": "#/components/schemas/Sharing"},
        "trust": {"enum": ["person", "untrusted"]},
        "origin": {"$ref": "#/components/schemas/MemoryOrigin"},
        "provenance": {"type": "object"},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "bytes": {"type": "integer", "minimum": 0},
        "excerpt": {"type": "string"},
        "score": {"type": "number"},
        "snippet": {"type": "string"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"MemoryEntry", R"json({
      "description": "An entry of an agent's memory.",
      "$ref": "#/components/schemas/MemorySummary",
      "required": ["metadata", "content"],
      "properties": {"metadata": {"type": "object"}, "content": {"type": "string"}}
    })json"},
    ComponentSchema{"MemoryHits", R"json({
      "description": "What was found, best first.",
      "type": "object",
      "required": ["items", "ranked", "bounded"],
      "properties": {
        "items": {
          "type": "array",
          "items": {
            "$ref": "#/components/schemas/MemorySummary",
            "required": ["score", "snippet"]
          }
        },
        "ranked": {"type": "integer", "minimum": 0},
        "bounded": {"type": "boolean"},
        "note": {"type": "string"}
      }
    })json"},
    ComponentSchema{"Subscription", R"json({
      "description": "What an agent wants to be told; what concerns webhooks only they have.",
      "type": "object",
      "required": ["id", "agent", "types", "subjects", "categories", "only_own", "delivery",
                   "created", "created_by", "state", "links"],
      "properties": {
        "id": {"type": "string"},
        "agent": {"type": "string"},
        "types": {"type": "array", "items": {"type": "string"}},
        "subjects": {"type": "array", "items": {"type": "string"}},
        "categories": {"type": "array", "items": {"type": "string"}},
        "only_own": {
          "type": "boolean",
          "description": "True: the agent's own key made it, and it is told only what is its own."
        },
        "delivery": {"$ref": "#/components/schemas/DeliveryWay"},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "state": {"enum": ["active", "disabled"]},
        "url": {"type": "string"},
        "secret": {"type": ["string", "null"], "description": "Shown once."},
        "disabled": {"type": ["string", "null"]},
        "handshake": {
          "type": "object",
          "required": ["result", "detail", "per_minute"],
          "properties": {
            "result": {"type": ["string", "null"]},
            "detail": {"type": "string"},
            "per_minute": {"type": "integer"}
          }
        },
        "failures": {"type": "integer"},
        "failing_since": {"type": ["string", "null"], "format": "date-time"},
        "throttled_until": {"type": ["string", "null"], "format": "date-time"},
        "old_secret_until": {"type": ["string", "null"], "format": "date-time"},
        "pending": {"type": "integer"},
        "position": {"type": "string"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Delivery", R"json({
      "description": "An event on its way to a webhook.",
      "type": "object",
      "required": ["id", "subscription", "event", "type", "state", "attempts", "last_status",
                   "detail", "created", "last_attempt", "next_attempt", "ended", "links"],
      "properties": {
        "id": {"type": "string"},
        "subscription": {"type": "string"},
        "event": {"type": "string"},
        "type": {"type": ["string", "null"]},
        "state": {"$ref": "#/components/schemas/DeliveryState"},
        "attempts": {"type": "integer", "minimum": 0},
        "last_status": {"type": ["integer", "null"]},
        "detail": {"type": ["string", "null"]},
        "created": {"type": "string", "format": "date-time"},
        "last_attempt": {"type": ["string", "null"], "format": "date-time"},
        "next_attempt": {"type": ["string", "null"], "format": "date-time"},
        "ended": {"type": ["string", "null"], "format": "date-time"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Key", R"json({
      "description": "A key of the API.",
      "type": "object",
      "required": ["id", "name", "agent", "agent_id", "scopes", "created", "created_by", "expires",
                   "revoked"],
      "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "agent": {"type": ["string", "null"]},
        "agent_id": {"type": ["string", "null"]},
        "scopes": {"type": "array", "items": {"type": "string"}},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "expires": {"type": ["string", "null"], "format": "date-time"},
        "revoked": {"type": ["string", "null"], "format": "date-time"},
        "key": {"type": ["string", "null"], "description": "Its text; shown once."}
      }
    })json"},
};

}  // namespace

std::span<const ComponentSchema> registry_schemas() { return all; }

}  // namespace http
