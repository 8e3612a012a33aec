#include "bridge/services/beads/bead_packet.h"

#include "bridge/base/json.h"
#include "bridge/services/beads/bead_id.h"

#include <algorithm>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace beads {
namespace {

using base::Code;
using base::fail;

std::string default_question(Question question) {
  switch (question) {
    case Question::plan:
      return "Which steps, in which order and by whom, bring this bead to its goal, and how is "
             "each "
             "acceptance criterion tested?";
    case Question::evidence:
      return "What does this evidence show for each acceptance criterion, and what is missing "
             "before the bead can be called complete?";
    case Question::accept:
      return "Is every acceptance criterion met, so that the bead may be closed?";
  }
  return {};
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

json::object artifact(std::string_view type, std::string_view label, std::string_view content) {
  return {{"type", type}, {"label", label}, {"content", content}};
}

// The lines of a list, without its bullets and boxes; other lines stay as they are.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto trim = [&] {
      const std::size_t first = line.find_first_not_of(" \t\r");
      line.remove_prefix(std::min(first, line.size()));
      while (!line.empty() && is_blank(line.substr(line.size() - 1))) line.remove_suffix(1);
    };
    trim();
    for (const std::string_view mark : {"- ", "* ", "+ ", "[ ] ", "[x] ", "[X] "}) {
      if (!line.starts_with(mark)) continue;
      line.remove_prefix(mark.size());
      trim();
    }
    if (!line.empty()) out.emplace_back(line);
  }
  return out;
}

std::string goal_of(const Bead& bead) {
  std::string goal(is_blank(bead.title()) ? std::string_view(bead.id()) : bead.title());
  if (!is_blank(bead.text("description"))) goal += "\n\n" + std::string(bead.text("description"));
  return goal;
}

std::string member(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  const json::value* found = object ? object->if_contains(name) : nullptr;
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

// The comments, or the dependencies, a line or paragraph each; of unexpected shapes nothing.
std::string listed(const Bead& bead, std::string_view name,
                   std::string (*line)(const json::value& item)) {
  const json::value* items = bead.fields().if_contains(name);
  std::string out;
  if (!items || !items->is_array()) return out;
  for (const json::value& item : items->get_array()) out += line(item);
  return out;
}

void add_own_artifacts(const Bead& bead, std::vector<json::value>& artifacts) {
  constexpr std::pair<std::string_view, std::string_view> texts[] = {
      {"design", "Design"},
      {"acceptance_criteria", "Acceptance criteria"},
      {"notes", "Notes"},
      {"close_reason", "Reason for closing"}};
  for (const auto& [name, label] : texts) {
    if (!is_blank(bead.text(name))) {
      artifacts.push_back(artifact("bead", label, bead.text(name)));
    }
  }
  const std::string comments = listed(bead, "comments", [](const json::value& item) {
    const std::string text = member(item, "text");
    return text.empty() ? text
                        : fmt::format("{} ({}):\n{}\n\n", member(item, "author"),
                                      member(item, "created_at"), text);
  });
  if (!comments.empty()) artifacts.push_back(artifact("bead", "Comments", comments));
  const std::string dependencies = listed(bead, "dependencies", [](const json::value& item) {
    const std::string other = member(item, "depends_on_id");
    return other.empty() ? other : fmt::format("{} {}\n", member(item, "type"), other);
  });
  if (!dependencies.empty()) artifacts.push_back(artifact("bead", "Dependencies", dependencies));
}

}  // namespace

std::string_view packet_type(Question question) {
  switch (question) {
    case Question::plan:
      return "RFP_PLAN";
    case Question::evidence:
      return "EVIDENCE_BUNDLE";
    case Question::accept:
      return "ACCEPTANCE_GATE";
  }
  return {};
}

protocol::PacketParts packet_parts(Question question, const Bead& bead, const GitPlace& place,
                                   std::string sender, const Overrides& overrides) {
  protocol::PacketParts parts;
  parts.type = packet_type(question);
  parts.bead_id = packet_id(bead.id());
  parts.sender = std::move(sender);
  std::vector<std::string> constraints = overrides.constraints;
  if (constraints.empty()) constraints = lines_of(bead.text("acceptance_criteria"));
  if (parts.bead_id != bead.id()) {
    constraints.push_back(fmt::format("The tracker's id of this bead is {}.", bead.id()));
  }
  parts.context =
      json::object{{"repo", overrides.repo.value_or(place.repo)},
                   {"branch", overrides.branch.value_or(place.branch)},
                   {"goal", overrides.goal.value_or(goal_of(bead))},
                   {"constraints", json::array(constraints.begin(), constraints.end())}};
  parts.questions = overrides.questions;
  if (parts.questions.empty()) parts.questions.push_back(default_question(question));
  add_own_artifacts(bead, parts.artifacts);
  parts.artifacts.insert(parts.artifacts.end(), overrides.artifacts.begin(),
                         overrides.artifacts.end());
  parts.notes = overrides.notes;
  parts.idempotency_key = overrides.idempotency_key;
  return parts;
}

base::Result<json::value> to_artifact(std::string_view text, std::string_view file_name) {
  if (auto value = base::parse_json(text)) {
    const json::object* object = value->if_object();
    const bool is_artifact = object && object->size() == 3 && !member(*value, "type").empty() &&
                             !member(*value, "label").empty() && object->contains("content") &&
                             object->at("content").is_string();
    if (is_artifact) return *std::move(value);
  }
  json::value wrapped = artifact("file", file_name, text);
  // The strict reader takes what was written only if every text in it is UTF-8.
  if (!base::parse_json(json::serialize(wrapped))) {
    return fail(Code::invalid, fmt::format("{}: an artifact must be text in UTF-8", file_name));
  }
  return wrapped;
}

}  // namespace beads
