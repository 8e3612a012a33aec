// A compiled pattern whose matching is bounded.
#pragma once

#include "bridge/base/result.h"

#include <cstddef>
#include <memory>
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
    void prepare();
    static void* allocate(std::size_t size, void* self);
    static void release(void* block, void* self);

    void* data_ = nullptr;
    void* context_ = nullptr;
    std::size_t used_ = 0;
    alignas(std::max_align_t) std::byte buffer_[512];
  };

  // Whether the pattern matches anywhere in `subject`. Text that is not UTF-8 matches nothing.
  // exhausted: deciding takes more steps, depth or heap than `base/limits.h` allows.
  Match search(std::string_view subject, Memory& memory) const;

 private:
  Regex() = default;
  static base::Result<Regex> compile_pcre2(std::string_view pattern);

  std::shared_ptr<void> code_;
};

}  // namespace schema
