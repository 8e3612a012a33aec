#include "bridge/services/beads/archive.h"

#include "bridge/base/hash.h"
#include "bridge/base/json.h"
#include "bridge/base/limits.h"
#include "bridge/protocol/text.h"
#include "bridge/services/beads/bead_id.h"
#include "bridge/services/beads/files.h"

#include <algorithm>

#include <fmt/format.h>

namespace beads {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

constexpr std::string_view content_ending = ".content.json";
constexpr std::string_view request_ending = ".request.json";
constexpr std::string_view response_ending = ".response.json";
constexpr std::string_view end_ending = ".ended.json";

// 20261126T190224.123Z: sorts by time and is a file name everywhere.
std::string stamp(base::WallTime time) {
  std::string text = base::rfc3339(time);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

std::string to_text(const json::value& value) { return protocol::pretty_json(value) + "\n"; }

std::string member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

// What is asked, whenever and under whatever key.
std::string question_in(const protocol::Packet& packet) {
  return base::canonical_json_without(packet.body(), {"ts", "idempotency_key"});
}

// Nothing: the file is gone, or holds no packet any more.
std::optional<protocol::Packet> packet_in(const fs::path& path,
                                          const protocol::MessageTypes& types) {
  const auto text = read_file(path, limits::stored_packet_bytes_max);
  if (!text) return std::nullopt;
  auto value = base::parse_json(*text);
  if (!value) return std::nullopt;
  auto packet = protocol::Packet::from_json(*std::move(value), types);
  if (!packet) return std::nullopt;
  return *std::move(packet);
}

base::Result<json::object> read_object(const fs::path& path) {
  TRY(const std::string text, read_file(path, limits::packet_bytes_max));
  TRY(json::value value, base::parse_json(text));
  if (value.is_object()) return std::move(value.get_object());
  return fail(Code::invalid, fmt::format("read {}: no JSON object", path.string()));
}

}  // namespace

fs::path Archive::folder_of(const Bead& bead) const { return folder_ / packet_id(bead.id()); }

fs::path Archive::request_path(const Bead& bead, std::string_view name) const {
  return folder_of(bead) / (std::string(name) + std::string(request_ending));
}

fs::path Archive::response_path(const Bead& bead, std::string_view name) const {
  return folder_of(bead) / (std::string(name) + std::string(response_ending));
}

fs::path Archive::content_path(const Bead& bead, std::string_view name) const {
  return folder_of(bead) / (std::string(name) + std::string(content_ending));
}

fs::path Archive::end_path(const Bead& bead, std::string_view name) const {
  return folder_of(bead) / (std::string(name) + std::string(end_ending));
}

base::Result<std::string> Archive::noted_id(std::string_view packet) const {
  TRY(const json::object note, read_object(folder_ / packet / "bead.json"));
  return member(note, "id");
}

base::Result<> Archive::keep_id(const Bead& bead) const {
  const std::string packet = packet_id(bead.id());
  auto created = create_file(folder_ / packet / "bead.json",
                             to_text(json::object{{"id", bead.id()}, {"bead_id", packet}}));
  if (created || created.error().code != Code::conflict) return created;
  TRY(const std::string noted, noted_id(packet));
  if (noted == bead.id()) return {};
  return fail(Code::conflict, fmt::format("the bead {} would share the packet id {} with {}",
                                          bead.id(), packet, noted));
}

base::Result<std::string> Archive::tracker_id(std::string_view packet) const {
  if (auto computed = beads::tracker_id(packet)) return *std::move(computed);
  auto noted = packet.find('/') == packet.npos ? noted_id(packet) : base::Result<std::string>("");
  if (noted && packet_id(*noted) == packet) return noted;
  return fail(Code::not_found, fmt::format("no bead is known for \"{}\"", packet));
}

base::Result<std::string> Archive::keep_request(const Bead& bead, const protocol::Packet& packet,
                                                base::WallTime now, std::string_view commit) const {
  TRY_OK(keep_id(bead));
  const std::string text = to_text(packet.body());
  const std::string content = to_text(json::object{{"id", bead.id()},
                                                   {"content_sha256", bead.content_hash()},
                                                   {"packet_sha256", base::sha256_hex(text)},
                                                   {"commit", commit}});
  for (int i = 0; i < limits::beads_reads_max; ++i, now += std::chrono::milliseconds(1)) {
    const std::string name = fmt::format("{}-{}", stamp(now), packet.type().name);
    auto created = create_file(content_path(bead, name), content);
    if (!created && created.error().code == Code::conflict) continue;  // taken in this millisecond
    if (!created) return std::unexpected(created.error());
    TRY_OK(create_file(request_path(bead, name), text));
    return name;
  }
  return fail(Code::busy,
              fmt::format("keep the request about {}: others do the same right now", bead.id()));
}

base::Result<> Archive::keep_response(const Bead& bead, std::string_view name,
                                      const json::object& response) const {
  const std::string text = to_text(response);
  auto created = create_file(response_path(bead, name), text);
  if (created || created.error().code != Code::conflict) return created;
  TRY(const std::string known,
      read_file(response_path(bead, name), limits::stored_packet_bytes_max));
  return known == text ? base::Result<>() : created;
}

base::Result<> Archive::keep_end(const Bead& bead, std::string_view name,
                                 const json::object& why) const {
  auto created = create_file(end_path(bead, name), to_text(why));
  if (!created && created.error().code == Code::conflict) return {};  // Told before.
  return created;
}

bool Archive::is_content_at(const Bead& bead, const Kept& kept, std::string_view moved) const {
  const fs::path from = content_path(bead, kept.name);
  const fs::path to = content_path(bead, moved);
  std::error_code error;
  if (fs::equivalent(from, to, error)) return true;
  if (fs::exists(from, error)) return false;
  const auto note = read_object(to);
  return note && member(*note, "packet_sha256") == base::sha256_hex(to_text(kept.packet.body()));
}

// The content goes first: a request without its content is open no more and decides nothing. Each
// step may have been done already, by another command or by one that ended halfway.
base::Result<std::string> Archive::move_request(const Bead& bead, const Kept& kept,
                                                base::WallTime time) const {
  const std::string& name = kept.name;
  const std::string type = name.substr(name.find('-'));
  const auto failed = [&](const std::error_code& error) {
    return fail(Code::unavailable,
                fmt::format("move {}: {}", request_path(bead, name).string(), error.message()));
  };
  std::error_code error;
  for (int i = 0; i < limits::beads_reads_max; ++i, time += std::chrono::milliseconds(1)) {
    const std::string moved = stamp(time) + type;
    if (moved == name) return moved;
    // Unlike a rename, a link never takes the place of another file.
    fs::create_hard_link(content_path(bead, name), content_path(bead, moved), error);
    if (error && !is_content_at(bead, kept, moved)) continue;
    fs::remove(content_path(bead, name), error);
    if (error) return failed(error);
    fs::create_hard_link(request_path(bead, name), request_path(bead, moved), error);
    std::error_code unknown;
    if (error && !fs::exists(request_path(bead, moved), unknown)) return failed(error);
    fs::remove(request_path(bead, name), error);
    if (error) return failed(error);
    return moved;
  }
  return failed(error);
}

base::Result<std::optional<Kept>> Archive::open_question(
    const Bead& bead, const protocol::Packet& packet, std::string_view commit,
    const protocol::MessageTypes& types) const {
  TRY(const auto waiting, unanswered(bead, packet.type().name));
  const std::string content = bead.content_hash();
  for (const std::string& name : waiting) {
    std::error_code error;
    if (fs::exists(end_path(bead, name), error)) continue;
    const auto note = read_object(content_path(bead, name));
    // Notes without a commit are of packets without a key of their own, which are answered from the
    // past.
    if (!note || !note->contains("commit") || member(*note, "commit") != commit ||
        member(*note, "content_sha256") != content) {
      continue;
    }
    auto kept = packet_in(request_path(bead, name), types);
    if (kept && question_in(*kept) == question_in(packet)) return Kept{name, *std::move(kept)};
  }
  return std::nullopt;
}

base::Result<std::optional<Kept>> Archive::question_of_key(
    const Bead& bead, const protocol::Packet& packet, const protocol::MessageTypes& types) const {
  TRY(const auto all, names(bead, packet.type().name));
  for (const std::string& name : all) {
    auto kept = packet_in(request_path(bead, name), types);
    if (kept && kept->idempotency_key() == packet.idempotency_key() &&
        question_in(*kept) == question_in(packet)) {
      return Kept{name, *std::move(kept)};
    }
  }
  return std::nullopt;
}

base::Result<std::vector<std::string>> Archive::names(const Bead& bead,
                                                      std::string_view type) const {
  std::vector<std::string> out;
  const std::string ending = fmt::format("-{}{}", type, request_ending);
  std::error_code error;
  fs::directory_iterator entries(folder_of(bead), error);
  if (error == std::errc::no_such_file_or_directory) return out;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (!name.ends_with(ending)) continue;
    name.resize(name.size() - request_ending.size());
    out.push_back(std::move(name));
    if (out.size() > limits::bead_exchanges_max) {
      return fail(Code::invalid, fmt::format("{} holds more than {} requests",
                                             folder_of(bead).string(), limits::bead_exchanges_max));
    }
  }
  if (error) {
    return fail(Code::unavailable,
                fmt::format("list {}: {}", folder_of(bead).string(), error.message()));
  }
  std::ranges::sort(out, std::greater());
  return out;
}

base::Result<std::vector<Answered>> Archive::answered(const Bead& bead,
                                                      std::string_view type) const {
  std::vector<Answered> out;
  TRY(const auto all, names(bead, type));
  for (const std::string& name : all) {
    auto response = read_file(response_path(bead, name), limits::stored_packet_bytes_max);
    if (!response && response.error().code == Code::not_found) continue;
    if (!response) return std::unexpected(response.error());
    auto note = read_object(content_path(bead, name));
    if (!note) return std::unexpected(note.error());
    TRY(std::string request, read_file(request_path(bead, name), limits::stored_packet_bytes_max));
    out.push_back({name, member(*note, "content_sha256"), member(*note, "packet_sha256"),
                   std::move(request), *std::move(response)});
  }
  return out;
}

base::Result<std::vector<std::string>> Archive::unanswered(const Bead& bead,
                                                           std::string_view type) const {
  TRY(auto all, names(bead, type));
  std::error_code error;
  std::erase_if(
      all, [&](const std::string& name) { return fs::exists(response_path(bead, name), error); });
  return all;
}

}  // namespace beads
