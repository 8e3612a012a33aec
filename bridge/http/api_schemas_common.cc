// What actions and events look like to callers, problems, and what other schemas refer to.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::array all = {
    ComponentSchema{"Problem", R"json({
      "description": "Why not (RFC 9457).",
      "type": "object",
      "required": ["type", "title", "status", "code", "retryable", "request_id"],
      "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "A stable machine word."},
        "retryable": {"type": "boolean"},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}}
      }
    })json"},
    ComponentSchema{"Violation", R"json({
      "description": "What is wrong, and where.",
      "type": "object",
      "required": ["pointer", "keyword", "detail"],
      "properties": {
        "pointer": {"type": "string"},
        "keyword": {"type": "string"},
        "detail": {"type": "string"}
      }
    })json"},
    ComponentSchema{"Links", R"json({
      "description": "Where to go from here.",
      "type": "object",
      "additionalProperties": {"type": "string"}
    })json"},
    ComponentSchema{"Object", R"json({"type": "object"})json"},
    ComponentSchema{"Event", R"json({
      "description": "What happened, as a CloudEvent (1.0.2).",
      "type": "object",
      "required": ["specversion", "id", "source", "type", "time", "datacontenttype", "data"],
      "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "The sequence in the journal."},
        "source": {"type": "string"},
        "type": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "data": true,
        "subject": {"type": "string"},
        "thread": {"type": "string"},
        "cause": {"type": "string"},
        "actor": {"type": "string"}
      }
    })json"},
    ComponentSchema{"AuditEntry", R"json({
      "description": "An entry of the journal.",
      "type": "object",
      "required": ["sequence", "time", "type", "subject", "actor", "thread", "cause", "data",
                   "hash"],
      "properties": {
        "sequence": {"type": "integer", "minimum": 1},
        "time": {"type": "string", "format": "date-time"},
        "type": {"type": "string"},
        "subject": {"type": "string"},
        "actor": {"type": "string"},
        "thread": {"type": "string"},
        "cause": {"type": "string"},
        "data": true,
        "hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"}
      }
    })json"},
    ComponentSchema{"Action", R"json({
      "description": "An action that may be asked for.",
      "type": "object",
      "required": ["name", "description", "kind", "risk", "min_tier", "params", "undo",
                   "switched_off"],
      "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "kind": {"$ref": "#/components/schemas/ActionKind"},
        "risk": {"type": "integer", "minimum": 0, "maximum": 100},
        "min_tier": {"$ref": "#/components/schemas/Tier"},
        "params": {"description": "A JSON Schema."},
        "undo": {"type": "boolean"},
        "switched_off": {"type": ["string", "null"], "description": "Why, while it is."}
      }
    })json"},
    ComponentSchema{"ActionPage", R"json({
      "description": "Actions, and all that is switched off.",
      "type": "object",
      "required": ["items", "next_cursor", "switched_off"],
      "properties": {
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Action"}},
        "next_cursor": {"type": ["string", "null"]},
        "switched_off": {
          "description": "Why, by what: all, an agent or an action.",
          "type": "object",
          "additionalProperties": {"type": "string"}
        }
      }
    })json"},
    ComponentSchema{"ActionDecision", R"json({
      "description": "What the policy says to an action.",
      "type": "object",
      "required": ["allowed", "code", "risk", "reasons", "needs_approval", "approvers", "errors"],
      "properties": {
        "allowed": {"type": "boolean"},
        "code": {"type": ["string", "null"]},
        "risk": {"type": "integer", "minimum": 0, "maximum": 100},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "needs_approval": {"type": "boolean"},
        "approvers": {"type": "integer", "minimum": 0},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
        "dry_run": {"const": true}
      }
    })json"},
    ComponentSchema{"AskedActionSummary", R"json({
      "description": "An action that was asked for, as lists have it.",
      "type": "object",
      "required": ["id", "action", "params", "agent", "asker", "workflow_run", "risk", "approvers",
                   "state", "hash", "requested", "expires", "ended", "error", "job", "undoes",
                   "links"],
      "properties": {
        "id": {"type": "string"},
        "action": {"type": "string"},
        "params": true,
        "params_trust": {
          "const": "untrusted",
          "description": "Beside params: an agent or a model may have written them."
        },
        "agent": {"type": ["string", "null"]},
        "asker": {"type": "string"},
        "workflow_run": {"type": ["string", "null"]},
        "risk": {"type": "integer", "minimum": 0, "maximum": 100},
        "approvers": {"type": "integer", "minimum": 0},
        "state": {"$ref": "#/components/schemas/ActionState"},
        "hash": {"type": "string"},
        "requested": {"type": "string", "format": "date-time"},
        "expires": {"type": "string", "format": "date-time"},
        "ended": {"type": ["string", "null"], "format": "date-time"},
        "error": {"type": ["string", "null"]},
        "detail": {"type": "string"},
        "job": {"type": ["string", "null"]},
        "undoes": {"type": ["string", "null"]},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"AskedAction", R"json({
      "description": "An action that was asked for, and what people said to it.",
      "$ref": "#/components/schemas/AskedActionSummary",
      "required": ["approvals", "resolutions", "undo", "result"],
      "properties": {
        "approvals": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["by", "decision", "note", "time", "counts"],
            "properties": {
              "by": {"type": "string"},
              "decision": {"enum": ["approve", "reject"]},
              "note": {"type": ["string", "null"]},
              "time": {"type": "string", "format": "date-time"},
              "counts": {"type": "boolean"}
            }
          }
        },
        "resolutions": {
          "type": "array",
          "items": {
            "type": "object",
            "required": ["by", "verdict", "note", "time"],
            "properties": {
              "by": {"type": "string"},
              "verdict": {"enum": ["sent", "not-sent", "abandon"]},
              "note": {"type": ["string", "null"]},
              "time": {"type": "string", "format": "date-time"}
            }
          }
        },
        "undo": {
          "type": ["object", "null"],
          "required": ["id", "state"],
          "properties": {
            "id": {"type": "string"},
            "state": {"$ref": "#/components/schemas/ActionState"}
          }
        },
        "result": true,
        "result_trust": {
          "const": "untrusted",
          "description": "Beside a result: these are the words of whatever did it."
        },
        "decision": {"$ref": "#/components/schemas/ActionDecision"}
      }
    })json"},
    ComponentSchema{"AskedActionOrDecision", R"json({
      "description": "The decision alone of a dry run.",
      "anyOf": [
        {"$ref": "#/components/schemas/AskedAction"},
        {"$ref": "#/components/schemas/ActionDecision", "required": ["dry_run"]}
      ]
    })json"},
};

}  // namespace

std::span<const ComponentSchema> common_schemas() { return all; }

}  // namespace http
