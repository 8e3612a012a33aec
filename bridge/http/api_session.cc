// The account's browser session.
#include "bridge/http/api_parts.h"

namespace http {

namespace {

using base::Task;

json::object view_of(const chat::SessionView& view) {
  return {{"state", chat::name(view.state)},
          {"since", base::rfc3339(view.since)},
          {"can_send", view.can_send},
          {"shell", text_or_null(view.shell)},
          {"browser", text_or_null(view.browser)},
          {"conversation", text_or_null(view.conversation)},
          {"evidence", view.evidence},
          {"advice", text_or_null(view.advice)},
          {"next_check", time_or_null(view.next_check)}};
}

json::object view_of(const services::Closure& closure, base::Instant now) {
  const auto& [account, lane, breaker] = closure.shut;
  json::object view{{"account", account},
                    {"lane", lane ? json::value(lane->text) : json::value(nullptr)},
                    {"trip", engine::name(*breaker.trip)},
                    {"detail", breaker.detail},
                    {"conversation", text_or_null(breaker.url)},
                    {"since", base::rfc3339(breaker.since)},
                    {"closes_in_seconds", nullptr},
                    {"advice", services::advice(closure.shut)},
                    {"is_partial", closure.is_partial}};
  if (closure.until) {
    const auto left = std::chrono::duration_cast<engine::Milliseconds>(*closure.until - now);
    view["closes_in_seconds"] = seconds(left);
  }
  return view;
}

// However well the page looks, nothing is sent while a breaker says so.
Response session_response(const ApiNeeds& needs, const chat::SessionView& account) {
  json::object view = view_of(account);
  json::array conversations;
  for (const auto& one : needs.session.conversations()) conversations.push_back(view_of(one));
  view["conversations"] = std::move(conversations);
  json::array breakers;
  for (const auto& closure : needs.closures()) {
    breakers.push_back(view_of(closure, needs.clock.now()));
    if (!closure.is_partial) view["can_send"] = false;
  }
  view["breakers"] = std::move(breakers);
  const auto closes = needs.sign_in.closes();
  view["signing_in"] = closes.has_value();
  view["window_closes"] = time_or_null(closes);
  return json_response(view);
}

Task<Response> look(ApiNeeds& needs, Request&) {
  co_return session_response(needs, needs.session.account());
}

Task<Response> check(ApiNeeds& needs, Request&) {
  CO_TRY(const auto view, co_await needs.session.check());
  CO_TRY_OK(co_await needs.follow_session());
  co_return session_response(needs, view);
}

Task<Response> screenshot(ApiNeeds& needs, Request&) {
  if (!needs.screenshots) {
    co_return base::fail(base::Code::denied, "take a screenshot: screenshots are not enabled",
                         "screenshots_disabled");
  }
  CO_TRY(auto picture, co_await needs.session.screenshot());
  co_return text_response(std::move(picture), "image/png");
}

Task<Response> inspect(ApiNeeds& needs, Request& request) {
  std::string url(request.query_value("url").value_or(""));
  CO_TRY(const auto inspection, co_await needs.session.inspect(url));
  co_return json_response(
      chat::view_of(inspection, url.empty() ? std::string_view(inspection.seen.url) : url));
}

Task<Response> begin_login(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.sign_in.begin(request.principal.id));
  auto response = session_response(needs, needs.session.account());
  response.status = 202;
  co_return response;
}

Task<Response> end_login(ApiNeeds& needs, Request& request) {
  CO_TRY_OK(co_await needs.sign_in.end(request.principal.id));
  co_return session_response(needs, needs.session.account());
}

}  // namespace

void add_session_routes(Router& router, ApiNeeds& needs) {
  add_declared(router, {.method = Method::get, .path = "/api/session", .scope = "session"},
               with(needs, look));
  const auto nothing =
      body_check(R"json({"type": ["object", "null"], "additionalProperties": false})json");
  add_declared(router,
               {.method = Method::post,
                .path = "/api/session/check",
                .scope = "session",
                .body = Body::optional,
                .check = nothing},
               with(needs, check));
  add_declared(router,
               {.method = Method::get, .path = "/api/session/screenshot", .scope = "session"},
               with(needs, screenshot));
  // It tells all that is written in a conversation.
  add_declared(router, {.method = Method::get, .path = "/api/session/inspect", .scope = "admin"},
               with(needs, inspect));
  add_declared(router,
               {.method = Method::post,
                .path = "/api/session/login",
                .scope = "session",
                .body = Body::optional,
                .check = nothing},
               with(needs, begin_login));
  add_declared(router, {.method = Method::del, .path = "/api/session/login", .scope = "session"},
               with(needs, end_login));
}

}  // namespace http
