// What the commands that ask a daemon have in common.
#pragma once

#include "bridge/app/command_line.h"
#include "bridge/app/daemon_client.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace app {

// For a path or a query.
std::string encoded(std::string_view text);
// Adds name=value unless the value is empty.
void add_query(std::string& target, std::string_view name, const std::string& value);

// A member as text; what is no string as JSON; empty without.
std::string text_in(const boost::json::object& object, std::string_view key);
// The items of a list; empty without.
const boost::json::array& items_of(const boost::json::value& answer);
// Indented, for people.
void print_pretty(Console& console, const boost::json::value& value);

// Calls once and prints what comes, by `show` for people.
boost::asio::awaitable<int> call(Console& console, http::Client& client,
                                 http::ClientRequest request,
                                 std::function<void(const boost::json::value&)> show);

// A command that talks to the daemon. `Options` has a member `bridge`.
template <class Options>
CLI::App* add_remote_command(
    CLI::App& parent, CommandLine& line, const std::string& name, const std::string& summary,
    const std::string& example,
    std::function<boost::asio::awaitable<int>(Console&, const Options&, http::Client&)> story,
    const std::function<void(CLI::App&, Options&)>& more = {}) {
  CLI::App* command = add_command(parent, name, summary, example);
  auto options = std::make_shared<Options>();
  if (more) more(*command, *options);
  add_place(*command, options->bridge);
  command->callback([options, story = std::move(story), &line] {
    line.run = [options, story](Console& console) {
      return run_with_daemon(console, options->bridge, [&](http::Client& client) {
        return story(console, *options, client);
      });
    };
  });
  return command;
}

}  // namespace app
