#include "bridge/services/beads/workspace.h"

#include "bridge/base/limits.h"
#include "bridge/services/beads/bead_id.h"
#include "bridge/services/beads/files.h"

#include <fmt/format.h>

namespace beads {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

base::Result<Workspace> Workspace::find(const fs::path& start) {
  std::error_code error;
  const fs::path first = fs::absolute(start, error).lexically_normal();
  for (fs::path folder = first;; folder = folder.parent_path()) {
    Workspace workspace(folder);
    if (fs::is_regular_file(workspace.file(), error)) return workspace;
    if (folder == folder.parent_path()) {
      return fail(Code::not_found,
                  fmt::format("no .beads/issues.jsonl in {} or above it", first.string()));
    }
  }
}

base::Result<Beads> Workspace::read() const {
  TRY(const std::string text, read_file(file(), limits::beads_file_bytes_max));
  return parse_beads(text, file().string());
}

base::Result<Bead> choose(const Beads& beads, std::string_view id) {
  if (const Bead* bead = beads.find(id)) return *bead;
  for (const Bead& bead : beads.all) {
    if (packet_id(bead.id()) == id) return bead;
  }
  const Bead* only = nullptr;
  std::string names;
  constexpr int named_max = 5;
  int count = 0;
  for (const Bead& bead : beads.all) {
    if (id.empty() || !bead.id().starts_with(id)) continue;
    only = &bead;
    if (count < named_max) names += (count == 0 ? "" : ", ") + bead.id();
    ++count;
  }
  if (count == 1) return *only;
  if (count == 0) return fail(Code::not_found, fmt::format("no bead \"{}\"", id));
  return fail(Code::conflict, fmt::format("\"{}\" may be any of {} beads: {}{}", id, count, names,
                                          count > named_max ? ", …" : ""));
}

}  // namespace beads
