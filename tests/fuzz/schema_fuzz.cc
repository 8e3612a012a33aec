// Hostile schemas and values: the text up to the first NUL is a schema, the rest a value. Whatever
// they are, checking ends, the quick and the full verdict agree and output says the same.
#include "bridge/base/result.h"
#include "bridge/schema/schema.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const auto end = input.find('\0');
  auto document = base::parse_json(input.substr(0, end));
  if (!document) return 0;
  auto value = base::parse_json(end == input.npos ? "null" : input.substr(end + 1));
  if (!value) return 0;

  const schema::Registry registry;
  const schema::Options options{.assert_format = true, .steps_max = 20'000};
  const auto compiled = schema::Schema::compile(registry, *document, options);
  if (!compiled) return 0;
  const auto violations = compiled->check(*value);
  const auto basic = compiled->basic(*value);
  // The quick check may decide what the full one cannot afford; never the other way round.
  if (violations && violations->empty()) BRIDGE_ASSERT(compiled->is_valid(*value));
  if (violations && !violations->empty()) BRIDGE_ASSERT(!compiled->is_valid(*value));
  if (violations && basic) BRIDGE_ASSERT(basic->at("valid").as_bool() == violations->empty());
  return 0;
}
