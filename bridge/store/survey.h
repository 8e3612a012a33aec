// A store looked at from outside, also while another process works it. Nothing is changed.
#pragma once

#include "bridge/base/result.h"
#include "bridge/store/store.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace store {

struct Survey {
  std::optional<std::string> holder;             // who has it open, for people
  std::map<std::string, std::int64_t> versions;  // the newest step of each component
  std::int64_t generation = 0;
  std::uint64_t bytes = 0;      // of the file and its log
  std::uint64_t disk_free = 0;  // for its owner
  bool has_ballast = false;     // false: given away because the disk was full, or never there
};

// not_found: there is no such file. conflict with reason foreign: it is no store.
base::Result<Survey> survey(const std::string& path);

// Runs `work` on what is committed now.
base::Result<> look_into(const std::string& path, const std::function<base::Result<>(Tx&)>& work);

}  // namespace store
