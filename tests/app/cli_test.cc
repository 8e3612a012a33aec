#include "bridge/app/cli.h"

#include "bridge/app/arguments.h"
#include "bridge/app/send_packet.h"
#include "tests/app/process.h"
#include "tests/app/service.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Without a process of its own, as there are so many.
std::string help_of(const std::vector<std::string>& command) {
  std::vector<const char*> arguments{"flywheel"};
  for (const auto& word : command) arguments.push_back(word.c_str());
  arguments.push_back("--help");
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{.in = in, .out = out, .err = err};
  EXPECT_EQ(run_command_line(static_cast<int>(arguments.size()), arguments.data(), console), 0);
  EXPECT_THAT(err.str(), IsEmpty());
  return out.str();
}

std::vector<std::string> commands_in(const std::string& help) {
  std::vector<std::string> names;
  std::istringstream lines(help);
  bool is_there = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) is_there = false;
    if (is_there && line.find_first_not_of(' ') == 2) {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    if (line == "Subcommands:") is_there = true;
  }
  return names;
}

// How many there are.
std::size_t expect_examples(const std::vector<std::string>& command) {
  const auto help = help_of(command);
  EXPECT_THAT(help, HasSubstr("Example:\n  ")) << ::testing::PrintToString(command);
  std::size_t count = 1;
  for (const auto& name : commands_in(help)) {
    auto below = command;
    below.push_back(name);
    count += expect_examples(below);
  }
  return count;
}

TEST(CommandLine, EveryHelpHasAnExample) { EXPECT_GT(expect_examples({}), 80u); }

TEST(CommandLine, HelpGoesToStandardOutput) {
  const Finished help = flywheel({"packet", "build", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("Example:\n  "));
  EXPECT_THAT(help.err, IsEmpty());
}

TEST(CommandLine, WhereToLookMayStandBeforeAndBehindACommandOfTheSession) {
  const TestFolder folder;
  const std::string file = folder.write("file", "");
  folder.write(".flywheel/chatgpt.json", R"({"crt_url": "http://127.0.0.1:9/c/1",
                                             "mcp_server": "test", "writer_agent": "tester"})");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"session", "--state", file + "/a"},
        {"session", "--state", file + "/a", "check"},
        {"session", "check", "--state", file + "/a"},
        {"session", "--state", "b", "check", "--state", file + "/a"}}) {
    const Finished finished = flywheel(arguments, {}, folder.path());
    EXPECT_EQ(finished.status, 73) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(file + "/a"));
  }
  EXPECT_EQ(flywheel({"session", "--config", "none.json"}, {}, folder.path()).status, 78);
}

TEST(CommandLine, WhatIsGivenCountsMoreThanTheEnvironment) {
  const TestFolder folder;
  const std::string file = folder.write("file", "");
  const std::string config =
      folder.write("chatgpt.json", R"({"crt_url": "http://127.0.0.1:9/c/1", "mcp_server": "test",
                                       "writer_agent": "tester"})");
  const Environment environment({{"FLYWHEEL_STATE", file + "/other"}, {"FLYWHEEL_CONFIG", config}});
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"session", "--state", file + "/a"},
        {"session", "--state", file + "/a", "check"},
        {"session", "check", "--state", file + "/a"},
        {"serve", "--state", file + "/a"},
        {"drain", "--state", file + "/a"}}) {
    const Finished finished = flywheel(arguments, {}, folder.path());
    EXPECT_EQ(finished.status, 73) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(file + "/a"));
    EXPECT_THAT(finished.err, ::testing::Not(HasSubstr("/other")));
  }
  // It says what stands nowhere.
  EXPECT_THAT(flywheel({"session", "check"}, {}, folder.path()).err, HasSubstr(file + "/other"));
  const auto missing = flywheel({"session", "check", "--config", "none.json"}, {}, folder.path());
  EXPECT_EQ(missing.status, 78);
  EXPECT_THAT(missing.err, HasSubstr("none.json"));
}

