// A project whose daemon fronts the GPTs of the example registry, each on the look-alike site.
#pragma once

#include "tests/app/daemon_process.h"
#include "tests/e2e/project.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace e2e {

// One conversation of a GPT, as the site has it.
struct Chat {
  std::vector<fixture::Post> posts;  // that were accepted, in order
  std::vector<std::string> answers;  // without end marker
};

class Fleet : public Project {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Starts site and daemon and imports the registry, its links turned to the site.
  void start(const fixture::Knobs& knobs = {}, std::vector<std::string> arguments = {});
  void launch(std::vector<std::string> arguments = {}, std::vector<std::string> environment = {});
  std::filesystem::path state() const { return folder.path() / ".flywheel" / "state"; }

  // Calls that must succeed; what they answer.
  json::value get(std::string path) const;
  json::value post(std::string path, json::object body) const;
  http::ClientReply call(http::ClientRequest request) const;

  // Hands fixtures/workflows/<name>.yaml in.
  void create(std::string_view name) const;
  // Begins a run; its id.
  std::string execute(std::string_view workflow, json::object inputs) const;
  // The run when it has ended or `job` waits for a person, as it is after the time at last.
  json::value ended(const std::string& run, std::chrono::seconds most = std::chrono::seconds(180),
                    std::string_view job = {}) const;
  void approve(const std::string& run, std::string_view job) const;
  json::value run_to_its_end(std::string_view workflow, json::object inputs) const;

  // Its conversations, oldest first; `gpt` is a slug, such as "culture-code".
  std::vector<Chat> chats_of(std::string_view gpt) const;
  // Its only one, in which one message was posted, and answered.
  Chat only_chat_of(std::string_view gpt) const;
  // What the run says that the job gave.
  static std::string text_of(const json::value& run, std::string_view job);

  std::unique_ptr<app::DaemonProcess> daemon;
  std::unique_ptr<app::DaemonCalls> calls;
};

// The result of a run or of one of its jobs.
std::string result_of(const json::value& run, std::string_view job = {});

}  // namespace e2e
