// Questions and answers about beads, kept in `.beads/flywheel/`: one folder a bead, named by its
// packet id. Files are written once, whole and durably, and never changed.
//
//   <bead>/bead.json                           {"id": the tracker's id}: the way back
//   <bead>/<time>-<TYPE>.content.json          {"id", "content_sha256", "packet_sha256", "commit"}:
//                                              what the bead said when the question was asked, and
//                                              where its repository was
//   <bead>/<time>-<TYPE>.request.json          the packet
//   <bead>/<time>-<TYPE>.response.json         its validated answer; from then on <time> is when it
//                                              was handed in
//   <bead>/<time>-<TYPE>.ended.json            {"state", "error"}: that it gets none, and why
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

// A question as it was kept.
struct Kept {
  std::string name;
  protocol::Packet packet;
};

class Archive {
 public:
  explicit Archive(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Keeps the packet that asks about `bead`, whose repository is at `commit`, and returns its name.
  // conflict: another bead has the same packet id.
  base::Result<std::string> keep_request(const Bead& bead, const protocol::Packet& packet,
                                         base::WallTime now, std::string_view commit = {}) const;
  // Keeps the answer to the packet of that name; the same again is fine. conflict: it has another.
  base::Result<> keep_response(const Bead& bead, std::string_view name,
                               const json::object& response) const;
  // Keeps that the packet of that name gets no answer, and why.
  base::Result<> keep_end(const Bead& bead, std::string_view name, const json::object& why) const;
  // Moves a packet without an answer to the time at which it was really handed in, and returns its
  // new name: the same to all who move it there, at once or one after another.
  base::Result<std::string> move_request(const Bead& bead, const Kept& kept,
                                         base::WallTime time) const;

  // The newest question that still waits for its answer and asks what `packet` asks, of the bead as
  // it reads now and of the same commit: everything but date and key is the same.
  base::Result<std::optional<Kept>> open_question(const Bead& bead, const protocol::Packet& packet,
                                                  std::string_view commit,
                                                  const protocol::MessageTypes& types) const;
  // The newest question with the packet's own key that asks the same, answered or not.
  base::Result<std::optional<Kept>> question_of_key(const Bead& bead,
                                                    const protocol::Packet& packet,
                                                    const protocol::MessageTypes& types) const;

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
  std::filesystem::path content_path(const Bead& bead, std::string_view name) const;
  std::filesystem::path end_path(const Bead& bead, std::string_view name) const;
  base::Result<std::vector<std::string>> names(const Bead& bead, std::string_view type) const;
  // Whether a move has brought the content of the packet there.
  bool is_content_at(const Bead& bead, const Kept& kept, std::string_view moved) const;

  std::filesystem::path folder_;
};

}  // namespace beads
