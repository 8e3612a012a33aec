// flywheel bead plan | evidence | accept | gate: questions about a work item and their answers.
#include "bridge/app/bead_watch.h"
#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/job_report.h"
#include "bridge/app/project.h"
#include "bridge/app/send_packet.h"
#include "bridge/base/ids.h"
#include "bridge/base/limits.h"
#include "bridge/http/time_text.h"
#include "bridge/protocol/text.h"
#include "bridge/services/beads/archive.h"
#include "bridge/services/beads/bead_packet.h"
#include "bridge/services/beads/gate.h"
#include "bridge/services/beads/workspace.h"
#include "cdp/json_text.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;
using beads::Question;

using OnEnd = std::function<int(const json::object& view)>;
// Submits a packet and waits for its end; the exit status is that of OnEnd, or tells of a failure
// that is printed already.
using SendPacket = std::function<int(Console&, const protocol::Packet&, const OnEnd&)>;

struct AskOptions {
  Question question = Question::plan;
  std::string id;
  std::string workspace = ".";
  SendOptions send;
  bool is_not_sent = false;
  std::string sender;
  std::string out;
  std::vector<std::string> artifacts;
  beads::Overrides overrides;
};

struct GateOptions {
  std::string id;
  std::string workspace = ".";
  std::optional<std::string> config;  // whose message types are known
};

// A bead and what is asked about it.
struct Asked {
  beads::Workspace workspace;
  beads::Bead bead;
  protocol::Packet packet;
  std::string commit;  // the repository's, if it has one
};

// Where the question lies in the archive.
struct Filed {
  std::string name;
  enum class Origin { this_command, an_earlier_one } origin;
};

base::Result<beads::Overrides> read_overrides(Console& console, const AskOptions& options) {
  beads::Overrides overrides = options.overrides;
  for (const std::string& path : options.artifacts) {
    TRY(const std::string text, read_input(console, path, limits::packet_bytes_max));
    const std::string name =
        path == "-" ? "standard input" : std::filesystem::path(path).filename().string();
    TRY(json::value artifact, beads::to_artifact(text, name));
    overrides.artifacts.push_back(std::move(artifact));
  }
  return overrides;
}

// The agent that asks: as given, else the configured writer; without a configuration, for a packet
// that is only printed, whoever the bead is assigned to.
base::Result<std::string> sender_of(const AskOptions& options, const beads::Bead& bead) {
  if (!options.sender.empty()) return options.sender;
  auto config = config_for(options.send.bridge);
  if (config) return config->writer_agent;
  const bool is_none = config.error().code == base::Code::not_found && !options.send.bridge.config;
  if (!options.is_not_sent && is_none) {
    return base::fail(base::Code::not_found,
                      "who asks? without --sender NAME it is the configuration's writer_agent: " +
                          config.error().message,
                      "configuration");
  }
  if (!options.is_not_sent) return std::unexpected(config.error());
  if (!bead.text("assignee").empty()) return std::string(bead.text("assignee"));
  return base::fail(base::Code::invalid,
                    fmt::format("who asks? {} is assigned to nobody and there is no "
                                "configuration; give --sender NAME",
                                bead.id()));
}

base::Result<Asked> ask_about(Console& console, const AskOptions& options,
                              const protocol::MessageTypes& types) {
  TRY(auto workspace, beads::Workspace::find(options.workspace));
  TRY(const auto all, workspace.read());
  TRY(auto bead, beads::choose(all, options.id));
  TRY(const auto overrides, read_overrides(console, options));
  TRY(auto sender, sender_of(options, bead));
  const auto place = beads::git_place(workspace.root());
  const auto now = base::SystemClock().wall();
  auto parts = beads::packet_parts(options.question, bead, place, std::move(sender), overrides);
  // What a bead says stays the same while the work on it goes on, so a key that is made from the
  // packet would have the second question answered by the first answer.
  if (!parts.idempotency_key && !options.is_not_sent) parts.idempotency_key = base::uuid_v7(now);
  auto built = protocol::build(parts, types, now);
  if (!built) {
    std::string message = fmt::format("{}: {}", bead.id(), built.error().message);
    for (const auto& violation : built.error().violations) {
      message += "\n  " + protocol::to_line(violation);
    }
    return base::fail(base::Code::invalid, std::move(message), "invalid_packet");
  }
  const std::size_t size = json::serialize(built->packet.body()).size();
  if (size > limits::packet_bytes_max) {
    return base::fail(base::Code::invalid,
                      fmt::format("{}: the packet has {} bytes, and {} are allowed; give less "
                                  "with --artifact",
                                  bead.id(), size, limits::packet_bytes_max),
                      "invalid_packet");
  }
  for (const std::string& advice : built->advice) print_warning(console, advice);
  return Asked{std::move(workspace), std::move(bead), std::move(built->packet), place.commit};
}