TEST(CommandLine, EveryCommandOfPacketsTakesAState) {
  const std::string packet = SOURCE_DIR "/fixtures/packets/rfp-plan.json";
  EXPECT_EQ(flywheel({"packet", "validate", "--state", "D", "--file", packet}).status, 0);
  EXPECT_THAT(flywheel({"packet", "build", "--state", "D"}).err, HasSubstr("missing: --type"));
}

TEST(CommandLine, TheProgramsHelpListsTheExitStatuses) {
  EXPECT_THAT(flywheel({"--help"}).out, HasSubstr("\n  78  configuration\n"));
}

TEST(CommandLine, VersionIsOneLine) {
  EXPECT_THAT(flywheel({"--version"}).out, ::testing::MatchesRegex("flywheel [0-9.]+\n"));
}

TEST(CommandLine, AnUnknownWordNamesTheNearestKnownOne) {
  const Finished command = flywheel({"pakcet", "build"});
  EXPECT_EQ(command.status, 64);
  EXPECT_THAT(command.out, IsEmpty());
  EXPECT_EQ(command.err,
            "flywheel: unknown command \"pakcet\"; did you mean packet?\n"
            "Try: flywheel --help\n");

  const Finished option = flywheel({"schema", "validate", "--schemas", "x", "y"});
  EXPECT_EQ(option.status, 64);
  EXPECT_THAT(option.err, HasSubstr("unknown option --schemas for schema validate; did you mean "
                                    "--schema?"));

  EXPECT_THAT(flywheel({"dance"}).err, HasSubstr("unknown command \"dance\"\n"));
}

TEST(CommandLine, AMissingCommandOrOptionIsNamed) {
  EXPECT_THAT(flywheel({}).err, HasSubstr("which command? There are: "));
  EXPECT_EQ(flywheel({}).status, 64);
  EXPECT_THAT(flywheel({"packet"}).err, HasSubstr("build, validate"));
  EXPECT_THAT(flywheel({"packet", "build", "--bead", "bd-x1"}).err,
              HasSubstr("missing: --type, --sender, --context\n"));
  EXPECT_THAT(flywheel({"schema", "validate", "--schema"}).err,
              HasSubstr("--schema needs a value"));
}

struct Waiting {
  std::string file;
  std::optional<int> seconds;
  std::size_t given = 0;
};

Waiting wait_given(std::vector<std::string> arguments) {
  CLI::App command;
  Waiting waiting;
  SendOptions options;
  command.add_option("packet", waiting.file)->required();
  command.add_flag("--json");
  const auto* wait = add_end_wait(command, options, "");
  EXPECT_TRUE(find_command(command, arguments));
  std::ranges::reverse(arguments);
  command.parse(arguments);
  waiting.seconds = options.wait_s;
  waiting.given = wait->count();
  return waiting;
}

TEST(CommandLine, ItMayBeLeftOutHowLongToWait) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"p.json", "--wait"},
                                                    {"--wait", "p.json"},
                                                    {"--wait", "p.json", "--json"},
                                                    {"--json", "--wait", "--", "p.json"}}) {
    const auto waiting = wait_given(arguments);
    EXPECT_EQ(waiting.file, "p.json") << arguments.front();
    EXPECT_EQ(waiting.seconds, std::nullopt) << arguments.front();
    EXPECT_EQ(waiting.given, 1u) << arguments.front();
  }
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--wait=60", "p.json"},
                                                    {"p.json", "--wait=60"},
                                                    {"--wait", "60", "p.json"},
                                                    {"p.json", "--wait", "60"}}) {
    const auto waiting = wait_given(arguments);
    EXPECT_EQ(waiting.file, "p.json") << arguments.front();
    EXPECT_EQ(waiting.seconds, 60) << arguments.front();
  }
}

