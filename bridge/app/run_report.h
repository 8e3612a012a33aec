// Runs of workflows as the command line shows them.
#pragma once

#include "bridge/app/remote_call.h"

#include <string>
#include <vector>

namespace app {

// "success", or "running" of one that has not ended.
std::string result_of(const boost::json::object& view);
void print_run_line(Console& console, const boost::json::object& run);
// With its jobs and what it gave.
void print_run(Console& console, const boost::json::object& run);
std::string run_path(const std::string& run);

// Shows a run as it is, or once it has ended; in pieces that the daemon allows.
boost::asio::awaitable<int> follow(Console& console, http::Client& client, std::string id,
                                   int wait_s);
void add_wait(CLI::App& command, int& wait_s);

// Of --input NAME=VALUE, where a value that is JSON is taken as such, and --inputs FILE.
struct RunInputs {
  std::vector<std::string> given;
  std::string file;
};
base::Result<boost::json::object> inputs_of(Console& console, const RunInputs& inputs);
void add_inputs(CLI::App& command, RunInputs& inputs);

}  // namespace app
