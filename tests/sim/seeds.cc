// Lives many seeds: sim_seeds FIRST-LAST. The first that breaks a promise is printed with
// the command that repeats it; all together must have met every misfortune.
#include "tests/sim/lives.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>

namespace {

bool read(std::string_view text, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

int live_all(std::uint64_t first, std::uint64_t last) {
  sim::Ground ground;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const auto broken = sim::live(ground, seed, sim::setting_of(seed));
    if (broken.empty()) continue;
    std::printf("seed %llu broke a promise\n%sagain: sim_seeds %llu-%llu\n",
                static_cast<unsigned long long>(seed), sim::told(broken).c_str(),
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed));
    return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto count = last - first + 1;
  std::printf("%llu seeds kept every promise, %.2f ms each; what they met:\n%s",
              static_cast<unsigned long long>(count),
              took.count() * 1000 / static_cast<double>(count), ground.coverage.report().c_str());
  // A few may well miss something.
  constexpr std::uint64_t many = 25'000;
  if (count < many) return 0;
  const auto missing = ground.coverage.missing(sim::misfortunes());
  for (const auto& misfortune : missing) std::printf("never happened: %s\n", misfortune.c_str());
  return missing.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view range = argc == 2 ? argv[1] : "";
  const auto dash = range.find('-');
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (dash == std::string_view::npos || !read(range.substr(0, dash), first) ||
      !read(range.substr(dash + 1), last) || last < first) {
    std::fprintf(stderr, "usage: sim_seeds FIRST-LAST\n");
    return 2;
  }
  return live_all(first, last);
}
