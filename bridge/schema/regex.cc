#include "bridge/schema/regex.h"

#include "bridge/base/limits.h"
#include "bridge/schema/ecma_pattern.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <mutex>
#include <string>

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace schema {

using base::Code;
using base::fail;

namespace {

// PCRE2 goes over so many bytes while a schema visits a value.
constexpr std::size_t step_bytes = 256;
// A quick search, which is charged for the worst, may take so many steps a byte, and such a part of
// what is left: where many searches run, following them one by one takes fewer steps.
constexpr std::uint64_t quick_byte_steps = 4;
constexpr std::uint64_t quick_share = 8192;
// What honest patterns need of the steps that PCRE2 counts.
constexpr std::uint32_t quick_limit = 32;
constexpr std::uint32_t linear_limit = 64;
// Beyond these no search is quick, and nothing below overflows.
constexpr std::uint64_t quick_ways_max = 1024;
constexpr std::size_t quick_starts_max = 4096;

pcre2_code* code_of(std::string_view pattern, std::uint32_t more_options, int& error) {
  std::size_t offset = 0;
  return pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                       PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                           PCRE2_NEVER_BACKSLASH_C | more_options,
                       &error, &offset, nullptr);
}

std::shared_ptr<void> owned(pcre2_code* code) {
  return {code, [](void* old) { pcre2_code_free(static_cast<pcre2_code*>(old)); }};
}

bool charge(std::uint64_t& left, std::uint64_t steps) {
  if (steps > left) return false;
  left -= steps;
  return true;
}

bool decides(int result) {
  return result >= 0 || result == PCRE2_ERROR_NOMATCH ||
         (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21);
}

Match match_of(int result) {
  if (!decides(result)) return Match::exhausted;
  return result >= 0 ? Match::yes : Match::no;
}

}  // namespace

// The pattern again, in a form that calls `follow` before every item. Most are never needed.
struct Regex::Followed {
  explicit Followed(std::string_view text) : pattern(text) {}

  const pcre2_code* code() {
    std::call_once(is_compiled, [this] {
      int error = 0;
      owner = owned(code_of(pattern, PCRE2_AUTO_CALLOUT, error));
    });
    return static_cast<const pcre2_code*>(owner.get());
  }

  const std::string pattern;
  std::once_flag is_compiled;
  std::shared_ptr<void> owner;
};

base::Result<Regex> Regex::compile_pcre2(std::string_view pattern) {
  int error = 0;
  pcre2_code* code = code_of(pattern, 0, error);
  if (!code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return fail(Code::invalid, fmt::format("this regular expression is not supported: {}",
                                           reinterpret_cast<const char*>(text)));
  }
  Regex regex;
  regex.code_ = owned(code);
  // Without JIT the interpreter matches, only more slowly.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  regex.followed_ = std::make_shared<Followed>(pattern);
  regex.shape_ = shape_of(pattern);
  regex.pattern_size_ = pattern.size();
  std::uint32_t options = 0;
  pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
  regex.is_anchored_ = (options & PCRE2_ANCHORED) != 0;
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
  pcre2_set_callout(
      context, [](pcre2_callout_block* block, void* meter) { return follow(block, meter); },
      &meter_);
  pcre2_set_depth_limit(context, limits::pattern_backtrack_depth_max);
  pcre2_set_heap_limit(context, limits::pattern_heap_kib_max);
  context_ = context;
  data_ = pcre2_match_data_create(1, general);
  pcre2_general_context_free(general);
  BRIDGE_ASSERT(data_);
}

void Regex::Memory::limit(std::uint32_t steps) {
  if (steps == limit_) return;
  pcre2_set_match_limit(static_cast<pcre2_match_context*>(context_), steps);
  limit_ = steps;
}

int Regex::follow(void* block, void* data) {
  auto& meter = *static_cast<Memory::Meter*>(data);
  const std::size_t now = static_cast<const pcre2_callout_block*>(block)->current_position;
  meter.moved += now > meter.at ? now - meter.at : meter.at - now;
  meter.at = now;
  const std::uint64_t steps = meter.item_steps + meter.moved / step_bytes;
  meter.moved %= step_bytes;
  return charge(meter.steps, steps) ? 0 : PCRE2_ERROR_CALLOUT;
}

std::optional<Regex::Quick> Regex::quick_search(std::size_t size, std::uint64_t steps_left) const {
  if (shape_.ways > quick_ways_max) return std::nullopt;
  if (!is_anchored_ && shape_.scans > 0 && size > quick_starts_max) return std::nullopt;
  // With one repeat alone, the text is gone over once, in as many steps as it has parts.
  const bool is_linear = is_anchored_ && shape_.scans <= 1;
  const std::size_t parts =
      std::min<std::size_t>(size & ~std::size_t{63}, limits::pattern_match_steps_max / 8);
  const std::uint32_t limit =
      is_linear ? linear_limit + 4 * static_cast<std::uint32_t>(parts) : quick_limit;
  // Between two steps, literals may be compared in every alternative, and repeats go over the text.
  const std::uint64_t literals = 8 + pattern_size_ / 4;
  const std::uint64_t scans = shape_.scans > 1 ? limit : shape_.scans;
  const std::uint64_t starts = is_anchored_ ? 1 : size + 1;
  const std::uint64_t bytes = starts * shape_.ways * (literals * limit + size * scans);
  const std::uint64_t steps = bytes / step_bytes;
  if (steps > quick_byte_steps * size + steps_left / quick_share) return std::nullopt;
  return Quick{limit, steps};
}

Match Regex::followed_search(std::string_view subject, Memory& memory, std::uint64_t& steps) const {
  const pcre2_code* code = followed_->code();
  if (!code) return Match::exhausted;
  const std::size_t silent = std::min(shape_.silent, subject.size());
  memory.meter_ = {.steps = steps, .item_steps = 1 + silent / step_bytes};
  memory.limit(limits::pattern_match_steps_max);
  const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(),
                                 0, 0, static_cast<pcre2_match_data*>(memory.data_),
                                 static_cast<pcre2_match_context*>(memory.context_));
  steps = memory.meter_.steps;
  return match_of(result);
}

Match Regex::search(std::string_view subject, Memory& memory, std::uint64_t& steps) const {
  if (!memory.data_) memory.prepare();
  if (!charge(steps, 1 + subject.size() / 64)) return Match::exhausted;
  const auto quick = quick_search(subject.size(), steps);
  if (!quick || !charge(steps, quick->steps)) return followed_search(subject, memory, steps);
  memory.limit(quick->limit);
  auto* code = static_cast<const pcre2_code*>(code_.get());
  auto* data = static_cast<pcre2_match_data*>(memory.data_);
  auto* context = static_cast<pcre2_match_context*>(memory.context_);
  const auto* text = reinterpret_cast<PCRE2_SPTR>(subject.data());
  int result = pcre2_match(code, text, subject.size(), 0, 0, data, context);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT && charge(steps, quick->steps)) {
    // The interpreter may use the heap.
    result = pcre2_match(code, text, subject.size(), 0, PCRE2_NO_JIT, data, context);
  }
  return decides(result) ? match_of(result) : followed_search(subject, memory, steps);
}

}  // namespace schema
