#include "bridge/services/workflows/agent_steps.h"

#include "bridge/services/agents/rules.h"
#include "bridge/services/messages/query_question.h"
#include "bridge/services/workflows/expression.h"
#include "bridge/services/workflows/workflow_limits.h"

#include <algorithm>

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using base::Task;
using engine::Outcome;
using protocol::Violation;

namespace {

std::string text_in(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value ? workflow::as_text(*value) : std::string();
}

// The agent is there, and `with` has what it must and nothing that is not known.
std::vector<Violation> check_step(store::Tx& tx, const workflow::Step& step,
                                  std::string_view required,
                                  std::initializer_list<std::string_view> optional) {
  std::vector<Violation> violations;
  const auto agent = agents::find(tx, step.target);
  if (!agent) violations.push_back({"/uses", "uses", agent.error().message});
  if (!step.with.contains(required)) {
    violations.push_back({"/with", "required", fmt::format("must have \"{}\"", required)});
  }
  for (const auto& member : step.with) {
    const std::string_view name = member.key();
    if (name == required || std::ranges::find(optional, name) != optional.end()) continue;
    violations.push_back({"/with/" + std::string(name), "additionalProperties",
                          fmt::format("{} knows no such member", step.kind)});
  }
  return violations;
}

// A job that a handler below does, in a lane of the agent's own.
Result<engine::NewJob> agent_job(store::Tx& tx, const engine::Queue& queue, std::string_view kind,
                                 const agents::Agent& agent, const StepStart& start) {
  const engine::LaneId lane{fmt::format("{}:{}", kind, agent.id)};
  TRY_OK(queue.declare_lane(tx, lane, "agents"));
  return engine::NewJob{.kind = std::string(kind),
                        .lane = lane,
                        .sender = start.caller.name,
                        .payload = {{"to", agent.id},
                                    {"with", start.with},
                                    {"thread", start.run},
                                    {"name", start.caller.name},
                                    {"agent", start.caller.agent}},
                        .subject = agent.id};
}

// In whose name the job asks and writes.
Caller caller_of(const engine::Job& job) {
  return {.principal = job.principal,
          .name = text_in(job.payload, "name"),
          .agent = text_in(job.payload, "agent")};
}

const json::object& with_of(const engine::Job& job) { return job.payload.at("with").as_object(); }

std::string thread_of(const engine::Job& job) {
  const auto own = text_in(with_of(job), "thread");
  return own.empty() ? text_in(job.payload, "thread") : own;
}

Messages::Ask ask_of(const json::object& with) {
  Messages::Ask ask{.text = text_in(with, "query"), .context = text_in(with, "context")};
  if (const auto* schema = with.if_contains("schema")) ask.schema = *schema;
  return ask;
}

Result<engine::NewJob> gpt_job(store::Tx& tx, const engine::Queue& queue, const Messages& messages,
                               const StepStart& start) {
  TRY(const auto agent, agents::find(tx, start.target));
  const auto ask = ask_of(start.with);
  if (ask.text.empty()) return base::fail(Code::invalid, "/with/query: it is empty");
  if (!ask.schema.is_null()) TRY_OK(messages::check_schema(ask.schema));
  if (!Messages::is_asked_in_a_conversation(agent)) {
    return agent_job(tx, queue, inbox_query_kind, agent, start);
  }
  messages::Party asker{.name = start.caller.name};
  if (!start.caller.agent.empty()) {
    TRY(const auto own, agents::find(tx, start.caller.agent));
    asker = {.id = own.id, .name = own.name};
  }
  const auto own_thread = text_in(start.with, "thread");
  return messages.job_of(tx, agent, asker, ask, own_thread.empty() ? start.run : own_thread,
                         start.caller.principal);
}

Result<json::value> answer_of(const engine::Job& job) {
  const auto* result = job.result ? job.result->if_object() : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  if (!response) {
    return base::fail(Code::internal, fmt::format("query {}: it has no answer", job.id.text));
  }
  return *response;
}

Task<Outcome> ask_once(Messages& messages, engine::Job job, base::Clock& clock) {
  const auto caller = caller_of(job);
  const auto to = text_in(job.payload, "to");
  auto ask = ask_of(with_of(job));
  ask.to = to;
  ask.thread = thread_of(job);
  CO_TRY(const auto sent, co_await messages.ask(caller, std::move(ask), {.key = job.id.text}));
  for (;;) {
    CO_TRY(const auto found, co_await messages.result(caller, to, sent.message.id,
                                                      clock.now() + limits::workflow_look));
    if (messages::is_open(found.query)) continue;
    if (!found.answer) {
      co_return Outcome{Outcome::Failed{{found.query.outcome, "the agent gave no answer"}}};
    }
    co_return Outcome{Outcome::Done{json::object{
        {"response", json::object{{"text", found.answer->text}, {"value", found.answer->value}}}}}};
  }
}

Task<Outcome> write_once(Messages& messages, engine::Job job) {
  const auto& with = with_of(job);
  Messages::Say say{.to = text_in(job.payload, "to"),
                    .text = text_in(with, "text"),
                    .topic = text_in(with, "topic"),
                    .thread = thread_of(job)};
  const auto* meta = with.if_contains("meta");
  if (meta && meta->is_object()) say.meta = meta->get_object();
  CO_TRY(const auto sent,
         co_await messages.send(caller_of(job), std::move(say), {.key = job.id.text}));
  co_return Outcome{Outcome::Done{json::object{{"message", sent.message.id}}}};
}

}  // namespace

StepKind gpt_steps(const engine::Queue& queue, const Messages& messages) {
  return {.check =
              [](store::Tx& tx, const workflow::Step& step) {
                return check_step(tx, step, "query", {"context", "schema", "thread"});
              },
          .job_of = [&queue, &messages](
                        store::Tx& tx,
                        const StepStart& start) { return gpt_job(tx, queue, messages, start); },
          .outputs_of = answer_of};
}

StepKind message_steps(const engine::Queue& queue) {
  return {.check =
              [](store::Tx& tx, const workflow::Step& step) {
                return check_step(tx, step, "text", {"topic", "thread", "meta"});
              },
          .job_of = [&queue](store::Tx& tx, const StepStart& start) -> Result<engine::NewJob> {
            TRY(const auto agent, agents::find(tx, start.target));
            if (text_in(start.with, "text").empty()) {
              return base::fail(Code::invalid, "/with/text: it is empty");
            }
            return agent_job(tx, queue, letter_kind, agent, start);
          },
          .outputs_of = [](const engine::Job& job) -> Result<json::value> { return *job.result; }};
}

engine::Handler ask_by_inbox(Messages& messages) {
  return [&messages](engine::Claim claim, engine::LaneContext& lane) {
    return ask_once(messages, std::move(claim.job), lane.engine().clock);
  };
}

engine::Handler write_letters(Messages& messages) {
  return [&messages](engine::Claim claim, engine::LaneContext&) {
    return write_once(messages, std::move(claim.job));
  };
}

}  // namespace services
