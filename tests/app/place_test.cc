// Where a command looks: for a project, its message types, a state directory and a daemon.
#include "bridge/app/bridge_options.h"
#include "bridge/app/project.h"
#include "bridge/store/lock_file.h"
#include "tests/app/daemon_commands.h"

#include <boost/json/parse.hpp>

namespace app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string some_packet = SOURCE_DIR "/fixtures/packets/rfp-plan.json";

TEST(Project, IsTheFolderThatHasTheConfigurationInItsOwn) {
  EXPECT_EQ(project_of("/home/ann/work/.flywheel/chatgpt.json"), "/home/ann/work");
  EXPECT_EQ(project_of("/etc/flywheel/chatgpt.json"), "/etc/flywheel");
  EXPECT_EQ(project_of(""), "");
  EXPECT_EQ(own_schemas("/etc/flywheel/chatgpt.json"), "/etc/flywheel/.flywheel/schemas");
  EXPECT_EQ(own_schemas("/home/ann/work/.flywheel/chatgpt.json"),
            "/home/ann/work/.flywheel/schemas");
}

// Of a type of one's own.
void write_estimate(const TestFolder& project) {
  project.write(".flywheel/schemas/msg-estimate.schema.json", R"({
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$id": "flywheel.chatgpt.v1/msg-estimate.schema.json",
      "title": "Request for an estimate",
      "allOf": [{"$ref": "envelope.schema.json"}],
      "properties": {"msg_type": {"const": "ESTIMATE"}}})");
  project.write(".flywheel/schemas/resp-estimate.schema.json", R"({
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$id": "flywheel.chatgpt.v1/resp-estimate.schema.json",
      "type": "object", "additionalProperties": false,
      "required": ["proto", "bead_id", "msg_type", "verdict", "hours"],
      "properties": {
        "proto": {"$ref": "common.schema.json#/$defs/proto"},
        "bead_id": {"$ref": "common.schema.json#/$defs/bead_id"},
        "msg_type": {"const": "ESTIMATE_RESPONSE"},
        "verdict": {"$ref": "common.schema.json#/$defs/verdict"},
        "hours": {"type": "number", "minimum": 0, "description": "Working hours."}}})");
}

TEST(Place, TheTypesOfTheConfigurationInUseAreKnownWhereverTheProgramRuns) {
  const TestFolder project;
  const std::string config =
      project.write(".flywheel/chatgpt.json",
                    R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                        "writer_agent": "tester", "bridge": {"listen": "127.0.0.1:0"}})");
  write_estimate(project);
  const TestFolder elsewhere;
  const Manager manager(elsewhere.path() / "notify");
  const Environment environment({{"NOTIFY_SOCKET", elsewhere.path() / "notify"}});
  Service service({"serve", "--headless", "--config", config}, elsewhere);
  ASSERT_FALSE(manager.until("READY=1").empty()) << elsewhere.read("log");

  elsewhere.write("context.json", R"({"repo": "acme/api", "branch": "main",
                                      "goal": "Limit requests", "constraints": []})");
  const auto run = [&](const std::vector<std::string>& arguments) {
    return flywheel(arguments, {}, elsewhere.path());
  };
  const std::vector<std::string> build{
      "packet", "build",     "--type",       "ESTIMATE", "--bead",      "bd-rl42",    "--sender",
      "teal",   "--context", "context.json", "--out",    "packet.json", "--question", "How long?"};
  EXPECT_EQ(run(build).status, 2) << "no project is around";
  auto with_config = build;
  with_config.insert(with_config.end(), {"--config", config});
  const auto built = run(with_config);
  EXPECT_EQ(built.status, 0) << built.err;
  {
    const Environment place({{"FLYWHEEL_CONFIG", config}});
    EXPECT_EQ(run({"packet", "validate", "--file", "packet.json"}).status, 0);
  }
  // The daemon checks it, too.
  const auto taken = run({"schedule", "create", "--name", "e", "--every", "1h", "--paused",
                          "--packet", "packet.json", "--config", config});
  EXPECT_EQ(taken.status, 0) << taken.err;
  EXPECT_EQ(service.stop(), 0) << elsewhere.read("log");
}

TEST(Place, AnAddressNeedsNoConfiguration) {
  const TestFolder nowhere;
  const Environment user({{"XDG_STATE_HOME", nowhere.path() / "of-the-user"}});
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--url", "http://127.0.0.1:9/c/1"});
    return flywheel(arguments, {}, nowhere.path());
  };
  const auto queued = run({"send", "--no-wait", some_packet});
  EXPECT_EQ(queued.status, 69) << queued.err;
  EXPECT_THAT(queued.err, HasSubstr("no daemon is running here"));
  const auto looked = run({"doctor", "--offline", "--json"});
  EXPECT_THAT(looked.out, HasSubstr("none; defaults for --url"));
  EXPECT_THAT(looked.out, HasSubstr("/of-the-user/flywheel does not exist yet"));

  const auto missing = flywheel({"send", some_packet}, {}, nowhere.path());
  EXPECT_EQ(missing.status, 78);
  EXPECT_THAT(missing.err, HasSubstr("create one with \"crt_url\""));
  EXPECT_THAT(missing.err, HasSubstr("set FLYWHEEL_URL and FLYWHEEL_KEY"));
}

