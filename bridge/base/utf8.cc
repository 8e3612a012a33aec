#include "bridge/base/utf8.h"

namespace base {

std::string_view beginning_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  const auto is_inside = [&](std::size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (bytes_max > 0 && is_inside(bytes_max)) --bytes_max;
  return text.substr(0, bytes_max);
}

}  // namespace base
