// An action that was asked for, and what people said to it.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/json.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services::actions {

// waiting → approved → done | failed | held, or rejected, or expired; what was taken back has
// expired too, with the error withdrawn, and so has what was approved and not begun in time.
// Without need of approval it begins as approved; one that was held is approved again, or failed,
// once a person has said what became of it.
enum class State { waiting, approved, rejected, expired, done, failed, held };
std::string_view name(State state);
std::optional<State> state_named(std::string_view word);

struct Asked {
  std::string id;  // a UUID of version 7
  std::string action;
  base::json::value params;
  std::string agent = {};  // the agent's id; empty: none
  std::string asker;       // for people
  std::string principal;
  std::string behind = {};      // the principal for whom it was asked; empty: for the asker
  std::string definition_hash;  // of the action as it was then
  std::string hash;             // of exactly this; see hash_of
  int risk = 100;
  int approvers = 0;
  State state = State::waiting;
  std::string job = {};  // that does it
  base::WallTime asked;
  base::WallTime expires;  // if people must approve it: it is not begun after this
  std::optional<base::WallTime> ended = {};
  std::string error = {};
  std::string undoes = {};  // the id of what it takes back

  bool has_ended() const {
    return state != State::waiting && state != State::approved && state != State::held;
  }
  bool is_too_late(base::WallTime now) const { return approvers > 0 && now > expires; }
  // Who asked for it, himself or by another: he does not decide.
  bool is_wish_of(std::string_view who) const { return who == principal || who == behind; }
};

// SHA-256 over the canonical JSON of what is to be done, for whom and by which definition.
std::string hash_of(const Asked& asked);

// Why one that has expired was not done, for people.
std::string_view expiry_of(const Asked& asked);

struct Approval {
  std::string principal;
  std::string name;
  bool is_yes = false;
  std::string note = {};
  base::WallTime time;
  bool counts = true;  // as far as has been looked
};

// A person's word on what became of one that was held.
struct Resolution {
  std::string verdict;  // sent, not-sent, abandon
  std::string principal;
  std::string name;
  std::string note = {};
  base::WallTime time;
};

}  // namespace services::actions
