// A browser process started by us, with all its descendants.
#pragma once

#include "cdp/children.h"
#include "cdp/result.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace cdp {

// Owns a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int value() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

// Leads a process group of its own and is killed when the thread that started it ends. Starting
// one makes this process the reaper of orphaned descendants, so that none stays a zombie.
class Process {
 public:
  struct Pipe {
    Descriptor to_child;  // a socket
    Descriptor from_child;
  };

  // Starts argv[0], a path. Descriptors 3 and 4 of the child are the debugging pipe, all others
  // beyond its standard ones are closed. Its crash reports go to `crash_directory`, which also
  // tells its crash handlers from others. `open_files` is its soft limit of open files; none: the
  // one of this process. launch: it cannot be started.
  static Result<std::unique_ptr<Process>> start(const boost::asio::any_io_executor& executor,
                                                const std::vector<std::string>& argv,
                                                std::filesystem::path crash_directory,
                                                std::optional<std::size_t> open_files);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  // Kills what is left of it and waits for that, within limits::reap.
  ~Process();

  int id() const { return id_; }
  // Our ends of the debugging pipe, once.
  Pipe take_pipe() { return std::move(pipe_); }
  // Waits for the process to end; 128 plus the signal that killed it. timeout: it still runs after
  // `limit`.
  Task<int> exit_status(Duration limit);
  // The end of what it wrote to its standard error.
  std::string_view last_words() const;
  // Remembers the crash handlers, which outlive the browser for a moment. To be called once it
  // runs.
  void note_crash_handlers();
  // Ends whatever is left of it and waits for that, within limits::reap.
  boost::asio::awaitable<void> kill();
  // True once all of it has ended and was waited for.
  bool has_ended() const { return has_ended_; }

 private:
  struct Diary;

  Process(const boost::asio::any_io_executor& executor, int id, Descriptor handle, Pipe pipe,
          Descriptor standard_error, std::filesystem::path crash_directory);
  void signal_all();
  // True once no process is left for us to wait for.
  bool has_reaped_all();

  const int id_;
  std::optional<WaitedGroup> group_;  // until it has ended
  const std::filesystem::path crash_directory_;
  std::vector<int> crash_handlers_;
  boost::asio::posix::stream_descriptor handle_;  // readable once the process has ended
  Pipe pipe_;
  std::shared_ptr<Diary> diary_;
  std::optional<int> status_;
  bool has_ended_ = false;
};

}  // namespace cdp
