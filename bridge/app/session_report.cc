#include "bridge/app/session_report.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace app {
namespace {

namespace json = boost::json;

json::object state_json(const SessionReport& report) {
  return {{"state", chat::name(report.judged.state)},
          {"can_send", report.judged.can_send},
          {"evidence", report.judged.evidence},
          {"advice", chat::advice(report.judged.state)},
          {"shell", report.seen.shell()},
          {"conversation", report.conversation},
          {"url", report.seen.url},
          {"title", report.seen.title}};
}

json::array blocks_json(const std::vector<chat::CodeBlock>& blocks) {
  json::array list;
  for (const auto& block : blocks) {
    list.push_back(
        {{"language", block.language}, {"text", block.text}, {"partial", block.partial}});
  }
  return list;
}

json::object turn_json(const chat::Turn& turn) {
  return {{"id", turn.turn},
          {"role", turn.role},
          {"message_ids", json::array(turn.message_ids.begin(), turn.message_ids.end())},
          {"text", turn.text},
          {"code_blocks", blocks_json(turn.blocks)},
          {"complete", turn.complete},
          {"running", turn.running},
          {"failed", turn.failed},
          {"stopped", turn.stopped}};
}

json::object inspection_json(const SessionReport& report) {
  json::object out = state_json(report);
  json::array signs;
  for (const auto& sign : report.seen.signs) {
    signs.push_back({{"name", sign.name}, {"state", chat::name(sign.state)}, {"text", sign.text}});
  }
  out["signs"] = std::move(signs);
  out["dialogs"] = json::array(report.seen.dialogs.begin(), report.seen.dialogs.end());
  if (const auto& composer = report.seen.composer) {
    out["composer"] = json::object{{"count", composer->count},
                                   {"text", composer->text},
                                   {"attachments", composer->attachments},
                                   {"can_send", composer->can_send}};
  }
  json::array turns;
  for (const auto& turn : report.seen.turns) turns.push_back(turn_json(turn));
  out["turns"] = std::move(turns);
  // Code on a page whose turns are not understood.
  out["code_blocks"] = blocks_json(report.seen.loose_blocks);
  if (!report.digest.empty()) out["digest"] = report.digest;
  return out;
}

void print_state(Console& console, const SessionReport& report) {
  console.out << fmt::format("state         {}\nevidence      {}\n",
                             chat::name(report.judged.state), report.judged.evidence);
  if (const auto advice = chat::advice(report.judged.state); !advice.empty()) {
    console.out << fmt::format("what to do    {}\n", advice);
  }
  const std::string shell = report.seen.shell();
  console.out << fmt::format("shell         {}\nconversation  {}\n",
                             shell.empty() ? "none that is known" : shell, report.conversation);
  if (!report.browser.empty()) console.out << fmt::format("browser       {}\n", report.browser);
}

void print_blocks(Console& console, const std::vector<chat::CodeBlock>& blocks) {
  for (const auto& block : blocks) {
    console.out << fmt::format("    code [{}]{}\n", block.language,
                               block.partial ? " (the page shows only a part)" : "");
    for (std::size_t at = 0; at <= block.text.size();) {
      const auto end = std::min(block.text.find('\n', at), block.text.size());
      console.out << "      " << block.text.substr(at, end - at) << '\n';
      at = end + 1;
    }
  }
}

std::string_view condition(const chat::Turn& turn) {
  if (turn.failed) return "failed";
  if (turn.running) return "running";
  if (turn.stopped) return "stopped";
  return turn.complete ? "complete" : "not known to be complete";
}

}  // namespace

void print_check(Console& console, const SessionReport& report) {
  if (console.is_json) {
    json::object out = state_json(report);
    out["browser"] = report.browser;
    print_json(console, out);
  } else {
    print_state(console, report);
  }
}

void print_inspection(Console& console, const SessionReport& report) {
  if (console.is_json) {
    print_json(console, inspection_json(report));
    return;
  }
  print_state(console, report);
  if (const auto& composer = report.seen.composer) {
    console.out << fmt::format("composer      {} found, {} characters, {} attachments\n",
                               composer->count, composer->text.size(), composer->attachments);
  }
  for (const auto& turn : report.seen.turns) {
    console.out << fmt::format("\n{} {} ({})\n", turn.role, turn.turn, condition(turn));
    if (!turn.text.empty()) console.out << "    " << turn.text << '\n';
    print_blocks(console, turn.blocks);
  }
  print_blocks(console, report.seen.loose_blocks);
  if (!report.digest.empty()) {
    console.out << "\nThe shape of the page, without anything written on it:\n"
                << report.digest << '\n';
  }
}

}  // namespace app
