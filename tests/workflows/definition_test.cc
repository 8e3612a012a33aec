#include "bridge/services/workflows/definition.h"

#include "bridge/services/workflows/yaml.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace workflow {
namespace {

namespace json = boost::json;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

protocol::Checked<Definition> read(std::string_view yaml) {
  auto parsed = parse_yaml(yaml);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return Definition::from_json(parsed ? parsed->value : json::value());
}

// "pointer: detail" for all that is wrong.
std::vector<std::string> mistakes(std::string_view yaml) {
  const auto made = read(yaml);
  std::vector<std::string> lines;
  if (made) return lines;
  for (const auto& violation : made.error().violations) lines.push_back(to_line(violation));
  return lines;
}

constexpr std::string_view trip = R"(
name: trip
inputs:
  city: {type: string}
  days: {type: integer, minimum: 1, default: 3}
max_parallel: 2
jobs:
  plan:
    uses: gpt/wanderweave
    with: {query: "Plan ${{ inputs.days }} days in ${{ inputs.city }}"}
    timeout_seconds: 1.5
    retry: {max_attempts: 3, interval_seconds: 2, backoff_rate: 3, max_delay_seconds: 10}
  hotels:
    uses: gpt/hotel-optimizer-x
    needs: plan
    with: {query: "${{ jobs.plan.outputs.text }}"}
    continue_on_error: true
  agree:
    needs: [plan, hotels]
    approval: {note: "For ${{ inputs.city }}"}
  book:
    uses: packet/RFP_PLAN
    needs: agree
    if: success() && inputs.days > 1
    approval: true
outputs:
  text: ${{ jobs.hotels.outputs.text }}
)";

TEST(Definition, IsReadWithAllItsParts) {
  const auto made = read(trip);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->name, "trip");
  EXPECT_EQ(made->parallel_max, 2);
  ASSERT_EQ(made->steps.size(), 4u);
  const Step& plan = made->steps[0];
  EXPECT_EQ(plan.uses(), "gpt/wanderweave");
  EXPECT_THAT(plan.dependants, ElementsAre(1, 2));
  EXPECT_EQ(plan.timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(plan.retry, (Retry{.attempts_max = 3,
                               .interval = std::chrono::seconds(2),
                               .backoff_rate = 3,
                               .delay_max = std::chrono::seconds(10)}));
  EXPECT_TRUE(plan.reads_inputs);
  EXPECT_THAT(made->steps[1].reads, ElementsAre(0));
  EXPECT_TRUE(made->steps[1].continue_on_error);
  EXPECT_THAT(made->steps[2].needs, ElementsAre(0, 1));
  EXPECT_EQ(made->steps[2].kind, "");
  EXPECT_TRUE(made->steps[2].needs_approval);
  EXPECT_EQ(made->steps[3].condition, "success() && inputs.days > 1");
  EXPECT_THAT(made->output_reads, ElementsAre(1));
}

TEST(Definition, AStepComesBackAsItWasKept) {
  const auto made = read(trip);
  ASSERT_TRUE(made);
  for (const auto& step : made->steps) {
    const auto kept = to_json(step);
    const auto again = step_from(step.id, kept);
    ASSERT_TRUE(again);
    EXPECT_EQ(to_json(*again), kept);
    EXPECT_EQ(again->id, step.id);
    EXPECT_EQ(again->retry, step.retry);
  }
}

TEST(Definition, TheSchemaIsHeld) {
  EXPECT_THAT(mistakes("jobs: {}"), Contains(HasSubstr("name")));
  EXPECT_THAT(mistakes("{name: x, jobs: {a: {uses: gpt/a, need: b}}}"),
              ElementsAre(HasSubstr("/jobs/a/need: ")));
  EXPECT_THAT(mistakes("{name: x, jobs: {'1a': {uses: gpt/a}}}"), Contains(HasSubstr("1a")));
  EXPECT_THAT(mistakes("{name: x, jobs: {a: {uses: gpt/a, retry: {max_attempts: 0}}}}"),
              ElementsAre(HasSubstr("/jobs/a/retry/max_attempts: ")));
  EXPECT_THAT(mistakes("- a"), ElementsAre(HasSubstr("(root)")));
}

