#include "bridge/services/workflows/expression.h"

#include "bridge/services/workflows/template.h"
#include "bridge/services/workflows/workflow_limits.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace workflow {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;

class ExpressionTest : public testing::Test {
 protected:
  json::value of(std::string_view text) {
    const auto parsed = Expression::parse(text);
    EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().message);
    if (!parsed) return "unparsed";
    Budget budget;
    auto value = parsed->evaluate({inputs, jobs, run, situation}, budget);
    return value ? *value : json::value("error: " + value.error().message);
  }
  json::value filled(std::string_view text) {
    Budget budget;
    auto value = fill(json::value(text), {inputs, jobs, run, situation}, budget);
    return value ? *value : json::value("error: " + value.error().message);
  }
  static std::string refusal(std::string_view text) {
    const auto parsed = Expression::parse(text);
    EXPECT_FALSE(parsed) << text;
    return parsed ? "accepted" : parsed.error().message;
  }

  json::object inputs = base::parse_json(R"({"city":"Paris","n":3,"tags":["a","b"],
      "deep":{"list":[{"x":1},{"x":2}]},"none":null,"flag":true,"a-b":7})")
                            ->as_object();
  json::object jobs = base::parse_json(R"({"plan":{"result":"success","outputs":{"text":"Hi",
      "score":0.5},"error":null},"a b":{"result":"failure","outputs":{},
      "error":{"code":"timeout"}}})")
                          ->as_object();
  json::object run = {{"id", "r-1"}};
  Situation situation;
};

TEST_F(ExpressionTest, ValuesOperatorsAndFunctions) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"1", "1"},
      {"-1.5", "-1.5"},
      {"'it''s'", "\"it's\""},
      {"null", "null"},
      {"inputs.city", "\"Paris\""},
      {"inputs['city']", "\"Paris\""},
      {"inputs.a-b", "7"},
      {"inputs.absent", "null"},
      {"inputs.absent.deeper", "null"},
      {"inputs.tags[1]", "\"b\""},
      {"inputs.tags[9]", "null"},
      {"inputs.tags[-1]", "null"},
      {"inputs.deep.list[inputs.n == 3 && 1 || 0].x", "2"},
      {"jobs.plan.outputs.text", "\"Hi\""},
      {"jobs['a b'].error.code", "\"timeout\""},
      {"run.id", "\"r-1\""},
      {"1 == 1.0", "true"},
      {"'1' == 1", "false"},
      {"'a' == 'A'", "false"},
      {"null == inputs.none", "true"},
      {"inputs.tags == fromJSON('[\"a\",\"b\"]')", "true"},
      {"1 != 2 == true", "true"},
      {"2 < 10 && 'b' > 'a' && 1 <= 1 && 2 >= 3 == false", "true"},
      {"!inputs.none && !0 && !'' && !!inputs.tags", "true"},
      {"inputs.city || 'x'", "\"Paris\""},
      {"inputs.none || 'x'", "\"x\""},
      {"inputs.flag && 'yes'", "\"yes\""},
      {"false || true && false", "false"},
      {"(false || true) && 1", "1"},
      {"contains(inputs.tags, 'a')", "true"},
      {"contains('workflow', 'flow')", "true"},
      {"contains(inputs.none, 'x')", "false"},
      {"startsWith(inputs.city, 'Par') && endsWith('abc', 'bc')", "true"},
      {"length(inputs.tags) + ''", ""},
      {"length('h\xc3\xa9')", "2"},
      {"toJSON(inputs.deep)", "\"{\\\"list\\\":[{\\\"x\\\":1},{\\\"x\\\":2}]}\""},
      {"fromJSON('{\"k\":[1]}').k[0]", "1"},
      {"join(inputs.tags, ' and ')", "\"a and b\""},
      {"join(inputs.tags)", "\"a,b\""},
      {"format('{0}-{1}-{{0}}', inputs.n, inputs.city)", "\"3-Paris-{0}\""},
      {"always()", "true"},
      {"success()", "true"},
      {"failure() || cancelled()", "false"},
  };
  for (const auto& [text, expected] : cases) {
    if (expected.empty()) {
      EXPECT_FALSE(Expression::parse(text)) << text;
    } else {
      EXPECT_EQ(of(text), *base::parse_json(expected)) << text;
    }
  }
}

