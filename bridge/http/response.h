// What a handler answers.
#pragma once

#include "bridge/http/problem.h"

#include <memory>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace http {

class EventSource;

class Response {
 public:
  // Empty, 204.
  Response();
  Response(Response&&) noexcept;
  Response& operator=(Response&&) noexcept;
  ~Response();

  int status = 204;
  std::string_view content_type;  // a literal
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // instead of `body`, for what many read
  std::unique_ptr<EventSource> events;             // instead of a body: text/event-stream
  std::unique_ptr<Problem> problem;  // instead of a body; the server adds instance and request_id
  std::string header_lines;          // further headers, whole lines
  bool closes = false;               // the connection ends after this answer

  // `value` must be free of CR, LF and NUL, which is asserted.
  Response& add(std::string_view name, std::string_view value);
  Response& add_number(std::string_view name, std::int64_t value);
};

Response json_response(const json::value& body, int status = 200);
Response text_response(std::string body, std::string_view content_type, int status = 200);
Response problem_response(Problem problem);
Response problem_response(int status, std::string code, std::string detail);
Response error_response(const base::Error& error);
Response event_response(std::unique_ptr<EventSource> events);

}  // namespace http
