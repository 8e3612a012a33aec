#include "bridge/app/exchange_report.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

namespace app {

namespace json = boost::json;
using services::Stage;

namespace {

std::string told(Stage stage, std::string_view detail) {
  switch (stage) {
    case Stage::preparing:
      return "waiting for the page to be ready";
    case Stage::intent:
      return "ready: inserting the prompt";
    case Stage::armed:
      return "inserted and read back: sending";
    case Stage::sent:
      return fmt::format("sent (proof: {}); waiting for the reply", detail);
    case Stage::replied:
      return fmt::format("reply complete: {}", detail);
    case Stage::repairing:
      return fmt::format("reply not usable, asking again: {}", detail);
    case Stage::settled:
      return "page ready again";
  }
  return "";
}

}  // namespace

ProgressObserver::ProgressObserver(Console& console, const base::Clock& clock, Chatter chatter)
    : console_(console), clock_(clock), chatter_(chatter), began_(clock.now()) {}

void ProgressObserver::begin(std::string_view title) {
  began_ = clock_.now();
  is_armed_ = false;
  say(title);
}

base::Task<> ProgressObserver::on_stage(Stage stage, std::string_view, std::string_view detail) {
  if (stage == Stage::armed) is_armed_ = true;
  if (stage == Stage::replied) is_armed_ = false;
  const std::chrono::duration<double> elapsed = clock_.now() - began_;
  say(fmt::format("  {:6.2f} s  {}", elapsed.count(), told(stage, detail)));
  co_return base::Result<>();
}

void ProgressObserver::say(std::string_view text) {
  if (chatter_ == Chatter::always) {
    console_.err << text << std::endl;
  } else {
    print_progress(console_, text);
  }
}

json::object to_json(const services::Answered& answered) {
  const json::array warnings(answered.warnings.begin(), answered.warnings.end());
  return {{"id", answered.job_id},   {"state", "done"},
          {"route", answered.route}, {"repairs", answered.repairs},
          {"warnings", warnings},    {"response", answered.reply.body()}};
}

json::object to_json(const services::ExchangeFailure& failure) {
  const std::string_view code =
      failure.reason.empty() ? base::name(failure.code) : std::string_view(failure.reason);
  json::object error{
      {"code", code}, {"detail", failure.message}, {"retryable", base::is_retryable(failure.code)}};
  if (!failure.raw.empty()) error["raw"] = failure.raw;
  return {{"id", failure.job_id},
          {"state", failure.reason == "unknown_outcome" ? "held" : "failed"},
          {"error", std::move(error)}};
}

}  // namespace app
