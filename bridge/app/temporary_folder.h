// A folder that goes away with its owner.
#pragma once

#include "bridge/base/result.h"

#include <filesystem>
#include <memory>
#include <string_view>

namespace app {

class TemporaryFolder {
 public:
  // Mode 0700, in the system's place for such folders. unavailable: it cannot be made there.
  static base::Result<std::unique_ptr<TemporaryFolder>> make(std::string_view prefix);
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;
};

}  // namespace app
