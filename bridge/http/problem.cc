#include "bridge/http/problem.h"

#include <algorithm>

#include <boost/json/serialize.hpp>

namespace http {

namespace {

// Reasons that HTTP has a status of its own for.
int status_of(const base::Error& error) {
  if (error.reason == "precondition_failed") return 412;
  if (error.reason == "idempotency_mismatch") return 422;
  if (error.reason == "bad_request" || error.reason == "invalid_query") return 400;
  return base::http_status(error.code);
}

}  // namespace

Problem problem_of(const base::Error& error) {
  std::optional<std::chrono::seconds> retry_after;
  if (error.retry_after) {
    retry_after = std::max(std::chrono::ceil<std::chrono::seconds>(*error.retry_after),
                           std::chrono::seconds(1));
  }
  return {.status = status_of(error),
          .code = error.reason.empty() ? std::string(base::name(error.code)) : error.reason,
          .detail = error.message,
          .is_retryable = base::is_retryable(error.code),
          .retry_after = retry_after};
}

std::string_view phrase(int status) {
  struct Row {
    int status;
    std::string_view phrase;
  };
  static constexpr Row rows[] = {{100, "Continue"},
                                 {200, "OK"},
                                 {201, "Created"},
                                 {202, "Accepted"},
                                 {204, "No Content"},
                                 {301, "Moved Permanently"},
                                 {302, "Found"},
                                 {303, "See Other"},
                                 {304, "Not Modified"},
                                 {307, "Temporary Redirect"},
                                 {308, "Permanent Redirect"},
                                 {400, "Bad Request"},
                                 {401, "Unauthorized"},
                                 {403, "Forbidden"},
                                 {404, "Not Found"},
                                 {405, "Method Not Allowed"},
                                 {406, "Not Acceptable"},
                                 {408, "Request Timeout"},
                                 {409, "Conflict"},
                                 {410, "Gone"},
                                 {412, "Precondition Failed"},
                                 {413, "Content Too Large"},
                                 {414, "URI Too Long"},
                                 {415, "Unsupported Media Type"},
                                 {417, "Expectation Failed"},
                                 {421, "Misdirected Request"},
                                 {422, "Unprocessable Content"},
                                 {429, "Too Many Requests"},
                                 {431, "Request Header Fields Too Large"},
                                 {500, "Internal Server Error"},
                                 {501, "Not Implemented"},
                                 {502, "Bad Gateway"},
                                 {503, "Service Unavailable"},
                                 {504, "Gateway Timeout"},
                                 {505, "HTTP Version Not Supported"}};
  for (const auto& row : rows) {
    if (row.status == status) return row.phrase;
  }
  return status < 400 ? "Done" : "Error";
}

std::string problem_json(const Problem& problem, std::string_view instance,
                         std::string_view request_id) {
  json::object document = problem.extra;
  document["type"] = "urn:flywheel:problem:" + problem.code;
  document["title"] = phrase(problem.status);
  document["status"] = problem.status;
  document["detail"] = problem.detail;
  document["instance"] = instance;
  document["code"] = problem.code;
  document["retryable"] = problem.is_retryable;
  document["request_id"] = request_id;
  if (!problem.errors.empty()) {
    json::array errors;
    for (const auto& error : problem.errors) {
      errors.push_back(json::object{
          {"pointer", error.pointer}, {"keyword", error.keyword}, {"detail", error.detail}});
    }
    document["errors"] = std::move(errors);
  }
  return json::serialize(document);
}

}  // namespace http
