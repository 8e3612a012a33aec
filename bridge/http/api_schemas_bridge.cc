// What the queue, the session, fleets, counts and the bridge itself look like to callers.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::array all = {
    ComponentSchema{"Counts", R"json({
      "description": "How many there are, by name.",
      "type": "object",
      "additionalProperties": {"type": "integer", "minimum": 0}
    })json"},
    ComponentSchema{"Breaker", R"json({
      "description": "What keeps jobs from being sent; all but \"open\" only while it does.",
      "type": "object",
      "required": ["open"],
      "properties": {
        "open": {"type": "boolean"},
        "trip": {"$ref": "#/components/schemas/Trip"},
        "detail": {"type": "string"},
        "since": {"type": "string", "format": "date-time"},
        "closes_in_seconds": {
          "type": ["number", "null"], "description": "null: not by itself."
        }
      }
    })json"},
    ComponentSchema{"Lane", R"json({
      "description": "Jobs that run one at a time.",
      "type": "object",
      "required": ["id", "account", "paused", "paused_itself", "running", "holder", "queued",
                   "held", "epoch", "breaker"],
      "properties": {
        "id": {"type": "string"},
        "account": {"type": "string"},
        "paused": {
          "type": ["string", "null"], "description": "Why, while it or everything is."
        },
        "paused_itself": {
          "type": "boolean", "description": "It stays paused when everything is resumed."
        },
        "running": {"type": ["string", "null"], "description": "The id of the job."},
        "holder": {"type": "string"},
        "queued": {"type": "integer", "minimum": 0},
        "held": {"type": "integer", "minimum": 0},
        "epoch": {"type": "integer"},
        "breaker": {"$ref": "#/components/schemas/Breaker"}
      }
    })json"},
    ComponentSchema{"LaneForecast", R"json({
      "type": "object",
      "required": ["lane", "next_send_seconds", "job_seconds", "room_seconds"],
      "properties": {
        "lane": {"type": "string"},
        "next_send_seconds": {"type": ["number", "null"]},
        "job_seconds": {"type": "number"},
        "room_seconds": {"type": "number", "description": "Until a full lane takes one more."}
      }
    })json"},
    ComponentSchema{"AccountLimits", R"json({
      "type": "object",
      "required": ["caps", "pause_seconds", "pause_jitter_seconds", "burst", "parallel_max"],
      "properties": {
        "caps": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["count", "window_seconds"],
            "properties": {
              "count": {"type": "integer"},
              "window_seconds": {"type": "number"}
            }
          }
        },
        "pause_seconds": {"type": "number"},
        "pause_jitter_seconds": {"type": "number"},
        "burst": {"type": "integer"},
        "parallel_max": {"type": "integer"}
      }
    })json"},
    ComponentSchema{"Queue", R"json({
      "description": "The queue, lane by lane.",
      "type": "object",
      "required": ["lanes", "depths", "drained", "paused", "breaker", "limits", "forecast"],
      "properties": {
        "lanes": {"type": "array", "items": {"$ref": "#/components/schemas/Lane"}},
        "depths": {
          "type": "object",
          "required": ["queued", "running", "held"],
          "properties": {
            "queued": {"type": "integer", "minimum": 0},
            "running": {"type": "integer", "minimum": 0},
            "held": {"type": "integer", "minimum": 0}
          }
        },
        "drained": {
          "type": "boolean",
          "description": "Nothing goes on by itself: what is left waits for a person, or for long."
        },
        "paused": {
          "type": ["string", "null"],
          "description": "Why, while everything is, with the lanes that are made later."
        },
        "breaker": {"$ref": "#/components/schemas/Breaker"},
        "limits": {
          "type": "object",
          "required": ["depth_max", "accounts"],
          "properties": {
            "depth_max": {"type": "integer"},
            "accounts": {
              "type": "object",
              "additionalProperties": {"$ref": "#/components/schemas/AccountLimits"}
            }
          }
        },
        "forecast": {"type": "array", "items": {"$ref": "#/components/schemas/LaneForecast"}},
        "draining": {
          "const": true,
          "description": "Only where that was asked for: the daemon ends once it has drained."
        }
      }
    })json"},
    ComponentSchema{"PageHealth", R"json({
      "description": "How the account, or one of its conversations, does.",
      "type": "object",
      "required": ["state", "since", "can_send", "shell", "browser", "conversation", "evidence",
                   "advice", "next_check"],
      "properties": {
        "state": {"$ref": "#/components/schemas/SessionState"},
        "since": {"type": "string", "format": "date-time"},
        "can_send": {"type": "boolean"},
        "shell": {"type": ["string", "null"]},
        "browser": {"type": ["string", "null"]},
        "conversation": {"type": ["string", "null"], "format": "uri"},
        "evidence": {"type": "string"},
        "advice": {"type": ["string", "null"]},
        "next_check": {"type": ["string", "null"], "format": "date-time"}
      }
    })json"},
    ComponentSchema{"OpenBreaker", R"json({
      "description": "Of the account, or of one of its lanes.",
      "type": "object",
      "required": ["account", "lane", "trip", "detail", "conversation", "since",
                   "closes_in_seconds", "advice", "is_partial"],
      "properties": {
        "account": {"type": "string"},
        "lane": {"type": ["string", "null"], "description": "null: of the account."},
        "trip": {"$ref": "#/components/schemas/Trip"},
        "detail": {"type": "string"},
        "conversation": {
          "type": ["string", "null"], "format": "uri", "description": "The page that showed it."
        },
        "since": {"type": "string", "format": "date-time"},
        "closes_in_seconds": {
          "type": ["number", "null"], "description": "null: not by itself."
        },
        "advice": {"type": "string"},
        "is_partial": {"type": "boolean", "description": "Packets are sent all the same."}
      }
    })json"},
    ComponentSchema{"Session", R"json({
      "description": "The account's browser session.",
      "$ref": "#/components/schemas/PageHealth",
      "required": ["conversations", "breakers", "signing_in", "window_closes"],
      "properties": {
        "breakers": {
          "description": "What keeps jobs from being sent, however well the pages look.",
          "type": "array", "items": {"$ref": "#/components/schemas/OpenBreaker"}
        },
        "conversations": {
          "type": "array", "items": {"$ref": "#/components/schemas/PageHealth"}
        },
        "signing_in": {"type": "boolean"},
        "window_closes": {"type": ["string", "null"], "format": "date-time"}
      }
    })json"},
    ComponentSchema{"Heartbeat", R"json({
      "description": "What a heartbeat made of an agent.",
      "type": "object",
      "required": ["id", "slug", "liveness", "previous_liveness", "last_heartbeat", "heartbeats"],
      "properties": {
        "id": {"type": "string", "format": "uuid"},
        "slug": {"type": "string"},
        "liveness": {"$ref": "#/components/schemas/Liveness"},
        "previous_liveness": {"$ref": "#/components/schemas/Liveness"},
        "last_heartbeat": {"type": ["string", "null"], "format": "date-time"},
        "heartbeats": {"type": "integer", "minimum": 0}
      }
    })json"},
    ComponentSchema{"PastHeartbeat", R"json({
      "type": "object",
      "required": ["number", "time", "status", "metrics"],
      "properties": {
        "number": {"type": "integer", "minimum": 1},
        "time": {"type": "string", "format": "date-time"},
        "status": {"type": ["string", "null"]},
        "metrics": {"type": "object"}
      }
    })json"},
    ComponentSchema{"AgentStats", R"json({
      "type": "object",
      "required": ["total", "by_status", "by_liveness", "by_tier", "by_kind", "by_category"],
      "properties": {
        "total": {"type": "integer", "minimum": 0},
        "by_status": {"$ref": "#/components/schemas/Counts"},
        "by_liveness": {"$ref": "#/components/schemas/Counts"},
        "by_tier": {"$ref": "#/components/schemas/Counts"},
        "by_kind": {"$ref": "#/components/schemas/Counts"},
        "by_category": {"$ref": "#/components/schemas/Counts"}
      }
    })json"},
    ComponentSchema{"MissionMember", R"json({
      "type": "object",
      "required": ["id", "slug", "name", "state", "progress", "note", "changed"],
      "properties": {
        "id": {"type": "string", "format": "uuid"},
        "slug": {"type": "string"},
        "name": {"type": "string"},
        "state": {"$ref": "#/components/schemas/MemberState"},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "note": {"type": ["string", "null"]},
        "changed": {"type": "string", "format": "date-time"}
      }
    })json"},
    ComponentSchema{"Mission", R"json({
      "description": "What a fleet was sent to do.",
      "type": "object",
      "required": ["id", "category", "category_key", "objective", "state", "progress", "members",
                   "created", "created_by", "ended", "links"],
      "properties": {
        "id": {"type": "string", "format": "uuid"},
        "category": {"type": "string"},
        "category_key": {"type": "string"},
        "objective": {"type": "string"},
        "state": {"$ref": "#/components/schemas/MissionState"},
        "progress": {"type": "integer", "minimum": 0, "maximum": 100},
        "members": {"type": "array", "items": {"$ref": "#/components/schemas/MissionMember"}},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "ended": {"type": ["string", "null"], "format": "date-time"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"FleetSummary", R"json({
      "description": "The agents of one category, as lists have them.",
      "type": "object",
      "required": ["category", "key", "ecosystem", "purpose", "size", "by_status", "by_liveness",
                   "mission", "links"],
      "properties": {
        "category": {"type": "string"},
        "key": {"type": "string"},
        "ecosystem": {"type": "boolean", "description": "It is one of the catalogue."},
        "purpose": {"type": "string"},
        "size": {"type": "integer", "minimum": 0},
        "by_status": {"$ref": "#/components/schemas/Counts"},
        "by_liveness": {"$ref": "#/components/schemas/Counts"},
        "mission": {
          "description": "The one that runs.",
          "anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Mission"}]
        },
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Fleet", R"json({
      "description": "The agents of one category.",
      "$ref": "#/components/schemas/FleetSummary",
      "required": ["members"],
      "properties": {
        "members": {"type": "array", "items": {"$ref": "#/components/schemas/Agent"}}
      }
    })json"},
    ComponentSchema{"FleetStats", R"json({
      "type": "object",
      "required": ["total", "empty", "agents", "deployed", "missions", "mean_progress", "fleets"],
      "properties": {
        "total": {"type": "integer", "minimum": 0},
        "empty": {"type": "integer", "minimum": 0},
        "agents": {"type": "integer", "minimum": 0},
        "deployed": {"type": "integer", "minimum": 0},
        "missions": {"$ref": "#/components/schemas/Counts"},
        "mean_progress": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
        "fleets": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["category", "key", "size", "deployed", "mission_progress"],
            "properties": {
              "category": {"type": "string"},
              "key": {"type": "string"},
              "size": {"type": "integer", "minimum": 0},
              "deployed": {"type": "integer", "minimum": 0},
              "mission_progress": {"type": ["integer", "null"], "minimum": 0, "maximum": 100}
            }
          }
        }
      }
    })json"},
    ComponentSchema{"Broadcast", R"json({
      "description": "What became of a message to many.",
      "type": "object",
      "required": ["sent", "failed", "results"],
      "properties": {
        "sent": {"type": "integer", "minimum": 0},
        "failed": {"type": "integer", "minimum": 0},
        "results": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["to", "result"],
            "properties": {
              "to": {"type": "string"},
              "result": {
                "enum": ["sent", "repeated", "failed"],
                "description": "repeated: it was sent this message under another name."
              },
              "to_id": {"type": "string"},
              "message": {"type": "string", "description": "Its id."},
              "thread": {"type": "string"},
              "error": {"$ref": "#/components/schemas/Failure"}
            }
          }
        }
      }
    })json"},
    ComponentSchema{"Replayed", R"json({
      "type": "object",
      "required": ["replayed", "through", "complete"],
      "properties": {
        "replayed": {"type": "integer", "minimum": 0},
        "through": {"type": "string"},
        "complete": {"type": "boolean"}
      }
    })json"},
    ComponentSchema{"Verification", R"json({
      "description": "Whether the journal is what was written.",
      "type": "object",
      "required": ["valid", "finished", "checked", "next_after", "checkpoints", "vouched",
                   "broken", "verifier_key"],
      "properties": {
        "valid": {"type": ["boolean", "null"], "description": "null: there is more to look at."},
        "finished": {"type": "boolean"},
        "checked": {"type": "integer", "minimum": 0},
        "next_after": {
          "type": ["integer", "null"],
          "description": "Hand it in as `after` to go on; null: there is nothing more."
        },
        "checkpoints": {"type": "integer", "minimum": 0},
        "vouched": {"type": "integer", "minimum": 0},
        "broken": {
          "type": ["object", "null"],
          "required": ["sequence", "detail"],
          "properties": {"sequence": {"type": "integer"}, "detail": {"type": "string"}}
        },
        "verifier_key": {"type": "string"}
      }
    })json"},
    ComponentSchema{"Checkpoint", R"json({
      "description": "A signed word on the journal, as a C2SP signed note.",
      "type": "object",
      "required": ["note", "origin", "size", "root", "verifier_key"],
      "properties": {
        "note": {"type": "string"},
        "origin": {"type": "string"},
        "size": {"type": "integer", "minimum": 0},
        "root": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "verifier_key": {"type": "string"}
      }
    })json"},
    ComponentSchema{"CodeBlocks", R"json({
      "type": "array",
      "items": {
        "type": "object",
        "required": ["language", "text", "partial"],
        "properties": {
          "language": {"type": "string"},
          "text": {"type": "string"},
          "partial": {"type": "boolean", "description": "The page holds only a part of it."}
        }
      }
    })json"},
    ComponentSchema{"Turn", R"json({
      "description": "A message of a conversation.",
      "type": "object",
      "required": ["id", "role", "message_ids", "text", "code_blocks", "complete", "running",
                   "failed", "stopped"],
      "properties": {
        "id": {"type": "string"},
        "role": {"type": "string"},
        "message_ids": {"type": "array", "items": {"type": "string"}},
        "text": {"type": "string"},
        "code_blocks": {"$ref": "#/components/schemas/CodeBlocks"},
        "complete": {"type": "boolean"},
        "running": {"type": "boolean"},
        "failed": {"type": "boolean"},
        "stopped": {"type": "boolean"}
      }
    })json"},
    ComponentSchema{"Inspection", R"json({
      "description": "What the bridge sees of a page.",
      "type": "object",
      "required": ["state", "can_send", "evidence", "advice", "shell", "conversation", "url",
                   "title", "signs", "dialogs", "turns", "code_blocks"],
      "properties": {
        "state": {"$ref": "#/components/schemas/SessionState"},
        "can_send": {"type": "boolean"},
        "evidence": {"type": "string"},
        "advice": {"type": "string"},
        "shell": {"type": "string"},
        "conversation": {"type": "string"},
        "url": {"type": "string"},
        "title": {"type": "string"},
        "signs": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["name", "state", "text"],
            "properties": {
              "name": {"type": "string"},
              "state": {"$ref": "#/components/schemas/SessionState"},
              "text": {"type": "string"}
            }
          }
        },
        "dialogs": {"type": "array", "items": {"type": "string"}},
        "composer": {
          "type": "object",
          "required": ["count", "text", "attachments", "can_send"],
          "properties": {
            "count": {"type": "integer"},
            "text": {"type": "string"},
            "attachments": {"type": "integer"},
            "can_send": {"type": "boolean"}
          }
        },
        "turns": {"type": "array", "items": {"$ref": "#/components/schemas/Turn"}},
        "code_blocks": {"$ref": "#/components/schemas/CodeBlocks"},
        "digest": {"type": "string", "description": "The shape of an unknown page."}
      }
    })json"},
    ComponentSchema{"Dreams", R"json({
      "description": "What an agent's memory says about it.",
      "type": "object",
      "required": ["agent", "entries", "bytes", "knowledge_base", "conversation_logs", "analyses",
                   "expertise"],
      "properties": {
        "agent": {"type": "string"},
        "entries": {"type": "integer", "minimum": 0},
        "bytes": {"type": "integer", "minimum": 0},
        "knowledge_base": {
          "type": "array", "items": {"$ref": "#/components/schemas/MemorySummary"}
        },
        "conversation_logs": {
          "type": "array", "items": {"$ref": "#/components/schemas/MemorySummary"}
        },
        "analyses": {"type": "array", "items": {"$ref": "#/components/schemas/MemorySummary"}},
        "expertise": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["topic", "entries", "last"],
            "properties": {
              "topic": {"type": "string"},
              "entries": {"type": "integer", "minimum": 1},
              "last": {"type": "string", "format": "date-time"}
            }
          }
        }
      }
    })json"},
    ComponentSchema{"DashboardLink", R"json({
      "type": "object",
      "required": ["url", "expires"],
      "properties": {
        "url": {"type": "string", "format": "uri"},
        "expires": {"type": "string", "format": "date-time"}
      }
    })json"},
    ComponentSchema{"DashboardSession", R"json({
      "type": "object",
      "required": ["name", "principal", "scopes", "expires", "instance", "version"],
      "properties": {
        "name": {"type": "string"},
        "principal": {"type": "string"},
        "scopes": {"type": "array", "items": {"type": "string"}},
        "expires": {"type": "string", "format": "date-time"},
        "instance": {"type": "string"},
        "version": {"type": "string"}
      }
    })json"},
    ComponentSchema{"Alive", R"json({
      "type": "object",
      "required": ["status"],
      "properties": {"status": {"enum": ["ok", "ready"]}}
    })json"},
    ComponentSchema{"Health", R"json({
      "type": "object",
      "required": ["status", "instance", "version", "ready", "reasons"],
      "properties": {
        "status": {"enum": ["ok", "degraded"]},
        "instance": {"type": "string"},
        "version": {"type": "string"},
        "ready": {"type": "boolean"},
        "reasons": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["code", "detail"],
            "properties": {"code": {"type": "string"}, "detail": {"type": "string"}}
          }
        }
      }
    })json"},
};

}  // namespace

std::span<const ComponentSchema> bridge_schemas() { return all; }

}  // namespace http
