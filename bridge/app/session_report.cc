#include "bridge/app/session_report.h"

#include "bridge/app/browser_session.h"
#include "bridge/app/daemon_client.h"
#include "bridge/app/exit_status.h"
#include "bridge/chat/state.h"
#include "cdp/json_text.h"

#include <algorithm>

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace app {
namespace {

namespace json = boost::json;

bool flag_in(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

const json::array& array_in(const json::object& object, std::string_view key) {
  static const json::array none;
  const auto* value = object.if_contains(key);
  return value && value->is_array() ? value->get_array() : none;
}

void print_row(std::ostream& out, std::string_view name, const std::string& text) {
  if (!text.empty()) out << fmt::format("{:<13} {}\n", name, text);
}

void print_state(Console& console, const json::object& view) {
  print_row(console.out, "state", cdp::text_in(view, "state"));
  print_row(console.out, "since", cdp::text_in(view, "since"));
  print_row(console.out, "evidence", cdp::text_in(view, "evidence"));
  print_row(console.out, "what to do", cdp::text_in(view, "advice"));
  const std::string shell = cdp::text_in(view, "shell");
  print_row(console.out, "shell", shell.empty() ? "none that is known" : shell);
  print_row(console.out, "conversation", cdp::text_in(view, "conversation"));
  print_row(console.out, "browser", cdp::text_in(view, "browser"));
  print_row(console.out, "next check", cdp::text_in(view, "next_check"));
}

void print_blocks(Console& console, const json::array& blocks) {
  for (const auto& item : blocks) {
    if (!item.is_object()) continue;
    const auto& block = item.get_object();
    console.out << fmt::format("    code [{}]{}\n", cdp::text_in(block, "language"),
                               flag_in(block, "partial") ? " (the page shows only a part)" : "");
    const std::string text = cdp::text_in(block, "text");
    for (std::size_t at = 0; at <= text.size();) {
      const auto end = std::min(text.find('\n', at), text.size());
      console.out << "      " << text.substr(at, end - at) << '\n';
      at = end + 1;
    }
  }
}

std::string_view condition(const json::object& turn) {
  if (flag_in(turn, "failed")) return "failed";
  if (flag_in(turn, "running")) return "running";
  if (flag_in(turn, "stopped")) return "stopped";
  return flag_in(turn, "complete") ? "complete" : "not known to be complete";
}

void print_composer(Console& console, const json::object& view) {
  const auto* found = view.if_contains("composer");
  const auto* composer = found ? found->if_object() : nullptr;
  if (!composer) return;
  const auto number = [&](std::string_view key) {
    const auto* value = composer->if_contains(key);
    return value && value->is_int64() ? value->get_int64() : 0;
  };
  print_row(console.out, "composer",
            fmt::format("{} found, {} characters, {} attachments", number("count"),
                        cdp::text_in(*composer, "text").size(), number("attachments")));
}

}  // namespace

void print_breakers(std::ostream& out, const json::object& view) {
  for (const auto& item : array_in(view, "breakers")) {
    if (!item.is_object()) continue;
    const auto& breaker = item.get_object();
    const std::string lane = cdp::text_in(breaker, "lane");
    print_row(out, lane.empty() ? "nothing sent" : "lane waits",
              fmt::format("{}{}since {}: {}: {}", lane, lane.empty() ? "" : " ",
                          cdp::text_in(breaker, "since"), cdp::text_in(breaker, "trip"),
                          cdp::text_in(breaker, "detail")));
    print_row(out, "what to do", cdp::text_in(breaker, "advice"));
  }
}

void print_check(Console& console, const json::object& view) {
  if (console.is_json) {
    print_json(console, view);
  } else {
    print_state(console, view);
    print_breakers(console.out, view);
  }
}

void print_inspection(Console& console, const json::object& view) {
  if (console.is_json) {
    print_json(console, view);
    return;
  }
  print_state(console, view);
  print_composer(console, view);
  for (const auto& item : array_in(view, "turns")) {
    if (!item.is_object()) continue;
    const auto& turn = item.get_object();
    console.out << fmt::format("\n{} {} ({})\n", cdp::text_in(turn, "role"),
                               cdp::text_in(turn, "id"), condition(turn));
    if (const auto text = cdp::text_in(turn, "text"); !text.empty()) {
      console.out << "    " << text << '\n';
    }
    print_blocks(console, array_in(turn, "code_blocks"));
  }
  print_blocks(console, array_in(view, "code_blocks"));
  if (const auto digest = cdp::text_in(view, "digest"); !digest.empty()) {
    console.out << "\nThe shape of the page, without anything written on it:\n" << digest << '\n';
  }
}

int print_screenshot(Console& console, const std::string& file, std::string_view png) {
  if (file == "-") {
    console.out << png;
    return exit_ok;
  }
  if (auto written = write_file(file, png); !written) return print_failed(console, written.error());
  if (console.is_json) {
    print_json(console, {{"file", file}, {"bytes", png.size()}});
  } else {
    console.out << fmt::format("{} shows the page as it is now\n", file);
  }
  return exit_ok;
}

int status_of_session(const json::object& view) {
  if (flag_in(view, "can_send")) return exit_ok;
  // The page may look well all the same.
  for (const auto& item : array_in(view, "breakers")) {
    if (!item.is_object() || flag_in(item.get_object(), "is_partial")) continue;
    const auto* closes = item.get_object().if_contains("closes_in_seconds");
    return closes && closes->is_number() ? exit_try_again : exit_not_authorised;
  }
  const auto state = chat::state_named(cdp::text_in(view, "state"));
  return state ? exit_status_of(chat::as_error(*state, cdp::text_in(view, "evidence")))
               : exit_negative;
}

bool waits_for_person(const json::object& view) {
  const auto& breakers = array_in(view, "breakers");
  const auto state = chat::state_named(cdp::text_in(view, "state"));
  if (state && chat::needs_person(*state)) return true;
  if (breakers.empty()) return !flag_in(view, "can_send");
  return std::ranges::any_of(breakers, [](const json::value& item) {
    const auto* closes =
        item.is_object() ? item.get_object().if_contains("closes_in_seconds") : nullptr;
    return closes && closes->is_null();
  });
}

}  // namespace app
