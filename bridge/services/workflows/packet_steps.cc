#include "bridge/base/nearest.h"
#include "bridge/services/workflows/step_kinds.h"
#include "bridge/services/workflows/template.h"

#include <fmt/format.h>

namespace services {

namespace json = boost::json;
using base::Code;
using base::Result;
using protocol::Violation;

namespace {

std::vector<Violation> check_packet(const protocol::MessageTypes& types,
                                    const workflow::Step& step) {
  std::vector<Violation> violations;
  const auto type = types.find(step.target);
  // A type is also found by the name of its response.
  if (!type || type->name != step.target) {
    std::vector<std::string> names;
    for (const auto& known : types.all()) names.push_back(known->name);
    violations.push_back({"/uses", "uses",
                          fmt::format("there is no packet type \"{}\"{}", step.target,
                                      base::suggestion(step.target, names))});
  }
  const auto* given = step.with.if_contains("msg_type");
  if (given && *given != json::value(step.target)) {
    violations.push_back({"/with/msg_type", "const", fmt::format("\"uses\" says {}", step.target)});
  }
  if (step.with.contains("idempotency_key")) {
    violations.push_back(
        {"/with/idempotency_key", "unique", "leave it out: every attempt has a key of its own"});
  }
  return violations;
}

Result<engine::NewJob> packet_job(const Packets& packets, const StepStart& start) {
  json::object packet = start.with;
  packet["msg_type"] = start.target;
  if (!packet.contains("proto")) packet["proto"] = "flywheel.chatgpt.v1";
  if (!packet.contains("ts")) packet["ts"] = base::rfc3339(start.now.wall);
  if (!packet.contains("sender")) packet["sender"] = start.caller.name;
  auto job = packets.job_of(start.caller, std::move(packet), {.key = start.run});
  if (job) return *std::move(job);
  base::Error error = job.error();
  for (const auto& violation : job.error().violations) error.message += "; " + to_line(violation);
  return std::unexpected(std::move(error));
}

Result<json::value> packet_outputs(const engine::Job& job) {
  const auto* result = job.result ? job.result->if_object() : nullptr;
  const auto* response = result ? result->if_contains("response") : nullptr;
  if (!response) {
    return base::fail(Code::internal, fmt::format("packet {}: it has no response", job.id.text));
  }
  return json::object{
      {"packet", job.id.text}, {"response", *response}, {"text", base::canonical_json(*response)}};
}

}  // namespace

StepKind packet_steps(const Packets& packets, const protocol::MessageTypes& types) {
  return {.check = [&types](store::Tx&,
                            const workflow::Step& step) { return check_packet(types, step); },
          .job_of = [&packets](store::Tx&,
                               const StepStart& start) { return packet_job(packets, start); },
          .outputs_of = packet_outputs};
}

}  // namespace services