TEST_F(ExpressionTest, MistakesAreNamedWithTheirColumn) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "column 1: a value was expected, not the end"},
      {"1 +", "column 3: \"+\" means nothing here"},
      {"(1", "column 3: \")\" was expected"},
      {"'abc", "column 1: the text that begins here does not end"},
      {"\"abc\"", "single quotes"},
      {"1 2", "column 3: an operator was expected, not a value"},
      {"input.x", "column 1: there is no \"input\"; did you mean inputs?"},
      {"contain('a', 'b')", "did you mean contains?"},
      {"contains('a')", "write contains(text or list, what)"},
      {"jobs", "column 5: after \"jobs\" comes the name of a job"},
      {"jobs[inputs.x].outputs", "column 6: after \"jobs\""},
      {"jobs.a.output.text",
       "column 8: a job has result, outputs and error; did you mean outputs?"},
      {"inputs.", "column 8: a name was expected"},
      {"inputs[", "column 8: a value was expected, not the end"},
      {"1..2", "column 1: this is no number"},
      {"a\nb", "there is no \"a\""},
  };
  for (const auto& [text, expected] : cases)
    EXPECT_THAT(refusal(text), HasSubstr(expected)) << text;
  EXPECT_THAT(std::string(of("inputs.city < 3").as_string()), HasSubstr("column 13"));
  EXPECT_THAT(std::string(of("fromJSON('{')").as_string()), HasSubstr("column 1: fromJSON()"));
  EXPECT_THAT(std::string(of("format('{7}', 1)").as_string()), HasSubstr("names none"));
}

TEST_F(ExpressionTest, WhatGrowsIsBounded) {
  EXPECT_THAT(refusal(std::string(limits::expression_bytes_max + 1, ' ')), HasSubstr("bytes"));
  EXPECT_THAT(refusal(std::string(1000, '(') + "1"), HasSubstr("too deep"));
  std::string parts = "1";
  for (int i = 0; i < 400; ++i) parts += "&&1";
  EXPECT_THAT(refusal(parts), HasSubstr("too many parts"));
  EXPECT_EQ(of(std::string(200, '!') + "1"), true);
  inputs["big"] = std::string(300'000, 'x');
  EXPECT_THAT(std::string(of("format('{0}{0}{0}{0}', inputs.big)").as_string()),
              HasSubstr("too long"));
  EXPECT_THAT(std::string(of("toJSON(toJSON(toJSON(inputs.big)))").as_string()),
              HasSubstr("too long"));
}

TEST_F(ExpressionTest, WhatItReadsIsKnownBeforeItRuns) {
  const auto parsed =
      Expression::parse("inputs.a && jobs.x.result == inputs['b'] || jobs['y'].outputs");
  ASSERT_TRUE(parsed);
  EXPECT_THAT(parsed->jobs(), ElementsAre("x", "y"));
  EXPECT_THAT(parsed->inputs(), ElementsAre("a", "b"));
  EXPECT_FALSE(parsed->asks_status());
  EXPECT_TRUE(Expression::parse("!always()")->asks_status());
  EXPECT_TRUE(Expression::parse("inputs[run.id]")->reads_inputs());
}

TEST_F(ExpressionTest, AWholeExpressionKeepsItsKindAndOthersBecomeText) {
  EXPECT_EQ(filled("${{ inputs.tags }}"), inputs.at("tags"));
  EXPECT_EQ(filled("${{inputs.n}}"), 3);
  EXPECT_EQ(filled("n=${{ inputs.n }}"), "n=3");
  EXPECT_EQ(filled("${{ inputs.n }} "), "3 ");
  EXPECT_EQ(filled("${{ inputs.none }}${{ inputs.flag }}"), "true");
  EXPECT_EQ(filled("t: ${{ inputs.tags }}, ${{ jobs.plan.outputs.score }}"),
            "t: [\"a\",\"b\"], 0.5");
  EXPECT_EQ(filled("${{ '}}' }}"), "}}");
  EXPECT_EQ(filled("no ${ expression }"), "no ${ expression }");
  EXPECT_EQ(filled(""), "");
  EXPECT_THAT(std::string(filled("a ${{ inputs.n").as_string()), HasSubstr("column 3"));
  EXPECT_THAT(std::string(filled("a ${{ inpts.n }}").as_string()),
              HasSubstr("in the expression at column 6: column 2: there is no \"inpts\""));
}

TEST_F(ExpressionTest, TreesAreFilledAndMistakesNameThePointer) {
  Budget budget;
  const Known known{inputs, jobs, run, situation};
  const auto tree =
      base::parse_json(R"({"a":["${{ inputs.n }}",1,null],"b":{"c":"x ${{ run.id }}"}})");
  EXPECT_EQ(*fill(*tree, known, budget),
            *base::parse_json(R"({"a":[3,1,null],"b":{"c":"x r-1"}})"));
  const auto bad = fill(*base::parse_json(R"({"a":[0,"${{ 'x' < 1 }}"]})"), known, budget);
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("/a/1: "));
}

