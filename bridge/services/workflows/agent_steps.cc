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

// A letter to be written, in a lane of the agent's own.
Result<engine::NewJob> letter_job(store::Tx& tx, const engine::Queue& queue,
                                  const agents::Agent& agent, const StepStart& start) {
  const auto lane = letter_lane(agent.id);
  TRY_OK(queue.declare_lane(tx, lane, "agents"));
  return engine::NewJob{.kind = std::string(letter_kind),
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

Result<Messages::Ask> good_ask(const StepStart& start) {
  auto ask = ask_of(start.with);
  if (ask.text.empty()) return base::fail(Code::invalid, "/with/query: it is empty");
  if (!ask.schema.is_null()) TRY_OK(messages::check_schema(ask.schema));
  const auto own_thread = text_in(start.with, "thread");
  TRY_OK(messages::check_thread(own_thread));
  ask.thread = own_thread.empty() ? start.run : own_thread;
  return ask;
}

Result<engine::NewJob> gpt_job(store::Tx& tx, const Messages& messages, const StepStart& start) {
  TRY(const auto agent, agents::find(tx, start.target));
  TRY(const auto ask, good_ask(start));
  messages::Party asker{.name = start.caller.name};
  if (!start.caller.agent.empty()) {
    TRY(const auto own, agents::find(tx, start.caller.agent));
    asker = {.id = own.id, .name = own.name};
  }
  return messages.job_of(tx, agent, asker, ask, ask.thread, start.caller);
}

Result<json::value> answer_of(const engine::Job& job) {
  const auto* result = job.result ? job.result->if_object() : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  if (!response) {
    return base::fail(Code::internal, fmt::format("query {}: it has no answer", job.id.text));
  }
  return *response;
}

// ---- asked in an inbox: the query is the attempt, and no lane is held while the agent thinks

Result<std::string> put_query(store::Tx& tx, const Messages& messages, const StepStart& start) {
  TRY(const auto agent, agents::find(tx, start.target));
  TRY(const auto ask, good_ask(start));
  // Nobody would own what a query that is refused has left.
  TRY(const auto query,
      tx.attempt([&] { return messages.ask_inbox(tx, start.caller, agent, ask, start.now); }));
  return query.id;
}

Result<bool> is_inbox_query(store::Tx& tx, const std::string& id) {
  const auto query = messages::get(tx, id);
  if (query) return query->kind == messages::Kind::query && query->job.empty();
  if (query.error().code == Code::not_found) return false;
  return std::unexpected(query.error());
}

Result<std::optional<ErrandEnd>> end_of_query(store::Tx& tx, const std::string& id) {
  TRY(const bool is_own, is_inbox_query(tx, id));
  if (!is_own) return std::nullopt;
  TRY(const auto query, messages::get(tx, id));
  if (messages::is_open(query)) return std::nullopt;
  TRY(const auto answer, messages::answer_to(tx, id));
  if (answer) {
    return ErrandEnd{.outputs = json::object{{"text", answer->text}, {"value", answer->value}}};
  }
  if (query.outcome == messages::asker_removed) {
    return ErrandEnd{.error = workflow::StepError{query.outcome, "the agent that asked is gone"}};
  }
  // It is closed, so nobody answers the first when it is asked again; one that is gone never does.
  return ErrandEnd{.error = workflow::StepError{query.outcome, "the agent gave no answer"},
                   .may_retry = query.outcome != messages::agent_removed};
}

Result<json::object> view_of_query(store::Tx& tx, const std::string& id) {
  TRY(const auto query, messages::get(tx, id));
  return json::object{
      {"id", query.id},
      {"agent", json::object{{"id", query.recipient.id}, {"name", query.recipient.name}}},
      {"state", messages::is_open(query) ? std::string("open") : query.outcome},
      {"acked", query.acked ? json::value(base::rfc3339(*query.acked)) : json::value(nullptr)},
      {"links", json::object{{"self", fmt::format("/api/gpt-agents/{}/queries/{}",
                                                  query.recipient.id, query.id)}}}};
}

Errand inbox_queries(const Messages& messages) {
  return {
      .noun = "query",
      .takes = [](store::Tx& tx, const std::string& target) -> Result<bool> {
        TRY(const auto agent, agents::look(tx, target));
        return agent && !Messages::is_asked_in_a_conversation(*agent);
      },
      .owns = is_inbox_query,
      .begin = [&messages](store::Tx& tx,
                           const StepStart& start) { return put_query(tx, messages, start); },
      .withdraw = [&messages](
                      store::Tx& tx, const std::string& id, const engine::Now& now,
                      const std::string& actor) { return messages.withdraw(tx, id, now, actor); },
      .end_of = end_of_query,
      .view = view_of_query};
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

engine::LaneId letter_lane(const std::string& agent_id) {
  return {fmt::format("{}:{}", letter_kind, agent_id)};
}

StepKind gpt_steps(const Messages& messages) {
  return {.check =
              [](store::Tx& tx, const workflow::Step& step) {
                return check_step(tx, step, "query", {"context", "schema", "thread"});
              },
          .errand = inbox_queries(messages),
          .job_of = [&messages](store::Tx& tx,
                                const StepStart& start) { return gpt_job(tx, messages, start); },
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
            TRY_OK(messages::check_thread(text_in(start.with, "thread")));
            return letter_job(tx, queue, agent, start);
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
