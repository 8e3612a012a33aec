// Bounds of actions.
#pragma once

#include <chrono>
#include <cstddef>

namespace limits {

inline constexpr std::size_t actions_max = 200;
inline constexpr std::size_t action_params_bytes_max = 200'000;
inline constexpr std::size_t action_params_told_bytes_max = 32u << 10;  // in the journal
inline constexpr std::size_t action_address_bytes_max = 8000;           // path and query of a call
inline constexpr std::size_t action_secret_bytes_min = 8;  // shorter ones could not be hidden
inline constexpr std::size_t action_secret_bytes_max = 4096;
inline constexpr std::chrono::hours approval_waits{24};  // then the request expires
inline constexpr std::chrono::seconds approvals_look{30};
inline constexpr int approvals_swept_at_once = 500;
inline constexpr int actions_waiting_max = 1000;      // for approval, of everybody
inline constexpr int actions_waiting_each_max = 100;  // of one agent, or of who asks for none
inline constexpr int resolutions_shown = 20;

// Of the risk.
inline constexpr int risk_audited = 30;         // above: the journal has the parameters
inline constexpr int risk_approved = 50;        // above: a person approves
inline constexpr int risk_approved_twice = 70;  // above: two persons approve

}  // namespace limits
