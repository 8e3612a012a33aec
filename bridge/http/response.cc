#include "bridge/http/response.h"

#include "bridge/http/events.h"

#include <boost/json/serialize.hpp>

namespace http {

Response::Response() = default;
Response::Response(Response&&) noexcept = default;
Response& Response::operator=(Response&&) noexcept = default;
Response::~Response() = default;

Response& Response::add(std::string_view name, std::string_view value) {
  using namespace std::string_view_literals;
  BRIDGE_ASSERT(value.find_first_of("\r\n\0"sv) == std::string_view::npos);
  header_lines.append(name).append(": ").append(value).append("\r\n");
  return *this;
}

Response& Response::add_number(std::string_view name, std::int64_t value) {
  return add(name, std::to_string(value));
}

Response json_response(const json::value& body, int status) {
  return text_response(json::serialize(body), "application/json", status);
}

Response text_response(std::string body, std::string_view content_type, int status) {
  Response response;
  response.status = status;
  response.content_type = content_type;
  response.body = std::move(body);
  return response;
}

Response problem_response(Problem problem) {
  Response response;
  response.status = problem.status;
  if (problem.retry_after) response.add_number("Retry-After", problem.retry_after->count());
  response.problem = std::make_unique<Problem>(std::move(problem));
  return response;
}

Response problem_response(int status, std::string code, std::string detail) {
  return problem_response(
      Problem{.status = status, .code = std::move(code), .detail = std::move(detail)});
}

Response error_response(const base::Error& error) { return problem_response(problem_of(error)); }

Response event_response(std::unique_ptr<EventSource> events) {
  Response response;
  response.status = 200;
  response.content_type = "text/event-stream";
  response.events = std::move(events);
  return response;
}

}  // namespace http
