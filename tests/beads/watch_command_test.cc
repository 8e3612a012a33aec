// flywheel bead watch, once and for as long as it is let.
#include "bridge/base/json.h"
#include "tests/beads/samples.h"

#include <csignal>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace beads {
namespace {

using app::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A program that runs beside the test and whose lines are read as they come.
class Running {
 public:
  Running(std::vector<std::string> command, const std::filesystem::path& folder) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    out_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    std::vector<char*> words;
    for (std::string& word : command) words.push_back(word.data());
    words.push_back(nullptr);
    EXPECT_EQ(posix_spawnp(&process_, words[0], &actions, nullptr, words.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
  }
  ~Running() {
    if (process_ > 0) end(SIGKILL);
    close(out_);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // The next line; empty if none comes within a minute or the program has ended.
  std::string line() {
    for (;;) {
      if (const std::size_t size = text_.find('\n'); size != std::string::npos) {
        const std::string found = text_.substr(0, size);
        text_.erase(0, size + 1);
        return found;
      }
      pollfd ready{out_, POLLIN, 0};
      if (poll(&ready, 1, 60'000) <= 0) return {};
      char piece[4096];
      const ssize_t count = read(out_, piece, sizeof piece);
      if (count <= 0) return {};
      text_.append(piece, std::size_t(count));
    }
  }
  int end(int signal) {
    int status = 0;
    kill(process_, signal);
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t process_ = 0;
  int out_ = -1;
  std::string text_;
};

class BeadWatchCommand : public testing::Test {
 protected:
  BeadWatchCommand() { save({bead_}); }

  void save(const std::vector<Bead>& beads) {
    folder_.write(".beads/issues.jsonl", to_lines(beads));
  }
  Finished once(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"bead", "watch", "--once", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return app::flywheel(arguments, {}, folder_.path());
  }
  static std::string event(const std::string& line) {
    const auto value = base::parse_json(line);
    if (!value) return "no JSON: " + line;
    return std::string(value->at("event").as_string()) + " " +
           std::string(value->at("id").as_string()) + " " +
           std::string(value->at("status").as_string());
  }
  Bead named(const char* id, const char* status) const {
    return with(bead_, {{"id", id}, {"status", status}});
  }
  Running watch() { return Running({FLYWHEEL_PROGRAM, "bead", "watch", "--json"}, folder_.path()); }

  app::TestFolder folder_;
  Bead bead_ = sample("bd-rl42");
  std::filesystem::path file_ = folder_.path() / ".beads/issues.jsonl";
};

TEST_F(BeadWatchCommand, OnceTellsEachThingOnce) {
  save(sample_beads().all);
  const Finished first = once();
  EXPECT_EQ(first.status, 0) << first.err;
  std::vector<std::string> events;
  for (std::size_t at = 0; at < first.out.size(); at = first.out.find('\n', at) + 1) {
    events.push_back(event(first.out.substr(at, first.out.find('\n', at) - at)));
  }
  EXPECT_THAT(events,
              testing::ElementsAre("needs_plan bd-2xb6.1 open", "needs_plan bd-x9k1 needs-plan",
                                   "closed_without_gate bd-c105 closed",
                                   "closed_without_gate bd-t0mb tombstone",
                                   testing::MatchesRegex("needs_plan very-long-.* open")));
  EXPECT_THAT(once().out, IsEmpty());
}

TEST_F(BeadWatchCommand, ABaselineTakesWhatIsThereForKnown) {
  save({bead_, named("bd-old1", "closed")});
  EXPECT_THAT(once({"--baseline"}).out, IsEmpty());
  save({named("bd-rl42", "closed"), named("bd-old1", "closed")});
  EXPECT_EQ(event(once().out), "closed_without_gate bd-rl42 closed");
}

TEST_F(BeadWatchCommand, FollowsEveryWayOfClosing) {
  Running watch(this->watch());
  // The first line shows that the watcher is up.
  save({bead_, with(bead_, {{"id", "bd-pp1"}, {"labels", json::array{"needs-plan"}}})});
  EXPECT_EQ(event(watch.line()), "needs_plan bd-pp1 in_progress");
  // bd close: the tracker replaces the file.
  const std::string draft =
      folder_.write(".beads/issues.jsonl.tmp", to_lines({named("bd-rl42", "closed")}));
  std::filesystem::rename(draft, file_);
  EXPECT_EQ(event(watch.line()), "closed_without_gate bd-rl42 closed");
  // bd import: a line more.
  std::ofstream(file_, std::ios::app) << to_lines({named("bd-im1", "closed")});
  EXPECT_EQ(event(watch.line()), "closed_without_gate bd-im1 closed");
  // bd delete: written in place, in two pieces.
  const std::string text = to_lines({named("bd-rl42", "closed"), named("bd-del1", "tombstone")});
  std::ofstream stream(file_);
  stream << text.substr(0, text.size() / 2) << std::flush;
  stream << text.substr(text.size() / 2) << std::flush;
  stream.close();
  EXPECT_EQ(event(watch.line()), "closed_without_gate bd-del1 tombstone");
  EXPECT_EQ(watch.end(SIGTERM), 130);
}

TEST_F(BeadWatchCommand, ARestartTellsOnlyWhatHappenedMeanwhile) {
  save({bead_, named("bd-one1", "closed")});
  {
    Running watch(this->watch());
    EXPECT_EQ(event(watch.line()), "closed_without_gate bd-one1 closed");
    save({bead_, named("bd-one1", "closed"), named("bd-two2", "closed")});
    EXPECT_EQ(event(watch.line()), "closed_without_gate bd-two2 closed");
    EXPECT_EQ(watch.end(SIGTERM), 130);
  }
  save({named("bd-rl42", "closed"), named("bd-one1", "closed"), named("bd-two2", "closed")});
  Running again(watch());
  EXPECT_EQ(event(again.line()), "closed_without_gate bd-rl42 closed");
}

TEST_F(BeadWatchCommand, ABrokenFileIsWaitedOut) {
  Running watch(this->watch());
  folder_.write(".beads/issues.jsonl", "<<<<<<< HEAD\n");
  save({named("bd-rl42", "closed")});
  EXPECT_EQ(event(watch.line()), "closed_without_gate bd-rl42 closed");
  folder_.write(".beads/issues.jsonl", "<<<<<<< HEAD\n");
  const Finished broken = app::flywheel({"bead", "watch", "--once"}, {}, folder_.path());
  EXPECT_EQ(broken.status, 75);  // the first watcher still runs
  EXPECT_THAT(broken.err, HasSubstr("watched already"));
  watch.end(SIGTERM);
  EXPECT_EQ(once().status, 65);
}

}  // namespace
}  // namespace beads
