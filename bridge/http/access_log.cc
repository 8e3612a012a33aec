#include "bridge/http/access_log.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace http {
namespace {

bool is_secret_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '+' || c == '/' || c == '=';
}

constexpr std::string_view secret_starts[] = {"fwk_", "eyJ", "whsec_"};
constexpr std::size_t secret_size_min = 16;

}  // namespace

std::string redact(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    std::string_view start;
    for (const auto known : secret_starts) {
      if (text.starts_with(known)) start = known;
    }
    std::size_t size = 0;
    if (!start.empty()) {
      while (size < text.size() && is_secret_character(text[size])) ++size;
    }
    if (size >= secret_size_min) {
      clean.append(start).append("***");
      text.remove_prefix(size);
    } else {
      clean += text.front();
      text.remove_prefix(1);
    }
  }
  return clean;
}

AccessLog::AccessLog()
    : AccessLog(std::make_shared<spdlog::logger>(
          "access", std::make_shared<spdlog::sinks::stderr_sink_st>())) {}

AccessLog::AccessLog(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {
  logger_->set_pattern("%v");
}

AccessLog::~AccessLog() = default;

void AccessLog::write(const Access& access) { logger_->info(line(access)); }

std::string AccessLog::line(const Access& access) {
  const Request& request = access.request;
  const auto quoted = [](std::string_view text) {
    return json::serialize(json::string(redact(text)));
  };
  const auto took = std::chrono::duration<double, std::milli>(access.took).count();
  auto line = fmt::format(
      R"({{"time":"{}","level":"info","event":"request","method":{},"path":{},"route":{},)"
      R"("status":{},"bytes":{},"ms":{:.3f},"request_id":{},"address":{})",
      base::rfc3339(access.when), quoted(request.method_name), quoted(request.path),
      quoted(request.route), access.status, access.bytes_sent, took, quoted(request.id),
      quoted(request.address));
  if (!request.principal.id.empty())
    line += fmt::format(R"(,"caller":{})", quoted(request.principal.id));
  if (!request.traceparent.empty()) {
    line += fmt::format(R"(,"trace_id":"{}")", std::string_view(request.traceparent).substr(3, 32));
  }
  return line + "}";
}

}  // namespace http
