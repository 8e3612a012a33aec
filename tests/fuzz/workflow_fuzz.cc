// Definitions come from anybody: reading one ends, and what is read can be evaluated or refused.
#include "bridge/services/workflows/definition.h"
#include "bridge/services/workflows/template.h"
#include "bridge/services/workflows/yaml.h"

#include <cstdint>
#include <string_view>

namespace {

namespace json = boost::json;

void evaluate(std::string_view text) {
  static const json::object inputs{{"a", "text"}, {"b", json::array{1, 2, nullptr}}};
  static const json::object jobs{{"x", json::object{{"result", "success"}, {"outputs", inputs}}}};
  workflow::Budget budget;
  (void)workflow::fill(json::value(text), {inputs, jobs, inputs}, budget);
}

}  // namespace

// The first byte chooses what is read.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    evaluate(text);
    return 0;
  }
  auto parsed = workflow::parse_yaml(text);
  if (!parsed) return 0;
  const auto definition = workflow::Definition::from_json(std::move(parsed->value));
  BRIDGE_ASSERT(definition || !definition.error().message.empty());
  if (!definition) return 0;
  for (const auto& step : definition->steps) {
    const auto kept = workflow::to_json(step);
    const auto again = workflow::step_from(step.id, kept);
    BRIDGE_ASSERT(again && workflow::to_json(*again) == kept);
  }
  return 0;
}
