// A layer under SQLite that writes the pages of a commit at once.
#pragma once

#include <memory>
#include <string>

namespace store {

// SQLite writes the head and the body of every page in its log apart, one call of the system each.
// Under this layer what is written one behind the other stays in memory until the log is synced,
// read, cut or closed. Others read a page of the log only once its commit is synced, as
// `synchronous = FULL` has it, so they miss nothing. Everything else is done by the layer below.
class GatheringVfs {
 public:
  // `below` is the name of a layer; empty: SQLite's own. Null if there is none of this name.
  static std::unique_ptr<GatheringVfs> over(const std::string& below);
  // When nothing is open in it any more.
  ~GatheringVfs();
  GatheringVfs(const GatheringVfs&) = delete;
  GatheringVfs& operator=(const GatheringVfs&) = delete;

  const char* name() const;

 private:
  struct Layer;
  explicit GatheringVfs(std::unique_ptr<Layer> layer);

  std::unique_ptr<Layer> layer_;
};

}  // namespace store
