// A JSON Schema as one reads it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace protocol {

// Schema documents by their $id.
using Documents = std::map<std::string, boost::json::value, std::less<>>;

// The object that the schema `id` describes, one line a member: optional members with a `?`, then
// the type, then the description. Understands the keywords of the packet schemas; what it does not
// understand reads as "any JSON". ASCII as far as the schemas are.
std::string response_shape(const Documents& documents, std::string_view id);

}  // namespace protocol
