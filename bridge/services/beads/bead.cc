#include "bridge/services/beads/bead.h"

#include "bridge/base/hash.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"

#include <algorithm>
#include <initializer_list>
#include <unordered_map>

#include <fmt/format.h>

namespace beads {
namespace {

using base::Code;
using base::fail;

constexpr std::string_view plan_mark = "needs-plan";
constexpr std::initializer_list<std::string_view> texts{
    "title", "description", "design",     "acceptance_criteria",
    "notes", "status",      "issue_type", "assignee"};

bool is_texts(const json::value& value) {
  return value.is_array() && std::ranges::all_of(value.get_array(), &json::value::is_string);
}

// What the bridge reads of a bead has the type it expects; the rest is the tracker's own affair.
base::Result<> check_types(const json::object& fields) {
  for (const std::string_view name : texts) {
    const json::value* value = fields.if_contains(name);
    if (value && !value->is_string() && !value->is_null()) {
      return fail(Code::invalid, fmt::format("/{}: must be a string", name));
    }
  }
  const json::value* labels = fields.if_contains("labels");
  if (labels && !labels->is_null() && !is_texts(*labels)) {
    return fail(Code::invalid, "/labels: must be an array of strings");
  }
  return {};
}

}  // namespace

base::Result<Bead> Bead::parse(std::string_view line) {
  if (line.size() > limits::bead_line_bytes_max) {
    return fail(Code::invalid, fmt::format("longer than {} bytes", limits::bead_line_bytes_max));
  }
  TRY(json::value value, base::parse_json(line));
  if (!value.is_object()) return fail(Code::invalid, "must be a JSON object");
  json::object& fields = value.get_object();
  const json::value* id = fields.if_contains("id");
  if (!id || !id->is_string() || id->get_string().empty() ||
      id->get_string().size() > limits::bead_id_bytes_max) {
    return fail(Code::invalid,
                fmt::format("/id: must be a string of 1 to {} bytes", limits::bead_id_bytes_max));
  }
  TRY_OK(check_types(fields));
  std::string name(id->get_string());
  return Bead(std::move(name), std::move(fields));
}

std::string_view Bead::text(std::string_view member) const {
  const json::value* value = fields_.if_contains(member);
  return value && value->is_string() ? std::string_view(value->get_string()) : "";
}

std::vector<std::string> Bead::labels() const {
  std::vector<std::string> out;
  const json::value* labels = fields_.if_contains("labels");
  if (!labels || !labels->is_array()) return out;
  for (const json::value& label : labels->get_array()) out.emplace_back(label.get_string());
  return out;
}

bool Bead::is_closed() const { return status() == "closed" || status() == "tombstone"; }

bool Bead::needs_plan() const {
  if (is_closed()) return false;
  const auto marks = labels();
  return status() == plan_mark || std::ranges::find(marks, plan_mark) != marks.end();
}

std::string Bead::content_hash() const {
  json::object content;
  for (const std::string_view name : {"title", "description", "design", "acceptance_criteria"}) {
    content[name] = text(name);
  }
  return base::sha256_hex(base::canonical_json(content));
}

const Bead* Beads::find(std::string_view id) const {
  const auto found = std::ranges::find(all, id, &Bead::id);
  return found == all.end() ? nullptr : &*found;
}

base::Result<Beads> parse_beads(std::string_view text, std::string_view file_name) {
  Beads beads;
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const bool is_whole = end != std::string_view::npos;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(is_whole ? end + 1 : text.size());
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto bead = Bead::parse(line);
    if (!bead && !is_whole) {
      beads.has_partial_tail = true;
      break;
    }
    if (!bead) {
      return fail(bead.error().code,
                  fmt::format("{}: line {}: {}", file_name, number, bead.error().message));
    }
    const auto [place, is_new] = places.emplace(bead->id(), beads.all.size());
    if (!is_new) {
      beads.all[place->second] = *std::move(bead);
      continue;
    }
    if (beads.all.size() == limits::beads_max) {
      return fail(Code::invalid, fmt::format("{}: line {}: more than {} beads", file_name, number,
                                             limits::beads_max));
    }
    beads.all.push_back(*std::move(bead));
  }
  return beads;
}

}  // namespace beads
