// The daemon as a service manager runs it.
#pragma once

#include "tests/app/process.h"

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace app {

// The service manager's end of NOTIFY_SOCKET: a path, or "@" and an abstract name.
class Manager {
 public:
  explicit Manager(const std::string& path);
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager();

  // The next message; empty if none comes in time.
  std::string next(std::chrono::milliseconds limit = std::chrono::seconds(60)) const;
  // Those up to the first that begins so; empty if it does not come.
  std::vector<std::string> until(const std::string& start) const;

 private:
  int socket_;
};

// Sets variables of this process for as long as it lives.
class Environment {
 public:
  Environment(std::initializer_list<std::pair<const char*, std::string>> variables);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

 private:
  std::vector<const char*> names_;
};

// `flywheel` with these arguments, in the background. Killed if it still runs at the end.
class Service {
 public:
  // What it says goes to the file `log` in `folder`, where it also runs. `launcher`: the command,
  // if there is one, that becomes the program after what it has to prepare.
  Service(std::vector<std::string> arguments, const TestFolder& folder,
          std::vector<std::string> launcher = {});
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  // Asks it to end; its exit status, or 128 + the signal.
  int stop();
  // The same of one that ends by itself.
  int wait();

 private:
  pid_t process_ = 0;
};

}  // namespace app