TEST(CommandLine, SendTakesItsFileAndNotItForASpan) {
  const TestFolder folder;
  const auto send = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "send");
    return flywheel(arguments, {}, folder.path());
  };
  for (const auto* wait : {"--wait", "--wait=60"}) {
    EXPECT_THAT(send({"missing.json", wait}).err, HasSubstr("read missing.json: "));
    EXPECT_THAT(send({wait, "missing.json"}).err, HasSubstr("read missing.json: "));
  }
  EXPECT_THAT(send({"--wait", "60"}).err, HasSubstr("missing: packet"));
  for (const auto* wait : {"--wait=0", "--wait=soon", "--wait=86401"}) {
    EXPECT_EQ(send({wait, "missing.json"}).status, 64) << wait;
  }
  EXPECT_EQ(send({"--wait", "--no-wait", "missing.json"}).status, 64);
  EXPECT_THAT(send({"--help"}).out, HasSubstr("--wait [=SECONDS]"));
}

TEST(CommandLine, EveryQuestionAboutABeadSaysHowItWaits) {
  for (const auto* question : {"plan", "evidence", "accept"}) {
    const auto help = help_of({"bead", question});
    EXPECT_THAT(help, HasSubstr("--wait [=SECONDS]")) << question;
    EXPECT_THAT(help, HasSubstr("as in --wait 60")) << question;
    EXPECT_THAT(help, HasSubstr("the same command takes it up again")) << question;
  }
}

TEST(CommandLine, NoColorIsUsedWhenErrorsDoNotGoToATerminal) {
  EXPECT_THAT(flywheel({"dance"}).err, StartsWith("flywheel: "));
}

TEST(CommandLine, AFileThatCannotBeReadIsSeventyFour) {
  const TestFolder folder;
  folder.write(".flywheel/chatgpt.json", R"({"crt_url": "http://127.0.0.1:9/c/1",
                                             "mcp_server": "test", "writer_agent": "tester"})");
  const std::vector<std::vector<std::string>> commands = {
      {"send"}, {"workflow", "validate"}, {"session", "import"}};
  for (auto command : commands) {
    for (const auto* file : {"missing.json", "/"}) {
      auto arguments = command;
      arguments.emplace_back(file);
      const Finished finished = flywheel(arguments, {}, folder.path());
      EXPECT_EQ(finished.status, 74) << command.front() << ": " << finished.err;
      EXPECT_THAT(finished.err, HasSubstr(std::string("read ") + file));
    }
  }
  const Finished json = flywheel({"send", "--json", "missing.json"}, {}, folder.path());
  EXPECT_THAT(json.out, HasSubstr("\"code\":\"file_failed\""));
}

TEST(CommandLine, AStateThatCannotBeMadeIsSeventyThree) {
  const TestFolder folder;
  folder.write(".flywheel/chatgpt.json", R"({"crt_url": "http://127.0.0.1:9/c/1",
                                             "mcp_server": "test", "writer_agent": "tester"})");
  const std::string file = folder.write("file", "");
  const Finished served = flywheel({"serve", "--state", file + "/state"}, {}, folder.path());
  EXPECT_EQ(served.status, 73) << served.err;
}

TEST(CommandLine, AFullOutputIsReported) {
  const Finished full =
      run_program({"bash", "-c", "exec \"$0\" completion bash > /dev/full", FLYWHEEL_PROGRAM});
  EXPECT_EQ(full.status, 74);
}

class SchemaValidate : public ::testing::Test {
 protected:
  TestFolder folder_;
  std::string schema_ = folder_.write(
      "s.json", R"({"properties": {"when": {"format": "date"}, "n": {"type": "integer"}}})");
};

TEST_F(SchemaValidate, PrintsOneResultLineForEachInstance) {
  const Finished valid =
      flywheel({"schema", "validate", "--schema", schema_, folder_.write("i.json", "{\"n\": 1}")});
  EXPECT_EQ(valid.status, 0);
  EXPECT_EQ(valid.out, "{\"valid\":true,\"errors\":[]}\n");

  const Finished lines =
      flywheel({"schema", "validate", "--schema", schema_, "-"}, "{\"n\":\"x\"}\n\n{\"n\":2}\n");
  EXPECT_EQ(lines.status, 1);
  EXPECT_THAT(lines.out, StartsWith("{\"valid\":false,\"errors\":[{\"instanceLocation\":\"/n\","
                                    "\"keywordLocation\":\"/properties/n/type\",\"error\":\""));
  EXPECT_THAT(lines.out, HasSubstr("}]}\n{\"valid\":true,\"errors\":[]}\n"));
}

