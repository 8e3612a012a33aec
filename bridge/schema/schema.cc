#include "bridge/schema/schema.h"

#include "bridge/schema/compiler.h"
#include "bridge/schema/evaluator.h"
#include "bridge/schema/program.h"
#include "bridge/schema/resource.h"

#include <fmt/format.h>

namespace schema {

std::string to_line(const Violation& violation) {
  const bool is_root = violation.instance_location.empty();
  return fmt::format("{}: {}", is_root ? "(root)" : violation.instance_location, violation.message);
}

base::Result<Schema> Schema::compile(const Registry& registry, json::value document,
                                     Options options) {
  TRY(auto local, index_document({""}, "", std::move(document)));
  TRY(auto program, Compiler(registry, std::move(local), options).compile(""));
  return Schema(std::move(program));
}

base::Result<Schema> Schema::compile_uri(const Registry& registry, std::string_view uri,
                                         Options options) {
  TRY(auto program, Compiler(registry, {}, options).compile(uri));
  return Schema(std::move(program));
}

bool Schema::is_valid(const json::value& instance) const {
  return evaluate_flag(*program_, instance);
}

base::Result<std::vector<Violation>> Schema::check(const json::value& instance) const {
  return evaluate_errors(*program_, instance);
}

base::Result<json::object> Schema::basic(const json::value& instance) const {
  return evaluate_basic(*program_, instance);
}

}  // namespace schema
