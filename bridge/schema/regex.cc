#include "bridge/schema/regex.h"

#include "bridge/base/limits.h"
#include "bridge/schema/ecma_pattern.h"

#include <cstdlib>
#include <functional>
#include <iterator>
#include <string>

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace schema {

using base::Code;
using base::fail;

base::Result<Regex> Regex::compile_pcre2(std::string_view pattern) {
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C,
      &error, &offset, nullptr);
  if (!code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return fail(Code::invalid, fmt::format("this regular expression is not supported: {}",
                                           reinterpret_cast<const char*>(text)));
  }
  Regex regex;
  regex.code_ = std::shared_ptr<void>(
      code, [](void* old) { pcre2_code_free(static_cast<pcre2_code*>(old)); });
  // Without JIT the interpreter matches, only more slowly.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return regex;
}

base::Result<Regex> Regex::compile(std::string_view ecma) {
  TRY(const std::string pattern, pcre2_pattern(ecma));
  return compile_pcre2(pattern);
}

Regex Regex::compile_own(const char* pcre2) {
  auto regex = compile_pcre2(pcre2);
  BRIDGE_ASSERT(regex);
  return *std::move(regex);
}

Regex::Memory::~Memory() {
  pcre2_match_data_free(static_cast<pcre2_match_data*>(data_));
  pcre2_match_context_free(static_cast<pcre2_match_context*>(context_));
}

void* Regex::Memory::allocate(std::size_t size, void* self) {
  auto& memory = *static_cast<Memory*>(self);
  constexpr std::size_t unit = alignof(std::max_align_t);
  const std::size_t rounded = (size + unit - 1) / unit * unit;
  if (rounded > sizeof memory.buffer_ - memory.used_) return std::malloc(size);
  void* block = memory.buffer_ + memory.used_;
  memory.used_ += rounded;
  return block;
}

void Regex::Memory::release(void* block, void* self) {
  const auto& memory = *static_cast<Memory*>(self);
  const auto* at = static_cast<std::byte*>(block);
  const std::less<> before;
  const bool is_ours = !before(at, memory.buffer_) && before(at, std::end(memory.buffer_));
  if (!is_ours) std::free(block);
}

void Regex::Memory::prepare() {
  auto* general = pcre2_general_context_create(allocate, release, this);
  auto* context = pcre2_match_context_create(general);
  pcre2_set_match_limit(context, limits::pattern_match_steps_max);
  pcre2_set_depth_limit(context, limits::pattern_backtrack_depth_max);
  pcre2_set_heap_limit(context, limits::pattern_heap_kib_max);
  context_ = context;
  data_ = pcre2_match_data_create(1, general);
  pcre2_general_context_free(general);
  BRIDGE_ASSERT(data_);
}

Match Regex::search(std::string_view subject, Memory& memory) const {
  if (!memory.data_) memory.prepare();
  auto* code = static_cast<const pcre2_code*>(code_.get());
  auto* data = static_cast<pcre2_match_data*>(memory.data_);
  auto* context = static_cast<pcre2_match_context*>(memory.context_);
  const auto* text = reinterpret_cast<PCRE2_SPTR>(subject.data());
  int result = pcre2_match(code, text, subject.size(), 0, 0, data, context);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
    // The interpreter may use the heap.
    result = pcre2_match(code, text, subject.size(), 0, PCRE2_NO_JIT, data, context);
  }
  if (result >= 0) return Match::yes;
  const bool is_malformed = result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21;
  return result == PCRE2_ERROR_NOMATCH || is_malformed ? Match::no : Match::exhausted;
}

}  // namespace schema
