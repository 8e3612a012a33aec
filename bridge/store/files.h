// Files of the store, beyond what the standard library promises about durability and modes.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <utility>

namespace store {

// An open descriptor.
class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int descriptor() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// The error of a system call: readonly, full, io or connection.
base::Error system_error(int number, std::string doing);

// Opens with O_CLOEXEC; created with mode 0600.
base::Result<File> open_file(const std::string& path, int flags);
// Makes the folder of `path` and what is missing above it, readable by the owner alone.
base::Result<> make_folder_of(const std::string& path);
base::Result<> sync_file(const std::string& path);
// Makes durable that files appeared or went in the folder of `path`.
base::Result<> sync_folder_of(const std::string& path);
base::Result<> rename_file(const std::string& from, const std::string& to);
// conflict with reason exists: there is a file already.
base::Result<> rename_new(const std::string& from, const std::string& to);
void remove_file(const std::string& path);

}  // namespace store
