// How long one check takes: schema_bench SCHEMA_FOLDER SCHEMA_URI INSTANCE_FILE prints nanoseconds,
// the fastest of several rounds.
#include "bridge/schema/schema.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/core.h>

namespace {

double nanoseconds_per_check(const schema::Schema& compiled, const boost::json::value& instance) {
  using Clock = std::chrono::steady_clock;
  constexpr int rounds = 300;
  constexpr int checks = 1000;
  double best = 1e18;
  for (int round = 0; round < rounds; ++round) {
    const auto start = Clock::now();
    int valid = 0;
    for (int i = 0; i < checks; ++i) valid += compiled.is_valid(instance);
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    BRIDGE_ASSERT(valid == checks);
    best = std::min(best, took.count() / checks);
  }
  return best;
}

base::Result<double> measure(const char* folder, const char* uri, const char* file) {
  schema::Registry registry;
  TRY_OK(schema::add_directory(registry, folder));
  TRY(const auto compiled, schema::Schema::compile_uri(registry, uri));
  std::ifstream in(file);
  TRY(const auto instance, base::parse_json(std::string(std::istreambuf_iterator<char>(in), {})));
  TRY(const auto violations, compiled.check(instance));
  if (!violations.empty()) {
    return base::fail(base::Code::invalid, schema::to_line(violations.front()));
  }
  return nanoseconds_per_check(compiled, instance);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: schema_bench SCHEMA_FOLDER SCHEMA_URI INSTANCE_FILE\n");
    return 64;
  }
  const auto result = measure(argv[1], argv[2], argv[3]);
  if (!result) {
    fmt::print(stderr, "schema_bench: {}\n", result.error().message);
    return 1;
  }
  fmt::print("{:.0f}\n", *result);
}
