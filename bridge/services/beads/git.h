// Where a folder stands in git, read from git's own files without running anything.
#pragma once

#include <filesystem>
#include <string>

namespace beads {

struct GitPlace {
  std::string repo;         // "owner/name" of the remote origin, else the name of the top folder
  std::string branch;       // "detached at 0123456789ab" without a branch, "none" without git
  std::string commit = {};  // HEAD's, in hex; empty: none yet, not told by plain files, or no git
};

// Never fails: what cannot be read is replaced by what is known. Nothing of a remote's address
// besides its last two parts is told, so no credentials.
GitPlace git_place(const std::filesystem::path& folder);

}  // namespace beads
