// What somebody probably meant to type.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace base {

// The candidate closest to `word`, if it is close enough to be a slip of the fingers; else empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean <nearest>?", or nothing.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace base
