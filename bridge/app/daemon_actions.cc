// What agents may ask for, done by the services as whoever asked.
#include "bridge/app/daemon.h"
#include "bridge/engine/job_entry.h"
#include "bridge/services/action_targets.h"

namespace app {

namespace json = base::json;
using base::Task;
using services::Caller;
using services::actions::Asked;

namespace {

std::string text(const Asked& asked, std::string_view name) {
  const auto* value = asked.params.as_object().if_contains(name);
  return value ? std::string(value->as_string()) : std::string();
}

Task<json::value> send_message(services::Messages& messages, const Asked& asked, Caller as) {
  CO_TRY(const auto sent, co_await messages.send(std::move(as),
                                                 {.to = text(asked, "to"),
                                                  .text = text(asked, "text"),
                                                  .topic = text(asked, "topic"),
                                                  .thread = text(asked, "thread")},
                                                 {.key = asked.id, .hash = asked.hash}));
  co_return json::object{{"message", sent.message.id}, {"thread", sent.message.thread}};
}

Task<json::value> submit_packet(services::Packets& packets, const Asked& asked, Caller as) {
  auto sent = co_await packets.submit(std::move(as), asked.params.as_object().at("packet"),
                                      {.key = asked.id});
  if (!sent) co_return std::unexpected(std::move(sent).error());
  co_return json::object{{"packet", sent->id.text}};
}

Task<json::value> store_memory(services::memory::Memory& memory, const Asked& asked, Caller as) {
  services::memory::NewEntry entry{.title = text(asked, "title"),
                                   .content = text(asked, "content")};
  if (const auto type = text(asked, "type"); !type.empty()) entry.type = type;
  if (const auto* tags = asked.params.as_object().if_contains("tags")) {
    for (const auto& tag : tags->as_array()) entry.tags.emplace_back(tag.as_string());
  }
  const std::string owner = as.agent.empty() ? "conversation" : as.agent;
  const services::memory::Asker asker{as.principal, as.agent, services::speaks_for_run(as)};
  auto stored = co_await memory.store(asker, owner, std::move(entry), asked.id, asked.hash);
  if (!stored) co_return std::unexpected(std::move(stored).error());
  co_return json::object{{"entry", stored->entry.id}};
}

Task<json::value> purge_memory(services::memory::Memory& memory, const Asked& asked, Caller as) {
  // People have decided whose; the asker need not be the owner.
  CO_TRY(const auto deleted, co_await memory.purge({as.principal, {}}, text(asked, "agent")));
  co_return json::object{{"deleted", deleted}};
}

Task<json::value> run_workflow(services::Workflows& workflows, const Asked& asked, Caller as) {
  const auto* inputs = asked.params.as_object().if_contains("inputs");
  auto begun = co_await workflows.execute(std::move(as), text(asked, "workflow"),
                                          inputs ? inputs->as_object() : json::object(), asked.id);
  if (!begun) co_return std::unexpected(std::move(begun).error());
  co_return json::object{{"run", begun->run}};
}

Task<json::value> deregister(services::Agents& agents, http::Authenticator& authenticator,
                             const Asked& asked, Caller as) {
  CO_TRY(auto done, co_await services::deregister(agents, asked, std::move(as)));
  authenticator.forget_keys();
  co_return std::move(done);
}

}  // namespace

base::Result<> Daemon::build_actions() {
  std::map<std::string, services::Actions::BuiltIn> builtins;
  builtins["message.send"] = [this](const Asked& asked, Caller as) {
    return send_message(bridge_->messages(), asked, std::move(as));
  };
  builtins["packet.submit"] = [this](const Asked& asked, Caller as) {
    return submit_packet(bridge_->packets(), asked, std::move(as));
  };
  builtins["memory.store"] = [this](const Asked& asked, Caller as) {
    return store_memory(*memory_, asked, std::move(as));
  };
  builtins["memory.purge"] = [this](const Asked& asked, Caller as) {
    return purge_memory(*memory_, asked, std::move(as));
  };
  builtins["workflow.run"] = [this](const Asked& asked, Caller as) {
    return run_workflow(*workflows_, asked, std::move(as));
  };
  builtins["agent.deregister"] = [this](const Asked& asked, Caller as) {
    return deregister(*agents_, *authenticator_, asked, std::move(as));
  };
  TRY(actions_,
      services::Actions::create({.store = bridge_->store(),
                                 .queue = bridge_->queue(),
                                 .journal = bridge_->journal(),
                                 .timeline = bridge_->timeline(),
                                 .bells = bridge_->bells(),
                                 .clock = clock_,
                                 .outbound = internet_.get(),
                                 .allowed_networks = settings_.webhooks.allow_private,
                                 .program_means = {.open_files = settings_.program_open_files}},
                                settings_.actions, std::move(builtins)));
  actions_->find_targets(services::action_targets());
  bridge_->add_kind(std::string(services::actions::action_kind),
                    {.handler =
                         [this](engine::Claim claim, engine::LaneContext& lane) {
                           return actions_->handle(std::move(claim), lane);
                         },
                     .entry =
                         [](const engine::Change& change) {
                           return engine::job_entry(change, services::actions::action_kind);
                         }});
  bridge_->add_listener(
      [this](store::Tx& tx, const engine::Change& change, const engine::Now& now) {
        return actions_->on_change(tx, change, now);
      });
  return {};
}

}  // namespace app
