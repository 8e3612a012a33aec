// What a look at the page found, for people and as JSON.
#pragma once

#include "bridge/app/console.h"
#include "bridge/chat/state.h"

#include <string>

namespace app {

struct SessionReport {
  chat::Sighting seen;
  chat::Judgement judged;
  std::string browser;
  std::string conversation;
  std::string digest;  // of an unknown page
};

// The state, its evidence and what to do about it.
void print_check(Console& console, const SessionReport& report);
// The same with the composer and every turn.
void print_inspection(Console& console, const SessionReport& report);

}  // namespace app
