#include "bridge/services/workflows/definition_rules.h"

#include "bridge/base/nearest.h"
#include "bridge/services/workflows/template.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <map>
#include <set>

#include <fmt/format.h>

namespace workflow {

namespace json = boost::json;
using protocol::Violation;

namespace {

constexpr std::array<std::string_view, 4> kinds = {"gpt", "packet", "action", "message"};
using Steps = std::bitset<limits::workflow_steps_max>;

class Rules {
 public:
  Rules(Definition& definition, std::vector<Violation>& violations)
      : definition_(definition), steps_(definition.steps), violations_(violations) {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      numbers_[steps_[i].id] = i;
      ids_.push_back(steps_[i].id);
    }
    for (const auto& [name, schema] : definition.inputs) inputs_.emplace_back(name);
  }

  void apply() {
    for (auto& step : steps_) {
      check_uses(step);
      read_needs(step);
    }
    const bool is_acyclic = order_steps();
    for (std::size_t i = 0; i < steps_.size(); ++i) read_texts(i, is_acyclic);
    if (has_good_keys(definition_.outputs, "/outputs")) read_outputs();
  }

 private:
  std::string pointer_of(const Step& step) const { return "/jobs" + pointer_token(step.id); }
  const json::object& document_of(const Step& step) const {
    return definition_.document.at("jobs").get_object().at(step.id).get_object();
  }
  bool is_full() const { return violations_.size() >= limits::workflow_violations_max; }
  void add(std::string pointer, std::string keyword, std::string detail) {
    if (is_full()) return;
    violations_.push_back({std::move(pointer), std::move(keyword), std::move(detail)});
  }

  void check_uses(const Step& step) {
    const std::string pointer = pointer_of(step) + "/uses";
    if (!document_of(step).contains("uses")) {
      if (step.needs_approval) return;
      add(pointer_of(step), "required", "give \"uses\", or \"approval\" for a job that only waits");
      return;
    }
    if (std::ranges::find(kinds, step.kind) == kinds.end()) {
      add(pointer, "uses",
          fmt::format("write gpt/<agent>, packet/<TYPE>, action/<name> or message/<agent>{}",
                      base::suggestion(step.kind, {kinds.begin(), kinds.end()})));
    } else if (step.target.empty()) {
      add(pointer, "uses", fmt::format("a name must follow \"{}/\"", step.kind));
    }
  }

  void read_need(Step& step, const std::string& pointer, std::string_view id) {
    const auto found = numbers_.find(id);
    if (found == numbers_.end()) {
      add(pointer, "needs",
          fmt::format("there is no job \"{}\"{}", id, base::suggestion(id, ids_)));
      return;
    }
    const auto own = numbers_.find(step.id)->second;
    if (std::ranges::find(step.needs, found->second) != step.needs.end()) return;
    step.needs.push_back(found->second);
    steps_[found->second].dependants.push_back(own);
  }

  void read_needs(Step& step) {
    const auto* needs = document_of(step).if_contains("needs");
    if (!needs) return;
    const std::string pointer = pointer_of(step) + "/needs";
    if (const auto* id = needs->if_string()) return read_need(step, pointer, *id);
    const auto& list = needs->get_array();
    for (std::size_t i = 0; i < list.size(); ++i) {
      read_need(step, fmt::format("{}/{}", pointer, i), list[i].get_string());
    }
  }

  // Fills upstream_, in an order in which every step comes after its needs.
  bool order_steps() {
    upstream_.assign(steps_.size(), {});
    std::vector<std::size_t> waiting(steps_.size());
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      waiting[i] = steps_[i].needs.size();
      if (waiting[i] == 0) ready.push_back(i);
    }
    for (std::size_t next = 0; next < ready.size(); ++next) {
      const std::size_t number = ready[next];
      for (const auto need : steps_[number].needs) {
        upstream_[number] |= upstream_[need];
        upstream_[number].set(need);
      }
      for (const auto dependant : steps_[number].dependants) {
        if (--waiting[dependant] == 0) ready.push_back(dependant);
      }
    }
    if (ready.size() == steps_.size()) return true;
    name_cycle(waiting);
    return false;
  }

  // Every step that still waits has a need that does: going up from one leads into a circle.
  void name_cycle(const std::vector<std::size_t>& waiting) {
    std::size_t at = 0;
    while (waiting[at] == 0) ++at;
    std::vector<std::size_t> path;
    while (std::ranges::find(path, at) == path.end()) {
      path.push_back(at);
      at = *std::ranges::find_if(steps_[at].needs, [&](auto need) { return waiting[need] > 0; });
    }
    path.erase(path.begin(), std::ranges::find(path, at));
    std::string names = steps_[at].id;
    for (std::size_t i = 1; i < path.size(); ++i) names += " needs " + steps_[path[i]].id;
    names += " needs " + steps_[at].id;
    add(pointer_of(steps_[at]) + "/needs", "cycle", fmt::format("none can begin: {}", names));
  }

