// One process at a time on a store.
#pragma once

#include "bridge/store/files.h"

#include <optional>
#include <string>

namespace store {

// As the holder told when it took the lock.
struct LockHolder {
  std::string text;  // one line for people
  int pid = 0;       // 0: it could not tell
};

// The lock is the system's lock on the open file and ends with the process, however it ends. The
// text inside only tells people who holds it.
class LockFile {
 public:
  // busy with reason locked at once if another has it; the message names the holder.
  static base::Result<LockFile> acquire(const std::string& path, const std::string& holder);
  // Who holds the lock now; nothing: nobody does, or the file cannot be read.
  static std::optional<LockHolder> holder(const std::string& path);
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(File file) : file_(std::move(file)) {}

  File file_;
};

}  // namespace store
