// What packets, workflows, schedules and actions look like to callers.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::array all = {
    ComponentSchema{"Verdict", R"json({
      "description": "Whether it would be taken.",
      "type": "object",
      "required": ["valid", "errors"],
      "properties": {
        "valid": {"type": "boolean"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Violation"}},
        "code": {"type": "string"},
        "msg_type": {"type": "string"},
        "warnings": {"type": "array", "items": {"type": "string"}}
      }
    })json"},
    ComponentSchema{"Failure", R"json({
      "description": "Why something failed; null while nothing has.",
      "type": ["object", "null"],
      "required": ["code"],
      "properties": {
        "code": {"type": "string", "description": "A stable machine word."},
        "detail": {"type": "string"},
        "retryable": {"type": "boolean"},
        "raw": {"type": "string", "description": "The reply that was no valid one."},
        "raw_trust": {"const": "untrusted", "description": "Beside a raw reply."}
      }
    })json"},
    ComponentSchema{"PacketSummary", R"json({
      "description": "The job of a packet, as lists have it.",
      "type": "object",
      "required": ["id", "kind", "state", "stage", "attempts", "sender", "bead", "priority",
                   "idempotency_key", "timings", "links"],
      "properties": {
        "id": {"type": "string"},
        "kind": {"type": "string"},
        "state": {"$ref": "#/components/schemas/JobState"},
        "stage": {"$ref": "#/components/schemas/JobStage"},
        "attempts": {"type": "integer", "minimum": 0},
        "sender": {"type": "string"},
        "bead": {"type": "string"},
        "priority": {"enum": ["P0", "P1", "P2", "P3"]},
        "idempotency_key": {"type": "string"},
        "deadline": {"type": "string", "format": "date-time"},
        "timings": {
          "type": "object",
          "required": ["queued", "ended"],
          "additionalProperties": {"type": ["string", "null"]}
        },
        "error": {"$ref": "#/components/schemas/Failure"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Packet", R"json({
      "description": "The job of a packet.",
      "$ref": "#/components/schemas/PacketSummary",
      "required": ["response", "error", "position", "warnings", "eta"],
      "properties": {
        "response": {"description": "The validated reply; null while there is none."},
        "response_trust": {
          "const": "untrusted",
          "description": "Beside a response: a model wrote it, and nobody vouches for it."
        },
        "position": {"type": ["integer", "null"], "minimum": 0},
        "eta": {"type": ["string", "null"], "format": "date-time"},
        "eta_seconds": {"type": "number"},
        "conversation": {"type": "string", "format": "uri"},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "route": {"type": "string", "description": "How the reply was read."},
        "repairs": {
          "type": "integer",
          "minimum": 0,
          "description": "How often the model was asked to put its reply right."
        },
        "marker": {"type": "string", "description": "Of a held one: what to look for."}
      }
    })json"},
    ComponentSchema{"PacketResponse", R"json({
      "description": "The validated reply alone, as the model gave it: untrusted."
    })json"},
    ComponentSchema{"RawReply", R"json({
      "description": "The reply as the model wrote it, valid or not: untrusted.",
      "type": "string"
    })json"},
    ComponentSchema{"Workflow", R"json({
      "description": "A workflow; its definition and its runs where one is looked at.",
      "type": "object",
      "required": ["id", "name", "version", "created", "updated", "created_by", "links"],
      "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "created": {"type": "string", "format": "date-time"},
        "updated": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "description": {"type": ["string", "null"]},
        "inputs": {"type": "object"},
        "steps": {"type": "integer"},
        "definition": {"$ref": "#/components/schemas/WorkflowDefinition"},
        "status": {"enum": ["running", "idle"]},
        "runs": {"type": "object", "additionalProperties": {"type": "integer"}},
        "last_run": {
          "anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/RunSummary"}]
        },
        "recent_runs": {"type": "array", "items": {"$ref": "#/components/schemas/RunSummary"}},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"RunSummary", R"json({
      "description": "A run of a workflow, as lists have it.",
      "type": "object",
      "required": ["id", "workflow", "workflow_id", "version", "state", "result", "steps",
                   "steps_finished", "created", "created_by", "finished", "links"],
      "properties": {
        "id": {"type": "string"},
        "workflow": {"type": "string"},
        "workflow_id": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "state": {"enum": ["running", "cancelling", "finished"]},
        "result": {"enum": ["success", "failure", "cancelled", null]},
        "steps": {"type": "integer", "minimum": 0},
        "steps_finished": {"type": "integer", "minimum": 0},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "finished": {"type": ["string", "null"], "format": "date-time"},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"Run", R"json({
      "description": "A run of a workflow.",
      "$ref": "#/components/schemas/RunSummary",
      "required": ["inputs", "jobs", "outputs"],
      "properties": {
        "inputs": {"type": "object"},
        "jobs": {
          "type": "object",
          "additionalProperties": {"$ref": "#/components/schemas/Step"}
        },
        "outputs": true,
        "outputs_trust": {
          "const": "untrusted",
          "description": "Beside outputs: they may quote models, and nobody vouches for them."
        },
        "error": {"$ref": "#/components/schemas/Failure"}
      }
    })json"},
    ComponentSchema{"Step", R"json({
      "description": "A job of a run.",
      "type": "object",
      "required": ["state", "result", "uses", "needs", "attempts", "job", "error", "started",
                   "finished", "outputs"],
      "properties": {
        "id": {"type": "string", "description": "Only where it is looked at alone."},
        "run": {"type": "string", "description": "Only where it is looked at alone."},
        "workflow": {"type": "string", "description": "Only where it is looked at alone."},
        "state": {"enum": ["pending", "ready", "approval", "running", "finished"]},
        "result": {"enum": ["success", "failure", "cancelled", "skipped", null]},
        "uses": {"type": ["string", "null"]},
        "needs": {"type": "array", "items": {"type": "string"}},
        "attempts": {"type": "integer", "minimum": 0},
        "job": {"type": ["string", "null"], "description": "null: an action or a query does it."},
        "action": {"type": "object", "description": "What people are asked, of action/<name>."},
        "query": {
          "type": "object",
          "description": "What lies in the inbox, of gpt/<agent> without a conversation.",
          "required": ["id", "agent", "state", "acked", "links"],
          "properties": {
            "id": {"type": "string"},
            "agent": {
              "type": "object",
              "description": "In whose inbox.",
              "required": ["id", "name"],
              "properties": {"id": {"type": "string"}, "name": {"type": "string"}}
            },
            "state": {"type": "string", "description": "open, or how it ended: answered, …"},
            "acked": {"type": ["string", "null"]},
            "links": {"type": "object"}
          }
        },
        "error": {"$ref": "#/components/schemas/Failure"},
        "started": {"type": ["string", "null"], "format": "date-time"},
        "finished": {"type": ["string", "null"], "format": "date-time"},
        "input": {
          "type": ["object", "null"],
          "description": "What it is given, filled in: untrusted. Only where it is looked at alone."
        },
        "input_trust": {"const": "untrusted", "description": "Beside an input."},
        "input_error": {"$ref": "#/components/schemas/Failure"},
        "outputs": true,
        "outputs_trust": {"const": "untrusted", "description": "Beside outputs."},
        "outputs_at": {"type": "string", "description": "Where outputs are that are too large."},
        "due": {"type": "string", "format": "date-time"},
        "approval_note": {
          "type": "string",
          "description": "What the person who agrees should know."
        },
        "approval_note_trust": {
          "enum": ["untrusted", "author"],
          "description": "untrusted: what others said is filled in."
        },
        "approval_note_at": {
          "type": "string",
          "description": "Where the whole note is, if this is its beginning."
        },
        "gpt": {"type": "object"},
        "message": {"type": "object"}
      }
    })json"},
    ComponentSchema{"Schedule", R"json({
      "description": "What is done by itself, and when.",
      "type": "object",
      "required": ["id", "name", "cron", "interval", "time_zone", "does", "workflow_version",
                   "paused", "created", "created_by", "next_run", "runs", "last_run", "links"],
      "properties": {
        "id": {"type": "string"},
        "name": {"type": ["string", "null"]},
        "cron": {"type": ["string", "null"]},
        "interval": {"type": ["string", "null"]},
        "time_zone": {"type": ["string", "null"]},
        "does": {"enum": ["workflow", "packet", "session_check"]},
        "workflow": {"type": ["string", "null"]},
        "workflow_version": {
          "type": ["integer", "null"],
          "description": "Of the runs, or a later one of the maker's; 0: unknown, none runs."
        },
        "packet": {"type": ["object", "null"]},
        "inputs": {"type": ["object", "null"]},
        "priority": {"enum": ["P0", "P1", "P2", "P3"]},
        "deadline_seconds": {"type": ["integer", "null"]},
        "paused": {"type": "boolean"},
        "created": {"type": "string", "format": "date-time"},
        "created_by": {"type": "string"},
        "next_run": {"type": ["string", "null"], "format": "date-time"},
        "runs": {"type": "integer", "minimum": 0},
        "last_run": {
          "anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/ScheduleRun"}]
        },
        "recent_runs": {"type": "array", "items": {"$ref": "#/components/schemas/ScheduleRun"}},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
    ComponentSchema{"ScheduleRun", R"json({
      "type": "object",
      "required": ["number", "due", "started", "outcome", "job", "workflow_run", "detail"],
      "properties": {
        "number": {"type": "integer"},
        "due": {"type": "string", "format": "date-time"},
        "started": {"type": "string", "format": "date-time"},
        "outcome": {"type": "string"},
        "job": {"type": ["string", "null"]},
        "workflow_run": {"type": ["string", "null"]},
        "detail": {"type": ["string", "null"]},
        "links": {"$ref": "#/components/schemas/Links"}
      }
    })json"},
};

}  // namespace

std::span<const ComponentSchema> work_schemas() { return all; }

}  // namespace http
