// The dashboard: its files, and signing in to it.
#include "bridge/base/hash.h"
#include "bridge/http/api_parts.h"
#include "bridge/http/caching.h"
#include "embedded/dashboard_files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace http {

namespace {

using base::Code;
using base::Task;

constexpr std::string_view sign_in_schema = R"json({
  "type": "object",
  "additionalProperties": false,
  "required": ["token"],
  "properties": {"token": {"type": "string", "minLength": 1, "maxLength": 200}}
})json";

constexpr std::string_view nothing_schema = R"json({
  "type": ["object", "null"], "additionalProperties": false
})json";

struct Header {
  std::string_view name;
  std::string_view value;
};

// What others wrote is shown here: no script runs but our own files, nothing else is loaded, and no
// text can become markup, even if a view forgot to be careful.
constexpr std::array page_headers = {
    Header{"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
           "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
           "require-trusted-types-for 'script'; trusted-types 'none'"},
    Header{"Cross-Origin-Opener-Policy", "same-origin"},
    Header{"Cross-Origin-Resource-Policy", "same-origin"},
    Header{"Referrer-Policy", "no-referrer"},
    Header{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    Header{"X-Frame-Options", "DENY"},
    Header{"Cache-Control", "no-cache"},
};

std::string_view media_type(std::string_view path) {
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  BRIDGE_ASSERT(path.ends_with(".js"));
  return "text/javascript; charset=utf-8";
}

Handler file(const base::EmbeddedFile& found) {
  return [found, tag = entity_tag(found.content)](Request& request) -> Task<Response> {
    auto response = text_response(std::string(found.content), media_type(found.path), 200);
    for (const auto& header : page_headers) response.add(header.name, header.value);
    co_return with_entity_tag(request, std::move(response), tag);
  };
}

// The host was checked to be one of ours.
std::string origin_of(const Request& request) {
  return fmt::format("{}://{}", request.is_secure ? "https" : "http",
                     request.header("host").value_or(""));
}

Task<> tell(ApiNeeds& needs, std::string type, const Principal& principal, json::object data = {}) {
  engine::NewEntry entry{.type = std::move(type),
                         .subject = principal.id,
                         .actor = principal.id,
                         .data = std::move(data)};
  co_return co_await needs.store.write([journal = &needs.journal, entry = std::move(entry),
                                        now = needs.clock.wall()](store::Tx& tx) -> base::Result<> {
    TRY_OK(journal->append(tx, entry, now));
    return {};
  });
}

// The token is behind the "#", so it is in no request's address and in no log.
Task<Response> make_link(ApiNeeds& needs, Request& request) {
  const auto key = Authenticator::key_of(request);
  if (!key) {
    co_return base::fail(Code::denied, "make a link to the dashboard: it needs an API key");
  }
  CO_TRY_OK(co_await tell(needs, "dashboard.link_made", request.principal));
  const auto link = needs.authenticator.sessions().new_link(*key);
  co_return json_response(
      json::object{{"url", fmt::format("{}/dashboard/sign-in#{}", origin_of(request), link.secret)},
                   {"expires", base::rfc3339(link.expires)}},
      201);
}

json::object view_of(const ApiNeeds& needs, const Principal& principal, base::WallTime expires) {
  return {{"name", principal.name},
          {"principal", principal.id},
          {"scopes", json::array(principal.scopes.begin(), principal.scopes.end())},
          {"expires", base::rfc3339(expires)},
          {"instance", needs.instance},
          {"version", needs.version}};
}

Task<Response> sign_in(ApiNeeds& needs, Request& request) {
  auto signed_in = co_await needs.authenticator.sign_in(request, text_in(request.json, "token"));
  if (!signed_in) co_return std::move(signed_in).error();
  const auto& session = signed_in->session;
  const auto told = co_await tell(needs, "dashboard.signed_in", signed_in->principal,
                                  {{"expires", base::rfc3339(session.expires)}});
  if (!told) {
    needs.authenticator.sessions().sign_out(session.secret);
    co_return std::unexpected(told.error());
  }
  auto response = json_response(view_of(needs, signed_in->principal, session.expires), 201);
  response.add("Set-Cookie", set_dashboard_cookie(request, session.secret));
  co_return response;
}

Task<Response> look(ApiNeeds& needs, Request& request) {
  const auto cookie = dashboard_cookie(request);
  const auto session = cookie ? needs.authenticator.sessions().find(*cookie) : std::nullopt;
  if (!session) {
    co_return base::fail(Code::not_found, "look at the dashboard's session: there is none");
  }
  co_return json_response(view_of(needs, request.principal, session->expires));
}

Task<Response> sign_out(ApiNeeds& needs, Request& request) {
  const auto cookie = dashboard_cookie(request);
  if (cookie && needs.authenticator.sessions().find(*cookie)) {
    needs.authenticator.sessions().sign_out(*cookie);
    CO_TRY_OK(co_await tell(needs, "dashboard.signed_out", request.principal));
  }
  Response response;
  response.add("Set-Cookie", set_dashboard_cookie(request, ""));
  co_return response;
}

}  // namespace

void add_dashboard_routes(Router& router, ApiNeeds& needs) {
  const auto add_page = [&](std::string path, const base::EmbeddedFile& found) {
    router.add({.method = Method::get,
                .path = std::move(path),
                .is_public = true,
                .answers = {{.media_type = media_type(found.path)}},
                .operation_id = found.path == "index.html" ? "getDashboard" : ""},
               file(found));
  };
  for (const auto& found : embedded::dashboard_files()) {
    if (found.path == "index.html") {
      add_page("/", found);
    } else if (found.path == "sign_in.html") {
      add_page("/dashboard/sign-in", found);
    } else {
      add_page(fmt::format("/dashboard/{}", found.path), found);
    }
  }
  const std::string session = "/api/dashboard/session";
  add_declared(router,
               {.method = Method::post,
                .path = "/api/dashboard/links",
                .scope = "admin",
                .body = Body::optional,
                .check = body_check(nothing_schema)},
               with(needs, make_link));
  add_declared(router,
               {.method = Method::post,
                .path = session,
                .is_public = true,
                .body = Body::json,
                .check = body_check(sign_in_schema),
                .body_bytes_max = 4096},
               with(needs, sign_in));
  add_declared(router, {.method = Method::get, .path = session}, with(needs, look));
  add_declared(router, {.method = Method::del, .path = session}, with(needs, sign_out));
}

}  // namespace http
