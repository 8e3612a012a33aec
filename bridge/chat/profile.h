// Page profiles: what the driver knows of each shell, as data. The program carries a set; a project
// may override or add files of the same names in a folder of its own.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <filesystem>
#include <string>
#include <vector>

namespace chat {

// Valid by construction against schemas/page-profile.schema.json. Whether a selector can be read,
// only the browser knows: the script's unreadable_selectors() tells.
class Profiles {
 public:
  // The built-in files, each replaced by the one of the same name in `folder` if that exists;
  // further *.json there are further shells. An empty path means none. invalid names the file and
  // the pointer of everything that is wrong.
  static base::Result<Profiles> load(const std::filesystem::path& folder);

  // The script that reads the page with these profiles; see page/*.js.
  std::string script() const;
  std::vector<std::string> shell_names() const;

 private:
  base::json::object common_;
  base::json::array shells_;
  base::json::array files_;  // where common_ and then the shells are from
  base::json::array selector_members_;
};

}  // namespace chat
