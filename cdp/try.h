// Early return for functions and coroutines that give a Result.
#pragma once

#include <expected>
#include <utility>

#define TRY_CONCAT_(a, b) a##b
#define TRY_NAME_(a, b) TRY_CONCAT_(a, b)
#define TRY_WITH_(return_word, result, declaration, ...)               \
  auto result = (__VA_ARGS__);                                         \
  if (!result) return_word std::unexpected(std::move(result).error()); \
  declaration = *std::move(result)
#define CHECK_WITH_(return_word, result, ...)                 \
  do {                                                        \
    if (auto result = (__VA_ARGS__); !result) {               \
      return_word std::unexpected(std::move(result).error()); \
    }                                                         \
  } while (false)

// TRY(auto value, f()); declares value, or returns f's error.
#define TRY(declaration, ...) \
  TRY_WITH_(return, TRY_NAME_(try_result_, __LINE__), declaration, __VA_ARGS__)
// CO_TRY(auto value, co_await f()); the same inside a coroutine.
#define CO_TRY(declaration, ...) \
  TRY_WITH_(co_return, TRY_NAME_(try_result_, __LINE__), declaration, __VA_ARGS__)
// TRY_OK(f()); and CO_TRY_OK(co_await f()); for a Result<> without a value.
#define TRY_OK(...) CHECK_WITH_(return, TRY_NAME_(try_result_, __LINE__), __VA_ARGS__)
#define CO_TRY_OK(...) CHECK_WITH_(co_return, TRY_NAME_(try_result_, __LINE__), __VA_ARGS__)
