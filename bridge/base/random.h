// Random numbers, injected so that a simulation can repeat them.
#pragma once

#include <cstdint>
#include <random>

namespace base {

class Random {
 public:
  virtual ~Random() = default;
  // 64 uniformly distributed bits.
  virtual std::uint64_t bits() = 0;

  // Uniform in [0, bound); `bound` is at least 1.
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [0, 1).
  double unit() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
};

// From the system's cryptographic generator.
class SystemRandom final : public Random {
 public:
  std::uint64_t bits() override;
};

// The same numbers for the same seed, on every machine. For simulations only.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t bits() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace base
