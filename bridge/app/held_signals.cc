#include "bridge/app/held_signals.h"

#include <initializer_list>

#include <pthread.h>

namespace app {

HeldSignals::HeldSignals() {
  ::sigemptyset(&held_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction known{};
    // A blocked signal waits even where it would have been ignored.
    const bool is_heard = ::sigaction(number, nullptr, &known) == 0 && known.sa_handler != SIG_IGN;
    if (is_heard) ::sigaddset(&held_, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &held_, &before_);
}

// What came too late to stop anything does not end the program before it has told what it did.
HeldSignals::~HeldSignals() {
  const timespec at_once{};
  while (::sigtimedwait(&held_, nullptr, &at_once) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool HeldSignals::have_come() {
  const timespec at_once{};
  if (!have_come_) have_come_ = ::sigtimedwait(&held_, nullptr, &at_once) > 0;
  return have_come_;
}

}  // namespace app