void print_packet(Console& console, const protocol::Packet& packet) {
  if (console.is_json) {
    print_json(console, packet.body());
  } else {
    console.out << protocol::pretty_json(packet.body()) << '\n';
  }
}

// A question that still waits for its answer goes on under its own key, so that a command which is
// given again after a crash posts nothing twice; `asked` has its packet then. Any other is kept as
// new.
base::Result<Filed> keep_question(Asked& asked, const beads::Archive& archive,
                                  const AskOptions& options, const protocol::MessageTypes& types) {
  TRY(auto earlier, options.overrides.idempotency_key
                        ? archive.question_of_key(asked.bead, asked.packet, types)
                        : archive.open_question(asked.bead, asked.packet, asked.commit, types));
  if (earlier) {
    asked.packet = std::move(earlier->packet);
    return Filed{std::move(earlier->name), Filed::Origin::an_earlier_one};
  }
  TRY(auto name,
      archive.keep_request(asked.bead, asked.packet, base::SystemClock().wall(), asked.commit));
  return Filed{std::move(name), Filed::Origin::this_command};
}

bool is_replay(const json::object& view) {
  const auto* replayed = view.if_contains("replayed");
  return replayed && replayed->is_bool() && replayed->get_bool();
}

// Whether it has ended and never gets an answer.
bool is_given_up(const json::object& view) {
  const auto state = cdp::text_in(view, "state");
  return state == "failed" || state == "cancelled" || state == "expired";
}

// Under the time its job was queued: of two answers the one to the later question counts, whenever
// they were fetched. So who asked and who took the question up keep it in the same place, even at
// once. Returns the name under which both lie.
base::Result<std::string> keep_pair(const Asked& asked, const beads::Archive& archive,
                                    std::string name, const json::object& view,
                                    const json::object& response) {
  const auto* timings = view.if_contains("timings");
  const auto queued = http::time_in(
      timings && timings->is_object() ? cdp::text_in(timings->get_object(), "queued") : "");
  std::error_code error;
  const bool is_kept = std::filesystem::exists(archive.response_path(asked.bead, name), error);
  if (queued && !is_kept) {
    TRY(name, archive.move_request(asked.bead, {name, asked.packet}, *queued));
  }
  TRY_OK(archive.keep_response(asked.bead, name, response));
  return name;
}

// Keeps the answer, prints it, and judges the gate if it is what was asked for.
int keep_answer(Console& console, const Asked& asked, const beads::Archive& archive,
                const Filed& filed, const protocol::MessageTypes& types, const json::object& view) {
  const auto* answer = view.if_contains("response");
  if (answer == nullptr || !answer->is_object()) return print_job(console, view);
  print_warnings(console, view);
  const json::object& response = answer->get_object();
  const auto kept = keep_pair(asked, archive, filed.name, view, response);
  json::object result = view;
  result["bead"] = asked.bead.id();
  const std::string& name = kept ? *kept : filed.name;
  result["request_file"] = archive.request_path(asked.bead, name).string();
  if (kept) result["response_file"] = archive.response_path(asked.bead, name).string();
  int status = exit_ok;
  if (asked.packet.type().name == beads::packet_type(Question::accept)) {
    const beads::Gate gate = beads::judge_gate(archive, asked.bead, types);
    result["passed"] = gate.is_open();
    if (!gate.is_open()) status = exit_negative;
    for (const std::string& reason : gate.reasons) console.err << reason << '\n';
  }
  if (console.is_json) {
    print_json(console, result);
  } else {
    console.out << protocol::pretty_json(response) << std::endl;
  }
  if (kept) return status;
  print_error(console, kept.error().message);
  return exit_io;
}

// What became of a question. Nothing: an earlier command asked it and it ended without an answer,
// so it is to be asked anew.
std::optional<int> hear(Console& console, const Asked& asked, const beads::Archive& archive,
                        const Filed& filed, const AskOptions& options,
                        const protocol::MessageTypes& types, const json::object& view) {
  if (!is_given_up(view)) return keep_answer(console, asked, archive, filed, types, view);
  json::object why{{"state", view.at("state")}};
  if (const auto* error = view.if_contains("error")) why["error"] = *error;
  if (const auto ended = archive.keep_end(asked.bead, filed.name, why); !ended) {
    print_warning(console, ended.error().message);
  }
  const bool is_old = filed.origin == Filed::Origin::an_earlier_one && is_replay(view);
  if (!is_old || options.overrides.idempotency_key) return print_job(console, view);
  print_warning(console, fmt::format("{} {} without an answer: asking anew", filed.name,
                                     std::string(view.at("state").as_string())));
  return std::nullopt;
}

