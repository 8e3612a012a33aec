// The dashboard's one-time link.
#include "bridge/app/command_line.h"
#include "bridge/app/remote_call.h"

namespace app {

namespace json = boost::json;
using boost::asio::awaitable;

namespace {

struct DashboardOptions {
  BridgeOptions bridge;
};

awaitable<int> link(Console& console, const DashboardOptions&, http::Client& client) {
  http::ClientRequest request{
      .method = "POST", .target = "/api/dashboard/links", .body = json::value(json::object())};
  co_return co_await call(console, client, std::move(request), [&](const json::value& answer) {
    if (!answer.is_object()) return;
    console.out << text_in(answer.get_object(), "url") << '\n';
    console.err << "open it in your browser within two minutes; it works once\n";
  });
}

}  // namespace

void add_dashboard_command(CLI::App& root, CommandLine& line) {
  add_remote_command<DashboardOptions>(root, line, "dashboard",
                                       "Print a link that signs you in to the dashboard, once",
                                       "flywheel dashboard", link);
}

}  // namespace app
