// The bounds of workflows.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace limits {

using namespace std::chrono_literals;

// YAML from outside.
inline constexpr std::size_t yaml_bytes_max = 1u << 20;
inline constexpr std::size_t yaml_depth_max = 64;
inline constexpr std::size_t yaml_values_max = 100'000;  // aliases counted with all they stand for
inline constexpr std::size_t yaml_aliases_max = 200;

// Of a key in YAML, and in what a job is given: a pointer to each thing below holds it.
inline constexpr std::size_t workflow_key_bytes_max = 1024;
inline constexpr std::size_t workflow_violations_max = 1000;  // that are told of one definition

// Expressions.
inline constexpr std::size_t expression_bytes_max = 4096;
inline constexpr std::size_t expression_depth_max = 32;  // parentheses, calls and indices
inline constexpr std::size_t expression_nodes_max = 300;
inline constexpr std::size_t expression_steps_max = 10'000;
inline constexpr std::size_t expression_output_bytes_max = 1u << 20;  // of one text, all told
inline constexpr std::size_t template_expressions_max = 1000;         // in one definition's step
// Of what all the expressions of a run read and make in one transaction: others wait for its end.
inline constexpr std::size_t run_evaluation_bytes_max = 128u << 20;

// Definitions and runs.
inline constexpr std::size_t workflow_steps_max = 2000;
inline constexpr std::size_t workflow_needs_max = 200;  // of one step
inline constexpr int workflow_parallel_default = 10;
inline constexpr int workflow_parallel_max = 100;
inline constexpr std::size_t workflows_max = 1000;
inline constexpr int workflow_depth_max = 5;  // of runs that began one another
inline constexpr std::size_t workflow_inputs_bytes_max = 512u << 10;
inline constexpr std::size_t step_outputs_bytes_max = 1u << 20;
inline constexpr std::size_t step_reads_bytes_max = 8u << 20;  // of the outputs that one reads
inline constexpr std::size_t run_view_outputs_bytes_max = 4u << 20;  // of all its jobs
inline constexpr std::size_t step_view_input_bytes_max = 1u << 20;
inline constexpr std::size_t approval_note_bytes_listed = 4000;  // where it is not looked at alone
inline constexpr int workflow_timers_at_once = 100;
inline constexpr auto workflow_look = 30s;  // between looks at a calendar that may step

}  // namespace limits
