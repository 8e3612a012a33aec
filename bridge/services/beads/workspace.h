// A folder with the tracker's file in it.
#pragma once

#include "bridge/services/beads/bead.h"

#include <filesystem>

namespace beads {

class Workspace {
 public:
  // The nearest folder from `start` upward that has `.beads/issues.jsonl`. not_found otherwise.
  static base::Result<Workspace> find(const std::filesystem::path& start);

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path folder() const { return root_ / ".beads"; }
  std::filesystem::path file() const { return folder() / "issues.jsonl"; }
  // What the bridge keeps beside the tracker's own files.
  std::filesystem::path own_folder() const { return folder() / "flywheel"; }

  // Every bead there is now. A file that is replaced meanwhile is read as it was or as it is.
  base::Result<Beads> read() const;

 private:
  explicit Workspace(std::filesystem::path root) : root_(std::move(root)) {}

  std::filesystem::path root_;
};

// The bead with this id, this packet id, or the only one whose id begins so. not_found, or
// conflict that names the candidates.
base::Result<Bead> choose(const Beads& beads, std::string_view id);

}  // namespace beads