TEST(Definition, TheRulesAreHeldAndTheirMistakesAllTold) {
  struct Case {
    std::string_view jobs, expected;
  };
  const Case cases[] = {
      {"a: {uses: gtp/x}",
       "/jobs/a/uses: write gpt/<agent>, packet/<TYPE>, action/<name> or "
       "message/<agent>; did you mean gpt?"},
      {"a: {uses: gpt}", "/jobs/a/uses: a name must follow \"gpt/\""},
      {"a: {with: {}}", "/jobs/a: give \"uses\", or \"approval\""},
      {"{a: {uses: gpt/x}, b: {uses: gpt/x, needs: [aa]}}",
       "/jobs/b/needs/0: there is no job \"aa\"; did you mean a?"},
      {"a: {uses: gpt/x, needs: a}", "/jobs/a/needs: none can begin: a needs a"},
      {"{z: {uses: gpt/x}, a: {uses: gpt/x, needs: [z, c]}, b: {uses: gpt/x, needs: a}, "
       "c: {uses: gpt/x, needs: b}}",
       "/jobs/a/needs: none can begin: a needs c needs b needs a"},
      {"a: {uses: gpt/x, with: {q: '${{ inputs.cty }}'}}",
       "/jobs/a/with/q: there is no input \"cty\"; did you mean city?"},
      {"a: {uses: gpt/x, with: {q: ['${{ jobs.b.outputs.x }}']}}",
       "/jobs/a/with/q/0: there is no job \"b\"; did you mean a?"},
      {"{a: {uses: gpt/x, with: {q: '${{ jobs.b.outputs.x }}'}}, b: {uses: gpt/x}}",
       "/jobs/a/with/q: job \"b\" may not have ended when this one begins; add it to \"needs\""},
      {"a: {uses: gpt/x, if: jobs.a.result}", "/jobs/a/if: job \"a\" cannot read itself"},
      {"a: {uses: gpt/x, if: 'inputs.city =='}", "/jobs/a/if: column 15: a value was expected"},
      {"a: {uses: gpt/x, with: {q: '${{ always() }}'}}", "are for \"if\""},
      {"a: {approval: {note: '${{ inputs.x }}'}}", "/jobs/a/approval/note: there is no input"},
  };
  for (const auto& [jobs, expected] : cases) {
    const auto yaml =
        fmt::format("name: x\ninputs: {{city: {{type: string}}}}\njobs:\n  {}\n", jobs);
    EXPECT_THAT(mistakes(yaml), ElementsAre(HasSubstr(expected))) << jobs;
  }
  EXPECT_THAT(mistakes("{name: x, inputs: {a: {type: strng}}, jobs: {a: {uses: gpt/x, needs: b}}, "
                       "outputs: {o: '${{ jobs.c.result }}'}}"),
              ElementsAre(HasSubstr("/inputs/a: "), HasSubstr("/jobs/a/needs: "),
                          HasSubstr("/outputs/o: there is no job \"c\"")));
}

TEST(Definition, AJobFarUpstreamMayBeRead) {
  EXPECT_THAT(mistakes("{name: x, jobs: {c: {uses: gpt/x, needs: b, with: {q: '${{ "
                       "jobs.a.outputs.text }}'}}, b: {uses: gpt/x, needs: a}, a: {uses: gpt/x}}}"),
              IsEmpty());
}

TEST(Definition, AThousandStepsInAChainAreReadInOrder) {
  json::object jobs;
  for (int i = 0; i < 1000; ++i) {
    json::object job{{"uses", "gpt/x"}};
    if (i > 0) job["needs"] = fmt::format("s{}", i - 1);
    jobs[fmt::format("s{}", i)] = std::move(job);
  }
  const auto made = Definition::from_json(json::object{{"name", "long"}, {"jobs", jobs}});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->steps[999].id, "s999");
  jobs["s0"].as_object()["needs"] = "s999";
  const auto circle = Definition::from_json(json::object{{"name", "long"}, {"jobs", jobs}});
  ASSERT_FALSE(circle);
  EXPECT_EQ(circle.error().violations.size(), 1u);
}

TEST(Definition, InputsAreCheckedAndFilledUp) {
  const auto made = read(trip);
  ASSERT_TRUE(made);
  EXPECT_EQ(*checked_inputs(made->inputs, {{"city", "Rome"}}),
            (json::object{{"city", "Rome"}, {"days", 3}}));
  const auto wrong = checked_inputs(made->inputs, {{"days", 0}, {"cty", "Rome"}});
  ASSERT_FALSE(wrong);
  std::vector<std::string> lines;
  for (const auto& violation : wrong.error().violations) lines.push_back(to_line(violation));
  EXPECT_THAT(
      lines,
      ElementsAre(HasSubstr("/inputs/city: this input must be given"), HasSubstr("/inputs/days: "),
                  AllOf(HasSubstr("/inputs/cty: "), HasSubstr("did you mean city?"))));
}

TEST(Definition, TheExamplesAreValid) {
  int examples = 0;
  for (const auto& file : std::filesystem::directory_iterator(SOURCE_DIR "/fixtures/workflows")) {
    std::ostringstream text;
    text << std::ifstream(file.path()).rdbuf();
    EXPECT_THAT(mistakes(text.str()), IsEmpty()) << file.path();
    ++examples;
  }
  EXPECT_GE(examples, 6);
}

std::vector<std::string> mistakes_with(json::object with, json::object outputs = {}) {
  const json::object job{{"uses", "gpt/a"}, {"with", std::move(with)}};
  const auto made = Definition::from_json(json::object{
      {"name", "w"}, {"jobs", json::object{{"a", job}}}, {"outputs", std::move(outputs)}});
  std::vector<std::string> lines;
  if (made) return lines;
  for (const auto& violation : made.error().violations) lines.push_back(to_line(violation));
  return lines;
}

TEST(Definition, AKeyThatEveryPointerWouldRepeatIsAMistake) {
  const std::string longest(limits::workflow_key_bytes_max, 'k');
  const json::object good{{longest, json::array(1000, "x")}};
  const json::object bad{{longest + "k", json::array(1000, "${{ }}")}};
  const std::string line = "a key has more than 1024 bytes";

  EXPECT_THAT(mistakes_with(good, good), IsEmpty());
  EXPECT_THAT(mistakes_with(bad), ElementsAre("/jobs/a/with: " + line));
  EXPECT_THAT(mistakes_with({{"b", json::array{0, bad}}}),
              ElementsAre("/jobs/a/with/b/1: " + line));
  EXPECT_THAT(mistakes_with({}, {{"o", bad}}), ElementsAre("/outputs/o: " + line));
}

TEST(Definition, NotMoreMistakesAreToldThanAnybodyReads) {
  const json::array wrong(2 * limits::workflow_violations_max, "${{ jobs.none.result }}");

  EXPECT_EQ(mistakes_with({{"list", wrong}}, {{"list", wrong}}).size(),
            limits::workflow_violations_max);
}

}  // namespace
}  // namespace workflow
