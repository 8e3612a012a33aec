// Tells a person what an exchange does while it does it, and how it ended.
#pragma once

#include "bridge/app/console.h"
#include "bridge/services/exchange.h"

#include <string>
#include <string_view>

namespace app {

enum class Chatter { terminal_only, always };

// One progress line a stage, with the seconds since the packet was taken up. Nothing is durable
// here: an exchange that runs inside one command ends with it.
class ProgressObserver final : public services::ExchangeObserver {
 public:
  ProgressObserver(Console& console, const base::Clock& clock, Chatter chatter);

  // A new packet: time starts again.
  void begin(std::string_view title);
  base::Task<> on_stage(services::Stage stage, std::string_view job_id,
                        std::string_view detail) override;
  // True once a click may have happened: an interruption from now on has an unknown outcome.
  bool is_armed() const { return is_armed_; }

 private:
  void say(std::string_view text);

  Console& console_;
  const base::Clock& clock_;
  Chatter chatter_;
  base::Instant began_;
  bool is_armed_ = false;
};

// {"id", "state": "done", "response"}, or {"id", "state": "failed" | "held", "error": {"code", …}}.
boost::json::object to_json(const services::Answered& answered);
boost::json::object to_json(const services::ExchangeFailure& failure);

}  // namespace app