TEST(Place, WithoutAConfigurationTheStateIsTheUsers) {
  const TestFolder user;
  const Environment environment({{"XDG_STATE_HOME", user.path()}});
  BridgeOptions options;
  options.url = "http://127.0.0.1:9/c/1";
  // No project is around the root.
  const fs::path before = fs::current_path();
  fs::current_path("/");
  const auto config = config_for(options);
  options.state = user.path() / "named";
  const auto named = config_for(options);
  fs::current_path(before);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->file, "");
  EXPECT_EQ(config->crt_url, "http://127.0.0.1:9/c/1");
  EXPECT_EQ(config->state, user.path() / "flywheel");
  EXPECT_EQ(config->store, (user.path() / "flywheel" / "flywheel.db").string());
  EXPECT_EQ(config->browser.profile_dir, user.path() / "flywheel" / "profiles" / "default");
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(named->state, user.path() / "named");
  EXPECT_EQ(named->store, (user.path() / "named" / "flywheel.db").string());
}

using Elsewhere = DaemonCommands;

TEST_F(Elsewhere, ADaemonIsAskedWithItsAddressAndAKeyAlone) {
  const TestFolder nowhere;
  const auto daemon = json::parse(folder.read(".flywheel/state/daemon.json"));
  auto key = folder.read(".flywheel/state/admin.key");
  while (key.ends_with('\n')) key.pop_back();
  const Environment address({{"XDG_STATE_HOME", nowhere.path()},
                             {"FLYWHEEL_URL", std::string(daemon.at("url").as_string())}});
  const auto refused = flywheel({"queue", "show"}, {}, nowhere.path());
  EXPECT_EQ(refused.status, 77);
  EXPECT_THAT(refused.err, HasSubstr("set FLYWHEEL_KEY"));
  EXPECT_EQ(flywheel({"session", "check"}, {}, nowhere.path()).status, 77);

  const Environment secret({{"FLYWHEEL_KEY", key}});
  for (const std::vector<std::string>& command : {std::vector<std::string>{"queue", "show"},
                                                  {"packet", "list"},
                                                  {"drain"},
                                                  {"drain", "--url", "http://127.0.0.1:9/c/1"},
                                                  {"schedule", "list"},
                                                  {"key", "list"},
                                                  {"gpt", "list"},
                                                  {"memory", "list"},
                                                  {"audit", "verify"}}) {
    const auto asked = flywheel(command, {}, nowhere.path());
    EXPECT_EQ(asked.status, 0) << command.front() << ": " << asked.err;
  }
  EXPECT_TRUE(fs::is_empty(nowhere.path()));
}

// What a doctor says of the daemon that runs, or does not.
std::string told_of_daemon(const Finished& doctor) {
  for (const auto& check : json::parse(doctor.out).at("checks").as_array()) {
    if (check.at("check") != "daemon") continue;
    return std::string(check.at("health").as_string()) + ": " +
           std::string(check.at("detail").as_string());
  }
  return "nothing";
}

TEST_F(Elsewhere, ADaemonThatCannotBeAskedIsNotSaidToBeMissing) {
  const std::vector<std::string> doctor{"doctor", "--offline", "--json"};
  const fs::path state = folder.path() / ".flywheel" / "state";
  EXPECT_THAT(told_of_daemon(run(doctor)), HasSubstr("ok: http://127.0.0.1:"));

  fs::rename(state / "admin.key", state / "hidden");
  EXPECT_THAT(told_of_daemon(run(doctor)),
              AllOf(HasSubstr("bad: flywheel serve, writer tester (pid "),
                    HasSubstr("holds the store's lock, but cannot be asked: there is no key")));
  fs::rename(state / "hidden", state / "admin.key");

  fs::rename(state / "daemon.json", state / "hidden");
  EXPECT_THAT(told_of_daemon(run(doctor)),
              AllOf(HasSubstr("bad: flywheel serve, writer tester (pid "),
                    HasSubstr("no daemon.json in "), HasSubstr("names it")));
  fs::rename(state / "hidden", state / "daemon.json");

  EXPECT_EQ(service->stop(), 0) << folder.read("log");
  service.reset();
  EXPECT_EQ(told_of_daemon(run(doctor)), "note: none runs here");

  const auto lock =
      store::LockFile::acquire((state / "flywheel.db.lock").string(), "flywheel send");
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_THAT(told_of_daemon(run(doctor)), HasSubstr("note: flywheel send (pid "));
}

TEST_F(Elsewhere, ADoctorThatIsToldOfADaemonMissesNoConfiguration) {
  const TestFolder nowhere;
  const auto daemon = json::parse(folder.read(".flywheel/state/daemon.json"));
  auto key = folder.read(".flywheel/state/admin.key");
  while (key.ends_with('\n')) key.pop_back();
  const Environment address({{"XDG_STATE_HOME", nowhere.path()},
                             {"FLYWHEEL_URL", std::string(daemon.at("url").as_string())},
                             {"FLYWHEEL_KEY", key}});
  const auto told = flywheel({"doctor", "--offline"}, {}, nowhere.path());
  EXPECT_THAT(told.out, HasSubstr("note  configuration    none; the daemon that FLYWHEEL_URL"));
  EXPECT_THAT(told.out, HasSubstr("ok    daemon           http://127.0.0.1:"));
}

TEST(Place, ADoctorSaysThatNoDaemonAnswersWhereOneIsNamed) {
  const TestFolder nowhere;
  const Environment address({{"XDG_STATE_HOME", nowhere.path()},
                             {"FLYWHEEL_URL", "http://127.0.0.1:9"},
                             {"FLYWHEEL_KEY", "fwk_x"}});
  const auto told = flywheel({"doctor", "--offline", "--json"}, {}, nowhere.path());
  EXPECT_THAT(told_of_daemon(told),
              HasSubstr("bad: no daemon answers: connect to http://127.0.0.1:9"));
}

}  // namespace
}  // namespace app
