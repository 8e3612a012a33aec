// The routes of the API: what each reads of its query, and what it answers when all goes well.
#include "bridge/http/api_declared.h"

#include <array>

namespace http {

namespace {

constexpr std::array all = {
    // packets
    Declaration{"POST /api/packets", "wait priority deadline_seconds", "202 Packet, 200 Packet"},
    Declaration{"GET /api/packets", "packet.state sender bead limit cursor",
                "200 PacketSummaryPage"},
    Declaration{"POST /api/packets/validate", "", "200 Verdict"},
    Declaration{"GET /api/packets/{id}", "wait", "200 Packet"},
    Declaration{"GET /api/packets/{id}/response", "", "200 Anything"},
    Declaration{"GET /api/packets/{id}/raw", "", "200 text/plain"},
    Declaration{"POST /api/packets/{id}/cancel", "", "200 Packet"},
    Declaration{"POST /api/packets/{id}/retry", "", "200 Packet"},
    Declaration{"POST /api/packets/{id}/resolve", "", "200 Packet"},
    Declaration{"GET /api/queue", "", "200 Queue"},
    Declaration{"POST /api/queue/pause", "", "200 Queue"},
    Declaration{"POST /api/queue/resume", "", "200 Queue"},
    Declaration{"POST /api/queue/drain", "", "202 Queue"},

    // the session
    Declaration{"GET /api/session", "", "200 Session"},
    Declaration{"POST /api/session/check", "", "200 Session"},
    Declaration{"GET /api/session/screenshot", "", "200 image/png"},
    Declaration{"GET /api/session/inspect", "url", "200 Inspection"},
    Declaration{"POST /api/session/login", "", "202 Session"},
    Declaration{"DELETE /api/session/login", "", "200 Session"},

    // agents and fleets
    Declaration{"POST /api/gpt-agents/register", "", "201 Registered, 200 Imported"},
    Declaration{"GET /api/gpt-agents", "limit cursor category status tier kind capability q",
                "200 AgentPage"},
    Declaration{"GET /api/gpt-agents/stats", "", "200 AgentStats"},
    Declaration{"GET /api/gpt-agents/{gptId}", "", "200 Agent"},
    Declaration{"PATCH /api/gpt-agents/{gptId}", "", "200 Agent"},
    Declaration{"DELETE /api/gpt-agents/{gptId}", "", "204"},
    Declaration{"POST /api/gpt-agents/{gptId}/heartbeat", "", "200 Heartbeat"},
    Declaration{"GET /api/gpt-agents/{gptId}/heartbeats", "limit cursor", "200 PastHeartbeatPage"},
    Declaration{"GET /api/custom-gpts", "limit cursor category status tier capability q",
                "200 AgentPage"},
    Declaration{"GET /api/custom-gpt-fleets", "limit cursor", "200 FleetSummaryPage"},
    Declaration{"GET /api/custom-gpt-fleets/stats", "", "200 FleetStats"},
    Declaration{"GET /api/custom-gpt-fleets/{category}", "", "200 Fleet"},
    Declaration{"POST /api/custom-gpt-fleets/{category}/deploy", "", "201 Mission"},
    Declaration{"POST /api/custom-gpt-fleets/{category}/recall", "", "200 Mission"},
    Declaration{"GET /api/custom-gpt-fleets/{category}/missions", "limit cursor",
                "200 MissionPage"},
    Declaration{"GET /api/custom-gpt-fleets/{category}/missions/{mission}", "", "200 Mission"},
    Declaration{"POST /api/custom-gpt-fleets/{category}/missions/{mission}/progress", "",
                "200 Mission"},

    // messages
    Declaration{"POST /api/gpt-agents/broadcast", "", "200 Broadcast"},
    Declaration{"POST /api/gpt-agents/{gptId}/message", "", "201 Message"},
    Declaration{"POST /api/gpt-agents/{gptId}/query", "wait", "200 Query, 202 Query"},
    Declaration{"GET /api/gpt-agents/{gptId}/queries/{id}", "wait", "200 Query"},
    Declaration{"GET /api/gpt-agents/{gptId}/messages",
                "limit cursor after newest with thread unread dead wait", "200 MessagePage"},
    Declaration{"POST /api/gpt-agents/{gptId}/messages/{id}/ack", "", "200 Message"},

    // workflows
    Declaration{"POST /api/gpt-workflows/create", "", "201 Workflow, 200 Workflow"},
    Declaration{"POST /api/gpt-workflows/validate", "", "200 Verdict"},
    Declaration{"GET /api/gpt-workflows", "limit cursor", "200 WorkflowPage"},
    Declaration{"GET /api/gpt-workflows/{id}", "", "200 Workflow"},
    Declaration{"DELETE /api/gpt-workflows/{id}", "", "204"},
    Declaration{"GET /api/gpt-workflows/{id}/status", "", "200 Workflow"},
    Declaration{"POST /api/gpt-workflows/{id}/execute", "wait", "202 Run, 200 Run"},
    Declaration{"GET /api/gpt-workflows/runs", "workflow run.result limit cursor",
                "200 RunSummaryPage"},
    Declaration{"GET /api/gpt-workflows/runs/approvals", "limit cursor", "200 StepPage"},
    Declaration{"GET /api/gpt-workflows/runs/{run}", "wait", "200 Run"},
    Declaration{"GET /api/gpt-workflows/runs/{run}/steps/{step}", "", "200 Step"},
    Declaration{"POST /api/gpt-workflows/runs/{run}/cancel", "", "200 Run"},
    Declaration{"POST /api/gpt-workflows/runs/{run}/retry", "", "202 Run"},
    Declaration{"POST /api/gpt-workflows/runs/{run}/steps/{step}/approve", "", "200 Run"},
    Declaration{"POST /api/gpt-fleets/{category}/orchestrate", "wait", "202 Run, 200 Run"},

    // memory
    Declaration{"POST /api/gpt-agents/{gptId}/memory/store", "", "201 MemoryEntry"},
    Declaration{"POST /api/gpt-agents/{gptId}/memory/search", "", "200 MemoryHits"},
    Declaration{"GET /api/gpt-agents/{gptId}/memory", "type tag since limit cursor",
                "200 MemorySummaryPage"},
    Declaration{"GET /api/gpt-agents/{gptId}/memory/{id}", "", "200 MemoryEntry"},
    Declaration{"DELETE /api/gpt-agents/{gptId}/memory/{id}", "", "204"},
    Declaration{"GET /api/gpt-agents/{gptId}/dreams", "dreams.limit", "200 Dreams"},

    // events
    Declaration{"GET /api/events", "types subject last_event_id format limit cursor",
                "200 EventPage, 200 text/event-stream"},
    Declaration{"POST /api/gpt-agents/{gptId}/subscribe", "", "201 Subscription"},
    Declaration{"POST /api/gpt-agents/{gptId}/unsubscribe", "", "204"},
    Declaration{"GET /api/gpt-agents/{gptId}/events", "last_event_id format limit cursor",
                "200 EventPage, 200 text/event-stream"},
    Declaration{"GET /api/gpt-agents/{gptId}/subscriptions", "limit cursor",
                "200 SubscriptionPage"},
    Declaration{"GET /api/gpt-agents/{gptId}/subscriptions/{id}", "", "200 Subscription"},
    Declaration{"POST /api/gpt-agents/{gptId}/subscriptions/{id}/enable", "", "200 Subscription"},
    Declaration{"POST /api/gpt-agents/{gptId}/subscriptions/{id}/rotate", "", "200 Subscription"},
    Declaration{"POST /api/gpt-agents/{gptId}/subscriptions/{id}/replay", "", "202 Replayed"},
    Declaration{"GET /api/deliveries", "subscription delivery.state limit cursor",
                "200 DeliveryPage"},
    Declaration{"GET /api/deliveries/{id}", "", "200 Delivery"},
    Declaration{"POST /api/deliveries/{id}/replay", "", "202 Delivery"},

    // actions
    Declaration{"GET /api/actions", "limit cursor", "200 ActionPage"},
    Declaration{"POST /api/actions/kill", "", "200 ActionPage"},
    Declaration{"GET /api/approvals", "limit cursor action.state agent oldest",
                "200 AskedActionSummaryPage"},
    Declaration{"GET /api/approvals/{id}", "wait", "200 AskedAction"},
    Declaration{"POST /api/approvals/{id}/undo", "wait", "200 AskedAction, 202 AskedAction"},
    Declaration{"POST /api/approvals/{id}/resolve", "wait", "200 AskedAction"},
    Declaration{"POST /api/gpt-agents/{gptId}/actions/check", "", "200 ActionDecision"},
    Declaration{"POST /api/gpt-agents/{gptId}/actions/execute", "wait",
                "200 AskedActionOrDecision, 202 AskedAction"},
    Declaration{"POST /api/gpt-agents/{gptId}/actions/approve", "", "200 AskedAction"},

    // operators
    Declaration{"POST /api/schedules", "", "201 Schedule"},
    Declaration{"GET /api/schedules", "limit cursor", "200 SchedulePage"},
    Declaration{"GET /api/schedules/{id}", "", "200 Schedule"},
    Declaration{"DELETE /api/schedules/{id}", "", "204"},
    Declaration{"POST /api/schedules/{id}/pause", "", "200 Schedule"},
    Declaration{"POST /api/schedules/{id}/resume", "", "200 Schedule"},
    Declaration{"POST /api/schedules/{id}/run", "", "202 ScheduleRun"},
    Declaration{"POST /api/keys", "", "201 Key"},
    Declaration{"GET /api/keys", "limit cursor", "200 KeyPage"},
    Declaration{"GET /api/keys/{id}", "", "200 Key"},
    Declaration{"DELETE /api/keys/{id}", "", "204"},
    Declaration{"GET /api/audit", "type subject actor thread after last limit cursor",
                "200 AuditEntryPage"},
    Declaration{"GET /api/audit/verify", "after wait", "200 Verification"},
    Declaration{"GET /api/audit/checkpoint", "", "200 Checkpoint"},
    Declaration{"POST /api/audit/checkpoint", "", "200 Checkpoint"},
    Declaration{"POST /api/dashboard/links", "", "201 DashboardLink"},
    Declaration{"POST /api/dashboard/session", "", "201 DashboardSession"},
    Declaration{"GET /api/dashboard/session", "", "200 DashboardSession"},
    Declaration{"DELETE /api/dashboard/session", "", "204"},

    // the bridge itself
    Declaration{"GET /livez", "*", "200 Alive"},
    Declaration{"GET /readyz", "*", "200 Alive"},
    Declaration{"GET /healthz", "*", "200 Health"},
    Declaration{"GET /metrics", "*", "200 text/plain, 200 application/openmetrics-text"},
    Declaration{"GET /api/openapi.json", "", "200 Object"},
};

}  // namespace

std::span<const Declaration> declarations() { return all; }

}  // namespace http
