// One process at a time on a store.
#pragma once

#include "bridge/store/files.h"

namespace store {

// The lock is the system's lock on the open file and ends with the process, however it ends. The
// text inside only tells people who holds it.
class LockFile {
 public:
  // busy with reason locked at once if another has it; the message names the holder.
  static base::Result<LockFile> acquire(const std::string& path, const std::string& holder);
  LockFile(LockFile&&) = default;
  LockFile& operator=(LockFile&&) = delete;
  ~LockFile();

 private:
  explicit LockFile(File file) : file_(std::move(file)) {}

  File file_;
};

}  // namespace store
