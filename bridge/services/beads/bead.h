// A work item of the tracker, as one line of `.beads/issues.jsonl` has it.
#pragma once

#include "bridge/base/result.h"

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace beads {

namespace json = boost::json;

// Valid by construction: `parse` is the only door. Members the bridge does not know are kept.
class Bead {
 public:
  // invalid: says what is wrong with the line. Only `id` is required.
  static base::Result<Bead> parse(std::string_view line);

  const std::string& id() const { return id_; }
  // A member that is text; empty if the bead has none or null.
  std::string_view text(std::string_view member) const;
  std::string_view title() const { return text("title"); }
  // open, in_progress, blocked, deferred, closed, tombstone, pinned, or a word of the workspace.
  std::string_view status() const { return text("status"); }
  std::vector<std::string> labels() const;
  const json::object& fields() const { return fields_; }

  // Closed, or removed and left as a tombstone.
  bool is_closed() const;
  // Marked `needs-plan`, by status or label, and not closed.
  bool needs_plan() const;

  // SHA-256 in hex of what an answer about the bead is about: title, description, design and
  // acceptance criteria.
  std::string content_hash() const;

  friend bool operator==(const Bead& a, const Bead& b) { return a.fields_ == b.fields_; }

 private:
  Bead(std::string id, json::object fields) : id_(std::move(id)), fields_(std::move(fields)) {}

  std::string id_;
  json::object fields_;
};

struct Beads {
  std::vector<Bead> all;  // in the order of the file; ids are unique
  // The last line ends in the middle: somebody was writing. It is left out.
  bool has_partial_tail = false;

  const Bead* find(std::string_view id) const;
};

// The beads of a whole file. A later line with the same id replaces the earlier one; blank lines
// are nothing. invalid: names the line by its number.
base::Result<Beads> parse_beads(std::string_view text, std::string_view file_name);

}  // namespace beads
