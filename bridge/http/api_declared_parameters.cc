// The query parameters and the headers of the API.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::string_view text = R"json({"type": "string"})json";
constexpr std::string_view whole_number = R"json({"type": "integer", "minimum": 0})json";
constexpr std::string_view flag = R"json({"enum": ["true", "1", "false", "0"]})json";
constexpr std::string_view page = R"json({"type": "integer", "minimum": 1, "maximum": 500})json";
constexpr std::string_view few = R"json({"type": "integer", "minimum": 1, "maximum": 200})json";

// By key.
constexpr std::array parameters = {
    DeclaredParameter{"action.state", R"json({
      "enum": ["waiting", "approved", "rejected", "expired", "done", "failed", "held"]
    })json",
                      "Only what is in this state."},
    DeclaredParameter{"actor", text, "Only what this principal did."},
    DeclaredParameter{"after", whole_number, "Begin behind this sequence."},
    DeclaredParameter{"agent", text, "Only this agent's, by id, slug, name or alias."},
    DeclaredParameter{"bead", text, "Only the packets of this bead."},
    DeclaredParameter{"capability", text, "Only agents that have it."},
    DeclaredParameter{"category", text, "Only agents of this category, by name or key."},
    DeclaredParameter{"cursor", text, "next_cursor of the page before."},
    DeclaredParameter{"dead", flag, "Only messages that nobody will read."},
    DeclaredParameter{"deadline_seconds",
                      R"json({"type": "integer", "minimum": 1, "maximum": 2678400})json",
                      "Not sent later than this."},
    DeclaredParameter{"delivery.state", R"json({"enum": ["pending", "delivered", "dead"]})json",
                      "Only deliveries in this state."},
    DeclaredParameter{"dreams.limit", few, "How many of each kind."},
    DeclaredParameter{"format", R"json({"enum": ["json", "sse"]})json",
                      "A page or a stream; the twin of the header Accept."},
    DeclaredParameter{"kind", R"json({
      "enum": ["custom_gpt", "plugin", "mcp_client", "a2a_agent", "cli"]
    })json",
                      "Only agents of this kind."},
    DeclaredParameter{"last", whole_number, "Only so many of the newest entries."},
    DeclaredParameter{"last_event_id", text,
                      "Begin behind this event; the twin of the header Last-Event-ID."},
    DeclaredParameter{"limit", page, "How many at most; 50 without."},
    DeclaredParameter{"newest", flag, "From the newest on, and so backwards; not with after."},
    DeclaredParameter{"oldest", flag, "From the oldest on, whose time ends first."},
    DeclaredParameter{"packet.state", R"json({
      "enum": ["queued", "running", "done", "failed", "held", "cancelled", "expired"]
    })json",
                      "Only packets in this state."},
    DeclaredParameter{"priority", R"json({"enum": ["P0", "P1", "P2", "P3"]})json",
                      "P0 goes first."},
    DeclaredParameter{"q", text, "Only agents with these words."},
    DeclaredParameter{"run.result",
                      R"json({"enum": ["", "running", "success", "failure", "cancelled", "skipped"]
    })json",
                      "Only runs with this result."},
    DeclaredParameter{"sender", text, "Only packets of this sender."},
    DeclaredParameter{"since", text, "Not older than this time (RFC 3339) or date."},
    DeclaredParameter{"status", R"json({
      "type": "string", "pattern": "^(?:[Dd]raft|[Aa]ctive|[Ss]tandby|[Dd]eployed)$"
    })json",
                      "Only agents of this status."},
    DeclaredParameter{"subject", text, "Only what is about this id."},
    DeclaredParameter{"subscription", text, "Only deliveries of this subscription."},
    DeclaredParameter{"tag", text, "Only entries with this tag."},
    DeclaredParameter{"thread", text, "Only what belongs to this thread."},
    DeclaredParameter{"tier", R"json({
      "enum": ["visitor", "citizen", "operator", "architect", "founder"]
    })json",
                      "Only agents of this tier."},
    DeclaredParameter{"type", text, "Only what is of this type."},
    DeclaredParameter{"types", text, "Only events of these types, by commas."},
    DeclaredParameter{"unread", flag, "Only messages that were not acknowledged."},
    DeclaredParameter{"url", text, "The conversation; without, the bridge's own."},
    DeclaredParameter{"wait", whole_number,
                      "Seconds to be held until it has ended, at most 40; the twin of the header "
                      "Prefer: wait=N."},
    DeclaredParameter{"with", text, "Only messages from or to this agent."},
    DeclaredParameter{"workflow", text, "Only runs of this workflow."},
};

constexpr std::array header_parameters = {
    HeaderParameter{"Idempotency-Key", R"json({"type": "string", "minLength": 1})json",
                    "The same key again is the same wish, done once; the twin of idempotency_key "
                    "in the body."},
    HeaderParameter{"If-Match", text, "Only if it still has this entity tag, else 412."},
    HeaderParameter{"Last-Event-ID", text, "Begin behind this event."},
    HeaderParameter{"Prefer", R"json({"type": "string", "examples": ["wait=30"]})json",
                    "wait=N: seconds to be held until it has ended, at most 40."},
};

}  // namespace

std::span<const DeclaredParameter> declared_parameters() { return parameters; }
std::span<const HeaderParameter> declared_headers() { return header_parameters; }

}  // namespace http
