// A compiled pattern whose matching is bounded. PCRE2's own limits are not enough: it counts at
// every place where a match could begin anew, goes over any length of text in one step, and its JIT
// does not count alternatives in capturing groups. So a match runs at full speed only where the
// pattern and the length of the text bound its work; any other is followed item by item.
#pragma once

#include "bridge/base/result.h"
#include "bridge/schema/pattern_shape.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace schema {

enum class Match { yes, no, exhausted };

class Regex {
 public:
  // An ECMA-262 pattern. invalid: why it is none, or what PCRE2 does not support of it.
  static base::Result<Regex> compile(std::string_view ecma);
  // A pattern in PCRE2's own syntax, for the program's own use.
  static Regex compile_own(const char* pcre2);

  // Working memory of matches, for one thread at a time; the heap is used only by matches that
  // need much of it.
  class Memory {
   public:
    Memory() = default;
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

   private:
    friend class Regex;
    // What is left to a match that is followed.
    struct Meter {
      std::uint64_t steps = 0;
      std::uint64_t item_steps = 1;
      std::size_t at = 0;     // where the last item began
      std::size_t moved = 0;  // over so many bytes that no step was taken for
    };
    void prepare();
    void limit(std::uint32_t steps);
    static void* allocate(std::size_t size, void* self);
    static void release(void* block, void* self);

    void* data_ = nullptr;
    void* context_ = nullptr;
    std::uint32_t limit_ = 0;
    Meter meter_;
    std::size_t used_ = 0;
    alignas(std::max_align_t) std::byte buffer_[512];
  };

  // Whether the pattern matches anywhere in `subject`. Text that is not UTF-8 matches nothing.
  // Takes out of `steps` what it may have cost. exhausted: deciding takes more than these, or more
  // steps, depth or heap than `base/limits.h` allows.
  Match search(std::string_view subject, Memory& memory, std::uint64_t& steps) const;

 private:
  struct Followed;
  struct Quick {
    std::uint32_t limit;  // of the steps that PCRE2 counts
    std::uint64_t steps;  // that it costs at most
  };
  Regex() = default;
  static base::Result<Regex> compile_pcre2(std::string_view pattern);
  static int follow(void* block, void* meter);
  // Nothing: it could cost much more than to follow it.
  std::optional<Quick> quick_search(std::size_t size, std::uint64_t steps_left) const;
  Match followed_search(std::string_view subject, Memory& memory, std::uint64_t& steps) const;

  std::shared_ptr<void> code_;
  std::shared_ptr<Followed> followed_;
  PatternShape shape_;
  std::size_t pattern_size_ = 0;
  bool is_anchored_ = false;
};

}  // namespace schema