TEST_F(ExpressionTest, LongTextsAreSearchedWithoutComparingAllPlaces) {
  inputs["a"] = std::string(600'000, 'a');
  inputs["b"] = std::string(299'999, 'a') + "b";
  inputs["c"] = std::string(299'999, 'a');

  EXPECT_EQ(of("contains(inputs.a, inputs.b)"), false);
  EXPECT_EQ(of("contains(inputs.a, inputs.c)"), true);
  EXPECT_EQ(of("contains(inputs.c, inputs.a)"), false);
  EXPECT_EQ(of("contains(inputs.city, '')"), true);
  EXPECT_EQ(of("contains('', inputs.city)"), false);
}

TEST_F(ExpressionTest, WhatIsComparedCounts) {
  inputs["a"] = std::string(600'000, 'a');
  inputs["b"] = inputs["a"];
  const auto compared = [&](int times) {
    std::string text = "inputs.a != inputs.b";
    for (int i = 1; i < times; ++i) text += " || inputs.a != inputs.b";
    return of(text);
  };

  EXPECT_EQ(compared(10), false);
  EXPECT_THAT(std::string(compared(35).as_string()), HasSubstr("compared would be too long"));
}

TEST_F(ExpressionTest, ConditionsStandBareOrInBraces) {
  for (const auto* text : {"inputs.n == 3", "${{ inputs.n == 3 }}", "  ${{inputs.n == 3}} "}) {
    const auto parsed = parse_condition(text);
    ASSERT_TRUE(parsed) << text;
    Budget budget;
    EXPECT_EQ(*parsed->evaluate({inputs, jobs, run, situation}, budget), json::value(true));
  }
  EXPECT_FALSE(parse_condition("${{ true }} && ${{ true }}"));
}

TEST_F(ExpressionTest, StatusFunctionsTellHowThingsWent) {
  struct Case {
    Situation situation;
    bool success, failure, cancelled;
  };
  for (const auto& [given, success, failure, cancelled] :
       {Case{{}, true, false, false}, Case{{.is_failed = true}, false, true, false},
        Case{{.is_skipped = true}, false, false, false},
        Case{{.is_cancelled = true}, false, false, true}}) {
    situation = given;
    EXPECT_EQ(of("success()"), success);
    EXPECT_EQ(of("failure()"), failure);
    EXPECT_EQ(of("cancelled()"), cancelled);
    EXPECT_EQ(of("always()"), true);
  }
}

}  // namespace
}  // namespace workflow
