// The seed of a test that draws one at random.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace test {

// Where the running program lies, whatever folder it is run in.
inline std::filesystem::path folder_of_program() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

// ctest repeats what failed, and under another seed it would mostly pass. So a failure leaves its
// seed in a file, and until somebody has looked into it and removed that, the test runs under this
// seed and fails.
class KeptSeed {
 public:
  // `variable` of the environment: the seed that a person wants, which keeps nothing; else `drawn`.
  KeptSeed(const char* variable, const std::string& test, std::uint64_t drawn,
           const std::filesystem::path& folder = folder_of_program())
      : file_(folder / (test + ".failed_seed")) {
    const char* wanted = std::getenv(variable);
    is_wanted_ = wanted != nullptr && *wanted != '\0';
    value_ = is_wanted_ ? std::strtoull(wanted, nullptr, 10) : drawn;
    if (is_wanted_) return;
    if (const auto failed = kept()) {
      value_ = *failed;
      ADD_FAILURE() << "it failed under seed " << value_ << ", and runs under that once more: look "
                    << "into it (" << variable << '=' << value_ << "), then remove "
                    << file_.string();
    }
  }
  KeptSeed(const KeptSeed&) = delete;
  KeptSeed& operator=(const KeptSeed&) = delete;
  ~KeptSeed() {
    if (testing::Test::HasFailure()) keep();
  }

  std::uint64_t value() const { return value_; }
  void keep() const {
    if (!is_wanted_) std::ofstream(file_) << value_ << '\n';
  }

 private:
  std::optional<std::uint64_t> kept() const {
    std::ifstream in(file_);
    std::uint64_t seed = 0;
    return in >> seed ? std::optional(seed) : std::nullopt;
  }

  std::filesystem::path file_;
  bool is_wanted_ = false;
  std::uint64_t value_ = 0;
};

}  // namespace test