base::Result<> write_packet(const AskOptions& options, const protocol::Packet& packet) {
  if (options.out.empty() || options.out == "-") return {};
  return write_file(options.out, protocol::pretty_json(packet.body()) + "\n");
}

// Nothing: see `hear`.
std::optional<int> ask_once(Console& console, const AskOptions& options, Asked asked,
                            const protocol::MessageTypes& types, const SendPacket& send_packet) {
  const beads::Archive archive(asked.workspace.own_folder());
  const auto filed = keep_question(asked, archive, options, types);
  if (!filed) {
    print_error(console, filed.error().message);
    return exit_io;
  }
  if (auto written = write_packet(options, asked.packet); !written) {
    print_error(console, written.error().message);
    return exit_cannot_create;
  }
  bool is_anew = false;
  const int status = send_packet(console, asked.packet, [&](const json::object& view) {
    const auto heard = hear(console, asked, archive, *filed, options, types, view);
    is_anew = !heard;
    return heard.value_or(exit_job_failed);
  });
  return is_anew ? std::nullopt : std::optional(status);
}

int run_ask(Console& console, const AskOptions& options, const SendPacket& send_packet) {
  auto types = protocol::MessageTypes::load(own_schemas(options.send.bridge.config));
  if (!types) return print_failed(console, types.error());
  auto asked = ask_about(console, options, *types);
  if (!asked) {
    const int status = print_failed(console, asked.error());
    return asked.error().reason == "invalid_packet" ? exit_invalid_packet : status;
  }
  if (options.is_not_sent) {
    if (auto written = write_packet(options, asked->packet); !written) {
      print_error(console, written.error().message);
      return exit_cannot_create;
    }
    if (options.out.empty() || options.out == "-") print_packet(console, asked->packet);
    return exit_ok;
  }
  const auto status = ask_once(console, options, *asked, *types, send_packet);
  if (status) return *status;
  // Its end is kept, so what waited for an answer does so no more.
  return ask_once(console, options, *std::move(asked), *types, send_packet)
      .value_or(exit_job_failed);
}

struct Judged {
  std::string id;
  beads::Gate gate;
};

base::Result<Judged> judge(const GateOptions& options) {
  TRY(const auto types, protocol::MessageTypes::load(own_schemas(options.config)));
  TRY(const auto workspace, beads::Workspace::find(options.workspace));
  TRY(const auto all, workspace.read());
  // Not by the beginning of an id: a hook must not pass for another bead.
  const beads::Bead* bead = all.find(options.id);
  if (!bead) {
    return base::fail(base::Code::not_found, fmt::format("no bead \"{}\"", options.id));
  }
  return Judged{bead->id(),
                beads::judge_gate(beads::Archive(workspace.own_folder()), *bead, types)};
}

// Hooks take 2, and nothing else, for "blocked": whatever keeps the gate from being seen open is 2.
int run_gate(Console& console, const GateOptions& options) {
  auto judged = judge(options);
  if (!judged) judged = Judged{options.id, {{judged.error().message}, {}}};
  const auto& [id, gate] = *judged;
  for (const std::string& reason : gate.reasons) console.err << id << ": " << reason << '\n';
  if (console.is_json) {
    print_json(console, {{"id", id},
                         {"passed", gate.is_open()},
                         {"decided_by", gate.decided_by},
                         {"reasons", json::array(gate.reasons.begin(), gate.reasons.end())}});
  } else if (gate.is_open()) {
    console.out << "OK: " << id << " passed its gate (" << gate.decided_by << ")\n";
  }
  return gate.is_open() ? exit_ok : exit_invalid_packet;
}

void add_workspace_option(CLI::App& command, std::string& workspace) {
  command
      .add_option("--workspace", workspace,
                  "The folder with .beads, or one below it (default: the working folder)")
      ->type_name("DIR");
}

