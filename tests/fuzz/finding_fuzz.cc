// A program with a fault, which fuzzing finds at once: that it is found again is tested with it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size > 1 && bytes[0] % 16 == 5 && bytes[1] % 16 == 9) std::abort();
  return 0;
}
