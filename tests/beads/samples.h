// Beads to test with.
#pragma once

#include "bridge/services/beads/bead.h"
#include "tests/app/process.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace beads {

inline const std::string sample_file = SOURCE_DIR "/fixtures/beads/workspace/.beads/issues.jsonl";

inline std::string file_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline Beads sample_beads() {
  auto beads = parse_beads(file_text(sample_file), "issues.jsonl");
  EXPECT_TRUE(beads) << beads.error().message;
  return beads ? *beads : Beads();
}

inline Bead sample(std::string_view id) {
  const Beads beads = sample_beads();
  BRIDGE_ASSERT(beads.find(id));
  return *beads.find(id);
}

// The bead with some members changed.
inline Bead with(const Bead& bead, const json::object& changes) {
  json::object fields = bead.fields();
  for (const auto& [key, value] : changes) fields[key] = value;
  return *Bead::parse(json::serialize(fields));
}

inline std::string to_lines(const std::vector<Bead>& beads) {
  std::string text;
  for (const Bead& bead : beads) text += json::serialize(bead.fields()) + "\n";
  return text;
}

// An answer to an ACCEPTANCE_GATE about a packet's bead.
inline json::object acceptance(std::string_view bead_id, std::string_view verdict, bool passed) {
  return {{"proto", "flywheel.chatgpt.v1"},
          {"bead_id", bead_id},
          {"msg_type", "ACCEPTANCE_GATE_RESPONSE"},
          {"verdict", verdict},
          {"next_actions", json::array()},
          {"acceptance", json::object{{"passed", passed}, {"evidence", json::array()}}}};
}

}  // namespace beads
