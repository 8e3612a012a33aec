// What stands inside ${{ }}: a small language over what a run knows.
//
//   inputs.topic                       jobs.plan.outputs.text      jobs['a b'].result
//   inputs.n >= 3 && !inputs.quiet     contains(inputs.tags, 'x')  failure() || always()
//
// Values are JSON. A member that is not there is null. false, null, 0 and '' count as false; && and
// || give one of their sides. Numbers compare by value, texts by their bytes, and values of
// different kinds are never equal. `jobs` is always followed by the name of a job, so that what an
// expression reads is known before anything runs.
#pragma once

#include "bridge/base/json.h"
#include "bridge/base/result.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace workflow {

// How the things before a step ended, for always(), success(), failure() and cancelled().
struct Situation {
  bool is_failed = false;     // a need failed, or was skipped for a failure
  bool is_skipped = false;    // a need was skipped
  bool is_cancelled = false;  // a need or the run was cancelled

  bool is_success() const { return !is_failed && !is_skipped && !is_cancelled; }
  friend bool operator==(const Situation&, const Situation&) = default;
};

// What an evaluation reads. Everything outlives it.
struct Known {
  const base::json::object& inputs;
  const base::json::object& jobs;  // by id: {result, outputs, error}
  const base::json::object& run;
  Situation situation = {};
};

// What an evaluation may still use; one for all the expressions of a step.
struct Budget {
  std::size_t steps;
  std::size_t bytes;  // of texts and copies that are made; what is compared counts in part
  Budget();
};

class Expression {
 public:
  // invalid: names the column, 1 for the first character.
  static base::Result<Expression> parse(std::string_view text);

  // invalid: a function or a comparison that does not fit its values, or the budget is used up.
  base::Result<base::json::value> evaluate(const Known& known, Budget& budget) const;

  const std::set<std::string>& jobs() const { return jobs_; }
  const std::set<std::string>& inputs() const { return inputs_; }  // those named, not computed
  bool reads_inputs() const { return reads_inputs_; }
  bool asks_status() const { return asks_status_; }  // calls one of the four functions

 private:
  friend class ExpressionParser;
  friend class Evaluation;
  enum class Kind {
    literal,
    inputs,
    job,  // `name`
    run,
    index,  // of children[0] by children[1]
    call,   // `name` of the children
    negation,
    conjunction,
    disjunction,
    equal,
    unequal,
    less,
    less_equal,
    greater,
    greater_equal,
  };
  struct Node {
    Kind kind;
    std::size_t column;
    base::json::value literal = {};
    std::string name = {};
    std::vector<std::uint32_t> children = {};  // positions in nodes_, before this one
  };

  std::vector<Node> nodes_;  // the last one is the whole
  std::set<std::string> jobs_, inputs_;
  bool reads_inputs_ = false;
  bool asks_status_ = false;
};

bool is_true(const base::json::value& value);
// As it stands within a text: texts as they are, null as nothing, lists and objects as JSON.
std::string as_text(const base::json::value& value);

}  // namespace workflow
