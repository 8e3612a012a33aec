// A workflow's definition, valid by construction.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"
#include "bridge/protocol/violation.h"
#include "bridge/services/workflows/workflow_limits.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace workflow {

struct Retry {
  int attempts_max = 1;
  std::chrono::milliseconds interval{1000};  // before the second attempt
  double backoff_rate = 2;                   // each later wait is so many times the one before
  std::chrono::milliseconds delay_max{3'600'000};

  friend bool operator==(const Retry&, const Retry&) = default;
};

// One of `jobs`. The steps of a definition are numbered 0, 1, … as they are written.
struct Step {
  std::string id;
  std::string kind;    // "gpt", "packet", …; empty: it only waits for an approval
  std::string target;  // "RFP_PLAN", the agent, …
  base::json::object with;
  std::vector<std::size_t> needs, dependants;
  std::string condition;  // empty: success()
  std::optional<std::chrono::milliseconds> timeout;
  Retry retry;
  bool needs_approval = false;
  std::string approval_note;
  bool continue_on_error = false;
  // What its texts and its condition mention.
  std::vector<std::size_t> reads;
  bool reads_inputs = false;

  std::string uses() const { return kind.empty() ? std::string() : kind + "/" + target; }
};

struct Definition {
  std::string name;
  base::json::object inputs;  // JSON Schemas by name
  std::vector<Step> steps;
  base::json::object outputs;
  std::vector<std::size_t> output_reads;
  int parallel_max = limits::workflow_parallel_default;
  base::json::object document;  // as it was written, with `needs` and all

  // Everything that is wrong with it, each with its pointer: the schema; then ids, needs that are
  // not there, cycles named by their path, `uses` of no known kind, expressions that do not parse,
  // and references to inputs that are not declared or to jobs that are not upstream.
  static protocol::Checked<Definition> from_json(base::json::value document);
};

// The schema of definitions.
std::string_view definition_schema();

// A step as it is kept, and back. The text is one of `to_json`.
base::json::object to_json(const Step& step);
base::Result<Step> step_from(std::string id, const base::json::value& kept);

// The inputs of a run: those given, checked, and the defaults of the others. Refusals point to
// "/inputs/…".
protocol::Checked<base::json::object> checked_inputs(const base::json::object& declared,
                                                     const base::json::object& given);

}  // namespace workflow
