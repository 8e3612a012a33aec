// What one run may cost those who wait for it.
#include "bridge/services/workflows/workflow_limits.h"
#include "tests/workflows/life.h"

#include <string>

namespace services {
namespace {

TEST(WorkflowBounds, InputsHaveABound) {
  Life life;
  const std::string whole(limits::workflow_inputs_bytes_max, 'x');
  const std::string half = whole.substr(0, whole.size() / 2);
  life.create("{name: w, inputs: {a: {}, b: {default: " + half + "}}, jobs: {j: {uses: gpt/x}}}");
  const auto refusal_of = [&](json::object inputs) {
    const auto begun = life.run(life.flows->execute(Life::ann, "w", std::move(inputs), ""));
    if (begun) return std::string("begun");
    const auto& first = begun.error().violations.at(0);
    return first.pointer + " " + first.keyword;
  };

  EXPECT_EQ(refusal_of({{"a", whole}}), "/inputs limits");
  EXPECT_EQ(refusal_of({{"a", half}}), "/inputs limits");
  EXPECT_EQ(refusal_of({{"a", half}, {"b", "short"}}), "begun");
}

TEST(WorkflowBounds, ManyConditionsDoNotKeepOthersWaitingWithoutEnd) {
  Life life;
  std::string jobs;
  for (int i = 0; i < 400; ++i) {
    jobs += fmt::format("  j{}: {{approval: true, if: 'contains(inputs.a, inputs.b)'}}\n", i);
  }
  life.create("name: w\ninputs: {a: {}, b: {}}\njobs:\n" + jobs);
  const auto view = life.view(life.execute(
      "w", {{"a", std::string(300'000, 'a')}, {"b", std::string(150'000, 'a') + "b"}}));

  EXPECT_EQ(view.at("state"), "finished");
  EXPECT_EQ(view.at("result"), "failure");
  EXPECT_EQ(view.at("jobs").at("j0").at("result"), "skipped");
  EXPECT_EQ(view.at("jobs").at("j399").at("result"), "failure");
  EXPECT_EQ(view.at("jobs").at("j399").at("error").at("code"), "too_much_at_once");
}

TEST(WorkflowBounds, JobsThatReadMuchBeginOneAfterAnother) {
  Life life;
  std::string jobs = "  a: {uses: gpt/x, with: {query: " + std::string(900'000, 'x') + "}}\n";
  for (int i = 0; i < 100; ++i) {
    jobs += fmt::format(
        "  b{}: {{uses: gpt/x, needs: a, with: {{n: '${{{{ length(jobs.a.outputs.text) }}}}'}}}}\n",
        i);
  }
  life.create("name: w\nmax_parallel: 100\njobs:\n" + jobs);
  life.begin();
  const auto id = life.execute("w");
  const auto view = life.ended(id);

  EXPECT_EQ(view.at("result"), "success");
  EXPECT_EQ(life.done.size(), 101u);
}

}  // namespace
}  // namespace services
