#include "bridge/app/queue_report.h"

#include "bridge/app/foreign_text.h"
#include "bridge/app/remote_call.h"

#include <fmt/format.h>

namespace app {

namespace json = boost::json;

namespace {

const json::object& object_in(const json::object& view, std::string_view key) {
  static const json::object none;
  const auto* value = view.if_contains(key);
  const auto* object = value ? value->if_object() : nullptr;
  return object ? *object : none;
}

const json::array& list_in(const json::object& view, std::string_view key) {
  static const json::array none;
  const auto* value = view.if_contains(key);
  const auto* list = value ? value->if_array() : nullptr;
  return list ? *list : none;
}

// 0 also for what is no number.
double number_in(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value && value->is_number() ? value->to_number<double>() : 0;
}

bool is_true(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

// Until the account's limits let the lane's next message go.
double next_send(const json::object& queue, const std::string& lane) {
  for (const auto& item : list_in(queue, "forecast")) {
    const auto* forecast = item.if_object();
    if (forecast && text_in(*forecast, "lane") == lane) {
      return number_in(*forecast, "next_send_seconds");
    }
  }
  return 0;
}

std::string closed_account(const json::object& breaker) {
  std::string text =
      fmt::format("  closed: {}: {}", line_in(breaker, "trip"), line_in(breaker, "detail"));
  const double left = number_in(breaker, "closes_in_seconds");
  return left > 0 ? text + fmt::format(" ({:.0f} s more)", left) : text;
}

void print_lane(Console& console, const json::object& queue, const json::object& lane) {
  const auto id = text_in(lane, "id");
  std::string line = fmt::format("  {:<24}  {} queued", id, text_in(lane, "queued"));
  const auto running = text_in(lane, "running");
  if (!running.empty()) line += "  runs " + running;
  const double held = number_in(lane, "held");
  if (held > 0) line += fmt::format("  {:.0f} held: flywheel packet list --is held", held);
  const auto paused = line_in(lane, "paused");
  if (!paused.empty()) {
    const bool is_alone = is_true(lane, "paused_itself");
    line += fmt::format("  paused: {} (flywheel queue resume{})", paused,
                        is_alone ? " --lane " + id : std::string());
  }
  const auto& breaker = object_in(lane, "breaker");
  if (is_true(breaker, "open")) line += closed_account(breaker);
  const double wait = next_send(queue, id);
  if (wait > 0) line += fmt::format("  next message in {:.0f} s", wait);
  console.out << line << '\n';
}

void print_limits(Console& console, std::string_view account, const json::object& limits) {
  std::string line = fmt::format("limits of {}:", account);
  for (const auto& item : list_in(limits, "caps")) {
    const auto* cap = item.if_object();
    if (!cap) continue;
    line += fmt::format(" {:.0f} messages in {:.0f} s,", number_in(*cap, "count"),
                        number_in(*cap, "window_seconds"));
  }
  console.out << line
              << fmt::format(" {:g} s between two, {:.0f} conversation(s) at a time\n",
                             number_in(limits, "pause_seconds"), number_in(limits, "parallel_max"));
}

}  // namespace

void print_queue(Console& console, const json::value& view) {
  const auto* queue = view.if_object();
  if (!queue) return;
  const auto& depths = object_in(*queue, "depths");
  console.out << fmt::format("{} queued, {} running, {} held{}\n", text_in(depths, "queued"),
                             text_in(depths, "running"), text_in(depths, "held"),
                             is_true(*queue, "drained") ? "; nothing goes on by itself" : "");
  if (const auto paused = line_in(*queue, "paused"); !paused.empty()) {
    console.out << fmt::format("everything is paused: {} (flywheel queue resume)\n", paused);
  }
  for (const auto& item : list_in(*queue, "lanes")) {
    if (item.is_object()) print_lane(console, *queue, item.get_object());
  }
  for (const auto& [account, limits] : object_in(object_in(*queue, "limits"), "accounts")) {
    if (limits.is_object()) print_limits(console, account, limits.get_object());
  }
}

}  // namespace app
