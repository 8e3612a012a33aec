// Questions and answers about beads, kept in `.beads/flywheel/`: one folder a bead, named by its
// packet id. Files are written once, whole and durably, and never changed.
//
//   <bead>/bead.json                           {"id": the tracker's id}: the way back
//   <bead>/<time>-<TYPE>.content.json          {"id", "content_sha256", "packet_sha256"}: what the
//                                              bead said when the question was asked
//   <bead>/<time>-<TYPE>.request.json          the packet
//   <bead>/<time>-<TYPE>.response.json         its validated answer
#pragma once

#include "bridge/base/clock.h"
#include "bridge/protocol/packet.h"
#include "bridge/protocol/reply.h"
#include "bridge/services/beads/bead.h"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace beads {

// A question that has its answer, as it lies in the archive: not checked yet.
struct Answered {
  std::string name;  // "20261126T190224.123Z-ACCEPTANCE_GATE"
  std::string content_hash;
  std::string packet_hash;
  std::string request;
  std::string response;
};

class Archive {
 public:
  explicit Archive(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Keeps the packet that asks about `bead` and returns its name. conflict: another bead has the
  // same packet id.
  base::Result<std::string> keep_request(const Bead& bead, const protocol::Packet& packet,
                                         base::WallTime now) const;
  // Keeps the answer to the packet of that name. conflict: it has one.
  base::Result<> keep_response(const Bead& bead, std::string_view name,
                               const json::object& response) const;

  // The answered questions of one type about the bead, newest first.
  base::Result<std::vector<Answered>> answered(const Bead& bead, std::string_view type) const;
  // The names of those that have no answer, newest first.
  base::Result<std::vector<std::string>> unanswered(const Bead& bead, std::string_view type) const;

  // The tracker's id behind a packet's, also where it cannot be computed. not_found.
  base::Result<std::string> tracker_id(std::string_view packet_id) const;

  std::filesystem::path request_path(const Bead& bead, std::string_view name) const;
  std::filesystem::path response_path(const Bead& bead, std::string_view name) const;

 private:
  base::Result<> keep_id(const Bead& bead) const;
  base::Result<std::string> noted_id(std::string_view packet_id) const;
  std::filesystem::path folder_of(const Bead& bead) const;
  base::Result<std::vector<std::string>> names(const Bead& bead, std::string_view type) const;

  std::filesystem::path folder_;
};

}  // namespace beads
