#include "bridge/app/daemon_client.h"
#include "bridge/app/exit_status.h"
#include "bridge/app/session_commands.h"
#include "bridge/app/session_report.h"
#include "bridge/base/limits.h"
#include "cdp/json_text.h"

#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <fmt/format.h>

namespace app::remote_session {

namespace json = boost::json;
using boost::asio::awaitable;
using namespace std::chrono_literals;

namespace {

// A look may have to start the browser first.
constexpr auto call_limit = limits::window_waits + 2min;

base::Task<json::object> ask(http::Client& client, std::string method, std::string target) {
  http::ClientRequest request{
      .method = std::move(method), .target = std::move(target), .limit = call_limit};
  CO_TRY(auto answer, co_await client.call_json(std::move(request)));
  if (!answer.is_object()) {
    co_return base::fail(base::Code::internal, "the daemon's answer is no object");
  }
  co_return std::move(answer.get_object());
}

bool flag_in(const json::object& view, std::string_view key) {
  const auto* value = view.if_contains(key);
  return value && value->is_bool() && value->get_bool();
}

}  // namespace

awaitable<int> check(Console& console, http::Client& client) {
  const auto view = co_await ask(client, "POST", "/api/session/check");
  if (!view) co_return print_failed(console, view.error());
  print_check(console, *view);
  co_return status_of_session(*view);
}

awaitable<int> inspect(Console& console, http::Client& client, std::string url) {
  std::string target = "/api/session/inspect";
  if (!url.empty()) target += "?url=" + boost::urls::encode(url, boost::urls::unreserved_chars);
  const auto view = co_await ask(client, "GET", target);
  if (!view) co_return print_failed(console, view.error());
  print_inspection(console, *view);
  co_return cdp::text_in(*view, "state") == "unknown_ui" ? exit_negative : exit_ok;
}

awaitable<int> login(Console& console, http::Client& client) {
  auto view = co_await ask(client, "POST", "/api/session/login");
  if (!view) co_return print_failed(console, view.error());
  if (waits_for_person(*view)) {
    console.err << "The daemon has opened a browser window: sign in there, or decide what a page "
                   "asks. This command ends by itself when all is well; the window then closes."
                << std::endl;
  }
  base::SystemClock clock;
  std::string shown;
  while (waits_for_person(*view)) {
    if (!flag_in(*view, "signing_in")) {
      co_return print_failed(console, {base::Code::login_required,
                                       "nobody signed in or decided in time, and the window has "
                                       "closed; start again with flywheel session login",
                                       "login_required"});
    }
    if (const auto state = cdp::text_in(*view, "state"); state != shown) {
      shown = state;
      console.err << fmt::format("  {}: {}", state, cdp::text_in(*view, "evidence")) << std::endl;
      print_breakers(console.err, *view);
    }
    co_await clock.sleep_until(clock.now() + limits::sign_in_look);
    view = co_await ask(client, "GET", "/api/session");
    if (!view) co_return print_failed(console, view.error());
  }
  if (console.is_json) {
    print_json(console, *view);
  } else {
    console.out << "Signed in; the daemon goes on with the queue by itself" << std::endl;
  }
  co_return exit_ok;
}

awaitable<int> screenshot(Console& console, http::Client& client, std::string file) {
  const auto picture =
      co_await client.call_bytes({.target = "/api/session/screenshot", .limit = call_limit});
  if (!picture) co_return print_failed(console, picture.error());
  co_return print_screenshot(console, file, *picture);
}

}  // namespace app::remote_session
