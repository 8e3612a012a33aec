#include "bridge/chat/inspection.h"

#include <boost/json/array.hpp>

namespace chat {

namespace json = boost::json;

namespace {

json::array view_of(const std::vector<CodeBlock>& blocks) {
  json::array list;
  for (const auto& block : blocks) {
    list.push_back(
        {{"language", block.language}, {"text", block.text}, {"partial", block.partial}});
  }
  return list;
}

json::object view_of(const Turn& turn) {
  return {{"id", turn.turn},
          {"role", turn.role},
          {"message_ids", json::array(turn.message_ids.begin(), turn.message_ids.end())},
          {"text", turn.text},
          {"code_blocks", view_of(turn.blocks)},
          {"complete", turn.complete},
          {"running", turn.running},
          {"failed", turn.failed},
          {"stopped", turn.stopped}};
}

}  // namespace

json::object view_of(const Inspection& inspection, std::string_view conversation) {
  const auto& [seen, judged, digest] = inspection;
  json::object out{{"state", name(judged.state)},
                   {"can_send", judged.can_send},
                   {"evidence", judged.evidence},
                   {"advice", advice(judged.state)},
                   {"shell", seen.shell()},
                   {"conversation", conversation},
                   {"url", seen.url},
                   {"title", seen.title}};
  json::array signs;
  for (const auto& sign : seen.signs) {
    signs.push_back({{"name", sign.name}, {"state", name(sign.state)}, {"text", sign.text}});
  }
  out["signs"] = std::move(signs);
  out["dialogs"] = json::array(seen.dialogs.begin(), seen.dialogs.end());
  if (const auto& composer = seen.composer) {
    out["composer"] = json::object{{"count", composer->count},
                                   {"text", composer->text},
                                   {"attachments", composer->attachments},
                                   {"can_send", composer->can_send}};
  }
  json::array turns;
  for (const auto& turn : seen.turns) turns.push_back(view_of(turn));
  out["turns"] = std::move(turns);
  // Code on a page whose turns are not understood.
  out["code_blocks"] = view_of(seen.loose_blocks);
  if (!digest.empty()) out["digest"] = digest;
  return out;
}

}  // namespace chat
