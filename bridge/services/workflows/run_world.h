// One run inside one transaction: what the machine sees of store, queue and journal.
#pragma once

#include "bridge/engine/journal.h"
#include "bridge/engine/queue.h"
#include "bridge/services/workflows/machine.h"
#include "bridge/services/workflows/step_kinds.h"
#include "bridge/services/workflows/workflow_rows.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace services {

class RunWorld final : public workflow::World {
 public:
  struct Parts {
    const engine::Queue& queue;
    const engine::Journal& journal;
    const StepKinds& kinds;
  };
  // All but `run` outlive it. `actor` is who acts, for the journal.
  RunWorld(store::Tx& tx, const Parts& parts, const engine::Now& now, workflow_rows::Run run,
           std::string actor = "bridge");

  workflow_rows::Run& run() { return run_; }
  // The run has just been inserted: its steps are not in the store yet.
  void use_new_steps(std::vector<workflow::Step> steps);
  // The store has this of the step: it was read in this transaction.
  void use_state(std::size_t step, workflow::StepState state);
  // Reads all steps at once, for those who will want them all.
  base::Result<> load_all();
  // What the step gives. False: too big, nothing was kept.
  base::Result<bool> keep_outputs(std::size_t step, const base::json::value& outputs);
  // Writes what has changed, and the end of the run if it has ended. True: something is due.
  base::Result<bool> close();
  // What the step's errand is, for people; nothing for a step that is none's or has none yet.
  struct ErrandView {
    std::string noun;
    base::json::object view;
  };
  base::Result<std::optional<ErrandView>> errand_view(const workflow::Step& plan,
                                                      const workflow::StepState& state);
  // The value of a text of the step's definition.
  base::Result<std::string> text_of(std::size_t step, std::string_view text);
  // What an attempt is given now that the step's needs have ended. The inner error says why it
  // cannot be made.
  using Input = std::expected<base::json::object, workflow::StepError>;
  base::Result<Input> input_of(std::size_t step);

  base::WallTime now() const override { return now_.wall; }
  std::size_t steps() const override { return static_cast<std::size_t>(run_.steps); }
  base::Result<workflow::StepState*> state(std::size_t step) override;
  base::Result<const workflow::Step*> plan(std::size_t step) override;
  base::Result<Asked> asks(std::size_t step, const workflow::Situation& situation) override;
  base::Result<Submitted> submit(std::size_t step, std::optional<base::WallTime> not_before,
                                 std::optional<base::WallTime> deadline) override;
  base::Result<bool> withdraw(std::size_t step) override;
  base::Result<std::vector<std::size_t>> ready(int most) override;
  base::Result<std::vector<std::size_t>> active() override;
  base::Result<> tell(std::size_t step, std::string_view what) override;

 private:
  struct Slot {
    workflow::StepState now;
    std::optional<workflow::StepState> kept;  // as the store has it
  };
  base::Result<> flush();
  base::Result<> flush(std::size_t step, Slot& slot);
  base::Result<> end_run();
  // What `work` evaluates with what these steps gave. invalid: the definition's fault, or too much
  // to be read; others are the store's.
  using Evaluation =
      std::function<base::Result<base::json::value>(const workflow::Known&, workflow::Budget&)>;
  base::Result<base::json::value> evaluate(const std::vector<std::size_t>& reads, bool reads_inputs,
                                           const workflow::Situation& situation,
                                           const Evaluation& work);
  // invalid, with a pause: what was evaluated in this transaction kept others waiting long enough.
  base::Result<> may_evaluate() const;
  base::Result<std::optional<std::string>> outputs_of(std::size_t step);
  base::Result<base::json::value> known_job(std::size_t step, std::size_t& room);
  base::Result<base::json::object> filled(const workflow::Step& plan);
  // The id of what was begun.
  base::Result<std::string> begin(std::size_t step, const workflow::Step& plan,
                                  base::json::object with, std::optional<base::WallTime> not_before,
                                  std::optional<base::WallTime> deadline);
  // Who keeps the attempts of such a step; nothing: the queue does.
  base::Result<const Errand*> errand_for(const workflow::Step& plan);
  base::Result<const Errand*> errand_of(const workflow::Step& plan, const std::string& id);
  const Errand* errand_in(const workflow::Step& plan) const;

  store::Tx& tx_;
  const Parts& parts_;
  const engine::Now& now_;
  workflow_rows::Run run_;
  std::string actor_;
  std::map<std::size_t, Slot> slots_;
  std::map<std::size_t, workflow::Step> plans_;
  std::map<std::size_t, std::string> given_;  // outputs that came in this transaction
  std::optional<base::json::object> inputs_;
  std::size_t evaluated_bytes_ = 0;
  base::json::object about_;  // what expressions know as `run`
};

// Of a run's jobs: in whose name they are queued, and their keys.
std::string principal_of_run(std::string_view run);
std::string key_of_attempt(std::size_t step, int attempt);
// The run whose principal it is; nothing for others.
std::optional<std::string> run_of_principal(std::string_view principal);
// The run and the step of a job that was queued so; nothing for others.
std::optional<workflow_rows::Due> step_of_job(const engine::Job& job);
// Rings when a run has ended.
std::string bell_of_run(std::string_view run);

}  // namespace services
