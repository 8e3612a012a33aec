// The tracker's ids as packets can carry them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace beads {

// The bead_id of packets for an id of the tracker, which may have dots (`bd-2xb6.1`), another
// prefix, any bytes and any length. The result always has the form
// `bd-[A-Za-z0-9][A-Za-z0-9_-]{1,63}`, and different ids have different results:
//   an id of that form that begins with neither `bd-x_` nor `bd-h_` is its own
//   `bd-x_…`  any other id, with every byte besides letters, digits and `-` as `_` and two hex
//   digits `bd-h_…`  what would be too long: a part of its SHA-256; only a stored note leads back
std::string packet_id(std::string_view id);

// The way back; nothing for `bd-h_…` and for what packet_id never makes.
std::optional<std::string> tracker_id(std::string_view packet_id);

}  // namespace beads
