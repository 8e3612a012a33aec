// Tells a person what becomes of a packet while it happens, and how it ended.
#pragma once

#include "bridge/app/bridge.h"
#include "bridge/app/console.h"

#include <string>
#include <string_view>

namespace app {

enum class Chatter { terminal_only, always };

// One line a step, with the seconds since the packet was taken up.
class Progress {
 public:
  Progress(Console& console, const base::Clock& clock, Chatter chatter);

  // A new packet: time starts again.
  void begin(std::string_view title);
  // An entry of the journal that is about the packet.
  void note(const engine::Entry& entry);
  void say(std::string_view text);

 private:
  void step(std::string_view text);

  Console& console_;
  const base::Clock& clock_;
  Chatter chatter_;
  base::Instant began_;
};

// How a command about the job of this view ({"state", "error": {"code", "detail"}}) ends: a job
// that has ended without a reply ends in exit_job_failed, unless signing in or waiting can mend it.
int exit_status_of(const boost::json::object& view);
// Also that it was handed in before ("replayed": true).
void print_warnings(Console& console, const boost::json::object& view);
// The reply, or what went wrong; the whole view with --json. Returns the exit status.
int print_job(Console& console, const boost::json::object& view);

// What becomes of the rest of the queue once a packet is seen through.
enum class Rest {
  worked,      // as long as the bridge is there
  left_alone,  // but for what comes before the packet in its lane
};

// Hands the packet in and works the queue until it has ended, is held, or has failed before it was
// sent: then it is cancelled, for nobody is left to send it later. `progress` is told of every
// step. "replayed": true in the view: it was handed in before, and this is that job. What is left
// alone only the first call of a bridge can leave so. "file_failed": the store has died.
base::Task<boost::json::object> see_through(Bridge& bridge, services::Caller caller,
                                            boost::json::value packet, Progress& progress,
                                            base::Instant deadline, Rest rest);

}  // namespace app