  // A reference of an expression.
  void check_inputs(const Expression& expression, const std::string& pointer) {
    for (const auto& name : expression.inputs()) {
      if (definition_.inputs.contains(name)) continue;
      add(pointer, "inputs",
          fmt::format("there is no input \"{}\"{}", name, base::suggestion(name, inputs_)));
    }
  }

  std::optional<std::size_t> job_named(const std::string& id, const std::string& pointer) {
    const auto found = numbers_.find(id);
    if (found != numbers_.end()) return found->second;
    add(pointer, "jobs", fmt::format("there is no job \"{}\"{}", id, base::suggestion(id, ids_)));
    return std::nullopt;
  }

  void read_expression(std::size_t number, const Expression& expression, const std::string& pointer,
                       bool is_acyclic) {
    Step& step = steps_[number];
    step.reads_inputs |= expression.reads_inputs();
    check_inputs(expression, pointer);
    for (const auto& id : expression.jobs()) {
      const auto job = job_named(id, pointer);
      if (!job) continue;
      if (is_acyclic && !upstream_[number].test(*job)) {
        add(pointer, "needs",
            *job == number
                ? fmt::format("job \"{}\" cannot read itself", id)
                : fmt::format("job \"{}\" may not have ended when this one begins; add it to "
                              "\"needs\"",
                              id));
      }
      if (std::ranges::find(step.reads, *job) == step.reads.end()) step.reads.push_back(*job);
    }
  }

  bool has_good_keys(const json::value& tree, const std::string& pointer) {
    const auto wrong = object_with_long_key(tree, limits::workflow_key_bytes_max);
    if (!wrong) return true;
    add(pointer + *wrong, "limits",
        fmt::format("a key has more than {} bytes", limits::workflow_key_bytes_max));
    return false;
  }

  void read_texts(std::size_t number, bool is_acyclic) {
    const Step& step = steps_[number];
    std::size_t expressions = 0;
    const auto look = [&](const std::string& pointer, std::string_view text) {
      if (is_full()) return;
      const auto parsed = Template::parse(text);
      if (!parsed) return add(pointer, "expression", parsed.error().message);
      for (const auto* expression : parsed->expressions()) {
        if (is_full()) return;
        if (expression->asks_status()) {
          add(pointer, "expression",
              "always(), success(), failure() and cancelled() are for \"if\"");
        }
        if (++expressions == limits::template_expressions_max) {
          add(pointer, "limits", "the job holds too many expressions");
        }
        read_expression(number, *expression, pointer, is_acyclic);
      }
    };
    const std::string with = pointer_of(step) + "/with";
    if (has_good_keys(step.with, with)) each_text(step.with, with, look);
    if (!step.approval_note.empty()) {
      look(pointer_of(step) + "/approval/note", step.approval_note);
    }
    if (step.condition.empty()) return;
    const std::string pointer = pointer_of(step) + "/if";
    const auto condition = parse_condition(step.condition);
    if (!condition) return add(pointer, "expression", condition.error().message);
    read_expression(number, *condition, pointer, is_acyclic);
  }

  void read_outputs() {
    const auto look = [&](const std::string& pointer, std::string_view text) {
      if (is_full()) return;
      const auto parsed = Template::parse(text);
      if (!parsed) return add(pointer, "expression", parsed.error().message);
      for (const auto* expression : parsed->expressions()) {
        if (is_full()) return;
        check_inputs(*expression, pointer);
        if (expression->asks_status()) {
          add(pointer, "expression",
              "always(), success(), failure() and cancelled() are for \"if\"");
        }
        for (const auto& id : expression->jobs()) {
          const auto job = job_named(id, pointer);
          auto& reads = definition_.output_reads;
          if (job && std::ranges::find(reads, *job) == reads.end()) reads.push_back(*job);
        }
      }
    };
    each_text(definition_.outputs, "/outputs", look);
  }

  Definition& definition_;
  std::vector<Step>& steps_;
  std::vector<Violation>& violations_;
  std::map<std::string, std::size_t, std::less<>> numbers_;
  std::vector<std::string> ids_, inputs_;
  std::vector<Steps> upstream_;
};

}  // namespace

void apply_rules(Definition& definition, std::vector<Violation>& violations) {
  Rules(definition, violations).apply();
}

}  // namespace workflow