TEST_F(SchemaValidate, AssertsFormatsOnRequest) {
  const std::string text = "{\"when\": \"soon\"}\n";
  EXPECT_EQ(flywheel({"schema", "validate", "--schema", schema_, "-"}, text).status, 0);
  EXPECT_EQ(
      flywheel({"schema", "validate", "--schema", schema_, "--format-assertion", "-"}, text).status,
      1);
}

TEST_F(SchemaValidate, FollowsReferencesIntoTheRegistry) {
  folder_.write("remotes/sub/int.json", R"({"type": "integer"})");
  folder_.write("remotes/named.json", R"({"$id": "http://example.com/named", "minimum": 5})");
  const std::string schema =
      folder_.write("r.json", R"({"allOf": [{"$ref": "http://localhost:1234/sub/int.json"},
                              {"$ref": "http://example.com/named"}]})");
  const Finished checked = flywheel({"schema", "validate", "--schema", schema, "--registry",
                                     (folder_.path() / "remotes").string(), "-"},
                                    "7\n3\n\"x\"\n");
  EXPECT_EQ(checked.status, 1);
  EXPECT_THAT(checked.out, StartsWith("{\"valid\":true"));
}

TEST_F(SchemaValidate, MayCheckAgainstASchemaOfTheRegistryItself) {
  const std::string folder = SOURCE_DIR "/schemas/flywheel/chatgpt/v1";
  const Finished checked = flywheel(
      {"schema", "validate", "--schema", folder + "/msg-rfp-plan.schema.json", "--registry", folder,
       "--registry-base", "", SOURCE_DIR "/fixtures/packets/rfp-plan.json"});
  EXPECT_EQ(checked.status, 0) << checked.err;
}

TEST_F(SchemaValidate, WhatCannotBeReadIsSeventyFourAndTheOthersAreReported) {
  EXPECT_EQ(flywheel({"schema", "validate", "--schema", "/nonexistent", "-"}).status, 74);
  EXPECT_EQ(flywheel({"schema", "validate", "--schema", "/", "-"}).status, 74);
  EXPECT_EQ(flywheel({"schema", "validate", "--schema", schema_, "--registry", "/nonexistent", "-"})
                .status,
            74);
  const Finished checked = flywheel({"schema", "validate", "--schema", schema_, "/nonexistent", "/",
                                     folder_.write("i.json", "{\"n\": 1}")});
  EXPECT_EQ(checked.status, 74);
  EXPECT_THAT(checked.out, StartsWith("{\"valid\":false,\"errors\":[{\"instanceLocation\":\"\","
                                      "\"keywordLocation\":\"\",\"error\":\"read /nonexistent: "));
  EXPECT_THAT(checked.out, HasSubstr("read /: it is a folder\"}]}\n{\"valid\":true"));
  EXPECT_THAT(checked.err, StartsWith("flywheel: read /nonexistent: "));
}

TEST_F(SchemaValidate, BadInputIsSixtyFive) {
  const Finished broken = flywheel({"schema", "validate", "--schema", schema_, "-"}, "{\n{}\n");
  EXPECT_EQ(broken.status, 65);
  EXPECT_THAT(broken.out, StartsWith("{\"valid\":false,\"errors\":[{\"instanceLocation\":\"\","
                                     "\"keywordLocation\":\"\",\"error\":\"line 1: not JSON"));
  EXPECT_THAT(broken.out, HasSubstr("}\n{\"valid\":true"));
  const std::string bad = folder_.write("bad.json", R"({"$ref": "nowhere.json"})");
  const Finished unknown = flywheel({"schema", "validate", "--schema", bad, "-"}, "1\n");
  EXPECT_EQ(unknown.status, 65);
  EXPECT_THAT(unknown.err, HasSubstr("nowhere.json"));
}

}  // namespace
}  // namespace app
