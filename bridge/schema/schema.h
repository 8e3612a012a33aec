// JSON Schema 2020-12: compile once, check values often. Nothing here ever uses the network.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/base/result.h"
#include "bridge/schema/registry.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace schema {

struct Program;

struct Options {
  // False: `format` is an annotation, unless the schema's dialect asserts it.
  bool assert_format = false;
  // How much work one check may do: roughly one step a schema, item and member visited.
  std::uint64_t steps_max = limits::schema_steps_max;
  // How many schemas may apply inside one another.
  std::size_t depth_max = limits::schema_evaluation_depth_max;
};

// One failed keyword, as in the output format `basic`.
struct Violation {
  std::string instance_location;  // RFC 6901 pointer into the value
  std::string keyword_location;   // the path taken through the schema, references included
  std::string absolute_keyword_location;
  std::string keyword;
  std::string message;  // what is wrong and what would be right, without the location

  friend bool operator==(const Violation&, const Violation&) = default;
};

// One line for a person: "/plan/0/step: must be at least 1, but is 0".
std::string to_line(const Violation& violation);

// An immutable compiled schema; copies share it. Checks may run on several threads at once.
class Schema {
 public:
  // invalid: not a schema, an unknown reference, pattern, dialect or required vocabulary, or too
  // large; the message names the schema and the place in it. The document's own $ids are known
  // besides the registry's. The registry is not needed afterwards.
  static base::Result<Schema> compile(const Registry& registry, json::value document,
                                      Options options = {});
  // The schema registered under `uri`, which may end in a fragment. not_found: unknown URI.
  static base::Result<Schema> compile_uri(const Registry& registry, std::string_view uri,
                                          Options options = {});

  // The output format `flag`. True only for a valid value: one that exhausts the bounds is not.
  bool is_valid(const json::value& instance) const;

  // Every violation, at most limits::schema_violations_max; empty when valid. invalid with
  // reason "schema_bounds": deciding would take more steps or depth than allowed.
  base::Result<std::vector<Violation>> check(const json::value& instance) const;

  // The output format `basic` (JSON Schema Core, section 12.4.2): `valid` with `errors`, or with
  // `annotations` for every keyword that held. Fails as `check` does.
  base::Result<json::object> basic(const json::value& instance) const;

 private:
  explicit Schema(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

}  // namespace schema
