// What a check finds, and what it may cost.
#pragma once

#include "bridge/base/limits.h"
#include "bridge/schema/program.h"
#include "bridge/schema/report.h"
#include "bridge/schema/schema.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace schema {

// A keyword that held, for the output format `basic`.
struct Annotation {
  std::string instance_location, keyword_location, absolute_keyword_location;
  const json::value* value = nullptr;  // null: the keyword produces none
};

// Without `reports` there is only the budget; the rest costs nothing.
template <bool reports>
class Findings {
 public:
  using Here = std::conditional_t<reports, Place, NoPlace>;

  explicit Findings(const Program& program, bool annotates = false)
      : program_(program), annotates_(annotates), steps_left_(program.options.steps_max) {}

  bool exhausted() const { return exhausted_; }
  std::vector<Violation>& violations() { return violations_; }
  const std::vector<Annotation>& annotations() const { return annotations_; }

 protected:
  // A keyword that failed; gives false. `message` is only called when somebody reads it.
  template <class Message>
  bool violated(const Node& node, const Here& here, std::string_view keyword, Message message) {
    if constexpr (reports) {
      if (!is_full() && spend(report_steps)) {
        violations_.push_back(violation_at(program_, node, here, keyword, message()));
        spend(place_steps(violations_.back()));
      }
    }
    return false;
  }
  // The same for a keyword whose branches have reported since `place = keep_place()`: the sum
  // stands before what explains it.
  template <class Message>
  bool violated_at(std::size_t place, const Node& node, const Here& here, std::string_view keyword,
                   Message message) {
    if constexpr (reports) {
      if (place < violations_.size() && spend(report_steps)) {
        violations_[place] = violation_at(program_, node, here, keyword, message());
        spend(place_steps(violations_[place]));
      }
    }
    return false;
  }
  std::size_t keep_place() {
    const std::size_t place = violations_.size();
    if (reports && !is_full()) violations_.emplace_back();
    return place;
  }
  bool is_full() const { return violations_.size() >= limits::schema_violations_max; }
  // Forgets what a branch said that turned out not to matter.
  void forget_violations(std::size_t kept) {
    if constexpr (reports) violations_.resize(std::min(kept, violations_.size()));
  }
  // After a failed rule: whether to stop looking for more.
  bool is_enough() const { return !reports || exhausted_; }

  // Writing a violation or an annotation costs as much as visiting this many values.
  static constexpr std::size_t report_steps = 50;
  // … and more where the places have long names.
  static std::size_t place_steps(const Violation& told) {
    return (told.instance_location.size() + told.keyword_location.size() +
            told.absolute_keyword_location.size()) /
           4;
  }

  bool spend(std::size_t steps) {
    if (steps > steps_left_) exhausted_ = true;
    if (exhausted_) return false;
    steps_left_ -= steps;
    return true;
  }

  void annotate(const Node& node, const Here& here) {
    if constexpr (reports) {
      const auto* object = node.source->if_object();
      if (!object) return;
      for (const auto& [keyword, value] : *object) {
        if (annotations_.size() == limits::schema_annotations_max) exhausted_ = true;
        if (!spend(report_steps)) return;
        auto unit = violation_at(program_, node, here, keyword, {});
        if (!spend(place_steps(unit))) return;
        annotations_.push_back({std::move(unit.instance_location), std::move(unit.keyword_location),
                                std::move(unit.absolute_keyword_location),
                                is_annotation(keyword) ? &value : nullptr});
      }
    }
  }

  void forget_annotations(std::size_t kept) {
    if constexpr (reports) annotations_.resize(std::min(kept, annotations_.size()));
  }

  const Program& program_;
  const bool annotates_;
  bool exhausted_ = false;
  std::vector<Violation> violations_;
  std::vector<Annotation> annotations_;
  std::uint64_t steps_left_;
};

}  // namespace schema