void add_context_options(CLI::App& command, beads::Overrides& overrides) {
  const auto repeatable = [](CLI::Option* option) {
    return option->allow_extra_args(false);  // One value each; a second needs the option again.
  };
  repeatable(command.add_option("--question", overrides.questions,
                                "What is asked, instead of the usual; may be given again"))
      ->type_name("TEXT");
  repeatable(command.add_option("--constraint", overrides.constraints,
                                "Instead of the acceptance criteria; may be given again"))
      ->type_name("TEXT");
  command.add_option("--goal", overrides.goal, "Instead of title and description")
      ->type_name("TEXT");
  command.add_option("--repo", overrides.repo, "Instead of git's origin")->type_name("NAME");
  command.add_option("--branch", overrides.branch, "Instead of git's HEAD")->type_name("NAME");
  command.add_option("--notes", overrides.notes, "Wishes about the answer")->type_name("TEXT");
  command
      .add_option("--idempotency-key", overrides.idempotency_key,
                  "Asking again under the same key gives the same answer again (default: a new "
                  "key, but while a question waits for its answer it is not asked twice)")
      ->type_name("KEY");
}

void add_ask(CLI::App& group, CommandLine& line, Question question, const std::string& name,
             const std::string& summary, const std::string& example) {
  CLI::App* command = add_command(group, name, summary, example);
  auto options = std::make_shared<AskOptions>();
  options->question = question;
  command->add_option("id", options->id, "The bead, or the unique beginning of its id")
      ->type_name("ID")
      ->required();
  command
      ->add_option("--artifact", options->artifacts,
                   "JSON of an artifact, or any text; - reads standard input; may be given again")
      ->allow_extra_args(false)
      ->type_name("FILE");
  add_context_options(*command, options->overrides);
  command->add_option("--sender", options->sender, "The agent that asks (default: writer_agent)")
      ->type_name("NAME");
  command->add_option("--out", options->out, "Write the packet here, too")->type_name("FILE");
  auto* is_sent = command->add_flag("--send")->description("Send the packet (the default)");
  command->add_flag("--no-send", options->is_not_sent, "Only print the packet")->excludes(is_sent);
  add_end_wait(
      *command, options->send,
      "Wait for the reply, at most so many seconds, as in --wait 60 (default: as long as it "
      "takes); what still waits then goes on, and the same command takes it up again");
  add_workspace_option(*command, options->workspace);
  add_bridge_options(*command, options->send.bridge);
  command->callback([options, &line] {
    line.run = [options](Console& console) {
      const SendPacket send = [&](Console& c, const protocol::Packet& packet, const OnEnd& on_end) {
        return send_packet(c, packet, options->send, on_end);
      };
      return run_ask(console, *options, send);
    };
  });
}

void add_gate(CLI::App& group, CommandLine& line) {
  CLI::App* command = add_command(
      group, "gate", "Exit 0 only if the bead passed its acceptance gate; 2 and the reasons if not",
      "flywheel bead gate bd-rl42 && bd close bd-rl42");
  auto options = std::make_shared<GateOptions>();
  command->add_option("id", options->id, "The bead")->type_name("ID")->required();
  add_workspace_option(*command, options->workspace);
  add_config(*command, options->config, std::string(types_of_config));
  command->callback([options, &line] {
    line.run = [options](Console& console) { return run_gate(console, *options); };
  });
}

void add_watch(CLI::App& group, CommandLine& line) {
  CLI::App* command = add_command(
      group, "watch",
      "Follow the beads: tell which need a plan and which were closed without a passed gate",
      "flywheel bead watch --json");
  auto options = std::make_shared<BeadWatchOptions>();
  command->add_flag("--once", options->is_once, "Tell what is new since the last time and exit");
  command->add_flag("--baseline", options->is_baseline,
                    "Take what is there now for known, and tell only what comes after");
  add_workspace_option(*command, options->workspace);
  add_config(*command, options->config, std::string(types_of_config));
  command->callback([options, &line] {
    line.run = [options](Console& console) { return run_bead_watch(console, *options); };
  });
}

}  // namespace

void add_bead_commands(CLI::App& root, CommandLine& line) {
  CLI::App* group = add_group(root, "bead", "Plan, prove and accept the tracker's work items",
                              "flywheel bead plan bd-rl42");
  add_ask(*group, line, Question::plan, "plan", "Ask for a plan of the bead (RFP_PLAN)",
          "flywheel bead plan bd-rl42 --question \"In which order?\"");
  add_ask(*group, line, Question::evidence, "evidence",
          "Have the evidence looked at (EVIDENCE_BUNDLE)",
          "flywheel bead evidence bd-rl42 --artifact test-output.txt");
  add_ask(*group, line, Question::accept, "accept",
          "Ask whether the bead is done (ACCEPTANCE_GATE); exit 1 if it is not",
          "flywheel bead accept bd-rl42 --artifact test-output.txt");
  add_gate(*group, line);
  add_watch(*group, line);
}

}  // namespace app
