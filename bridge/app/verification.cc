#include "bridge/app/verification.h"

#include "bridge/app/exit_status.h"

#include <algorithm>

#include <fmt/format.h>

namespace app {

namespace json = boost::json;

namespace {

std::int64_t count_in(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value && value->is_int64() ? value->get_int64() : 0;
}

bool is_true(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

}  // namespace

base::Task<json::object> verify_journal(AskVerification ask,
                                        std::function<void(std::string_view)> tell) {
  std::int64_t after = 0;
  std::int64_t checkpoints = 0;
  std::int64_t vouched = 0;
  for (;;) {
    CO_TRY(auto answer, co_await ask(after));
    if (!answer.is_object()) {
      co_return base::fail(base::Code::internal, "the daemon's answer is no object");
    }
    auto view = std::move(answer.get_object());
    checkpoints += count_in(view, "checkpoints");
    vouched = std::max(vouched, count_in(view, "vouched"));
    if (is_true(view, "finished")) {
      view["checkpoints"] = checkpoints;
      view["vouched"] = vouched;
      co_return std::move(view);
    }
    const auto next = count_in(view, "next_after");
    if (next <= after) {
      co_return base::fail(
          base::Code::internal,
          fmt::format("verify the journal: the daemon comes no further than entry {}", after));
    }
    after = next;
    tell(fmt::format("{} entries are good so far", after));
  }
}

int exit_status_of_verification(const json::object& verification) {
  return is_true(verification, "finished") && is_true(verification, "valid") ? exit_ok
                                                                             : exit_negative;
}

}  // namespace app
