// Named places where a test makes the world end or fail.
#pragma once

#include "bridge/base/result.h"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

namespace base {

// Injected where a crash or a failure must be survived; the program itself runs without any.
class Faults {
 public:
  virtual ~Faults() = default;
  // Execution passes `point` ("exchange.armed"). May end the process here, unwind with an
  // exception, or give the error that the operation then fails with.
  virtual Result<> at(std::string_view /*point*/) { return {}; }
};

// Kills this process, as SIGKILL does and with nothing cleaned up, at one named point: what a
// person sets to see for themselves that the daemon survives a crash there.
//
//   FLYWHEEL_FAULT=exchange.armed flywheel serve       the first time the point is passed
//   FLYWHEEL_FAULT=store.commit:7 flywheel serve       the seventh time
//
// A point that does not exist is never passed. The points stand in the source as at("…"); of the
// engine's stages (intent, armed, sent, replied, none) there are stage.before_NAME and stage.NAME,
// around the commit.
class FatalFault final : public Faults {
 public:
  static constexpr const char* variable = "FLYWHEEL_FAULT";

  // From "POINT" or "POINT:COUNT". invalid, reason configuration: neither.
  static Result<std::unique_ptr<FatalFault>> parse(std::string_view text);

  // Asked on every thread.
  Result<> at(std::string_view point) override;
  const std::string& point() const { return point_; }
  int count() const { return count_; }

 private:
  FatalFault(std::string point, int count)
      : point_(std::move(point)), count_(count), left_(count) {}

  const std::string point_;
  const int count_;
  std::atomic<int> left_;
};

// What the environment asks for: a FatalFault, or no faults at all.
Result<std::unique_ptr<Faults>> faults_of_environment();

}  // namespace base
