#pragma once

#include <cstddef>
#include <string_view>

namespace base {

// The longest beginning of a UTF-8 text that has at most so many bytes and ends between two
// characters. Of what is not UTF-8 it may be shorter. A view of `text`.
std::string_view beginning_of(std::string_view text, std::size_t bytes_max);

}  // namespace base
