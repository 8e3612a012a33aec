// URI references (RFC 3986, section 5) and JSON Pointers (RFC 6901). A base may itself be
// relative: "flywheel.chatgpt.v1/a.json" is a usable name of a schema.
#pragma once

#include <string>
#include <string_view>

namespace schema {

// `reference` resolved against `base`, its fragment kept.
std::string resolve_uri(std::string_view base, std::string_view reference);

struct SplitUri {
  std::string_view resource;  // without fragment
  std::string_view fragment;  // without '#'
};
SplitUri split_fragment(std::string_view uri);

// Malformed escapes stay as they are.
std::string percent_decoded(std::string_view text);

// "a/b~" becomes "a~1b~0".
std::string pointer_token(std::string_view name);
std::string pointer_token_decoded(std::string_view token);
// A JSON Pointer as a URI fragment, without '#'.
std::string pointer_fragment(std::string_view pointer);

}  // namespace schema
