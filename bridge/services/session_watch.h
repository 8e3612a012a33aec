// How the queue follows what the browser's pages show: what closes an account, or one lane of it,
// and what is evidence that it works again.
#pragma once

#include "bridge/base/clock.h"
#include "bridge/base/result.h"
#include "bridge/chat/session.h"
#include "bridge/engine/queue.h"
#include "bridge/store/store.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace services {

// What the pages of an account showed.
struct Sights {
  chat::SessionView account;
  std::vector<chat::SessionView> pages;  // of the conversations that tabs are open for
  base::Instant at;                      // when these were taken
};

struct WatchedAccount {
  std::string name;
  std::chrono::milliseconds cooldown;  // the shortest pause after a limit that was reached
};

// What is of the account closes it; what is of one page blocks the lanes that are asked there, and
// no other. Time closes nothing here (the engine does that), only what was seen after a breaker was
// opened:
//   an account   the session is ready, and has become so since, or the page that showed the trouble
//                was loaded anew since, and a job would get past it or be told why not
//   a lane       its page was looked at since, with the same result
base::Result<> follow_sights(store::Tx& tx, const engine::Queue& queue,
                             const WatchedAccount& account, const Sights& sights,
                             const engine::Now& now);

// Only a person, or another look, ends it.
bool waits_for_evidence(const engine::Shut& shut);
// What people are told to do about it.
std::string advice(const engine::Shut& shut);

// What keeps packets or queries from being sent.
struct Closure {
  engine::Shut shut;
  std::optional<base::Instant> until;  // then it ends by itself
  bool is_partial = false;             // packets are sent all the same
};

}  // namespace services
