// A file compiled into the program.
#pragma once

#include <string_view>

namespace base {

struct EmbeddedFile {
  std::string_view path;  // relative, with forward slashes
  std::string_view content;
};

}  // namespace base
