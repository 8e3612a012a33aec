#include "bridge/http/hub.h"

#include "bridge/base/hash.h"

#include <algorithm>
#include <cstring>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace http {

void Work::next_request() {
  std::memmove(in.data(), in.data() + begin, end - begin);
  end -= begin;
  begin = 0;
  BRIDGE_ASSERT(extra.size() <= in.size() - end);
  std::ranges::copy(extra, in.data() + end);
  end += extra.size();
  extra.clear();
}

void Work::empty() {
  begin = end = 0;
  extra.clear();
  out.clear();
  request.clear();
  for (auto* text : {&extra, &out, &request.body}) {
    if (text->capacity() > limits::http_buffer_bytes_kept_max) std::string().swap(*text);
  }
}

Hub::Hub(base::Clock& clock_given, const Router& router_given, ServerOptions options_given,
         std::vector<std::string> host_names)
    : clock(clock_given),
      router(router_given),
      options(std::move(options_given)),
      hosts(std::move(host_names), options.allowed_origins),
      id_start_(base::hex(base::random_bytes(6))) {
  if (options.metrics == nullptr) return;
  open_ = &options.metrics->gauge("http_connections", "Open HTTP connections.");
  refused_ = &options.metrics->counter("http_connections_refused_total",
                                       "HTTP connections closed because there were too many.");
}

std::unique_ptr<Work> Hub::borrow() {
  if (spare_.empty()) return std::unique_ptr<Work>(new Work);  // `in` needs no zeros
  auto work = std::move(spare_.back());
  spare_.pop_back();
  return work;
}

void Hub::give_back(std::unique_ptr<Work> work) {
  if (!work || spare_.size() >= limits::http_buffers_kept_max) return;
  work->empty();
  spare_.push_back(std::move(work));
}

std::string_view Hub::date() {
  const auto now = clock.now();
  if (now >= date_until_) {
    date_until_ = now + std::chrono::seconds(1);
    date_ = fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT",
                        fmt::gmtime(std::chrono::system_clock::to_time_t(clock.wall())));
  }
  return date_;
}

std::string Hub::new_request_id() { return fmt::format("{}-{}", id_start_, ++id_count_); }

void Hub::answered(const Request& request, int status, std::uint64_t bytes_sent,
                   base::Instant began) {
  const auto took = clock.now() - began;
  if (options.metrics != nullptr) {
    auto& seen = seen_[{request.route, request.method, status}];
    if (seen.count == nullptr) {
      const std::string route(request.route.empty() ? "none" : request.route);
      const std::string method(request.method == Method::unknown ? "other" : name(request.method));
      seen.count = &options.metrics->counter(
          "http_requests_total", "HTTP requests answered.",
          {{"route", route}, {"method", method}, {"status", std::to_string(status)}});
      seen.seconds = &options.metrics->histogram("http_request_seconds",
                                                 "From a request's first byte to its answer.",
                                                 base::latency_bounds(), {{"route", route}});
    }
    seen.count->add();
    seen.seconds->observe(std::chrono::duration<double>(took).count());
  }
  if (options.access_log != nullptr) {
    options.access_log->write({request, status, bytes_sent, took, clock.wall()});
  }
}

void Hub::refused_connection() {
  if (refused_ != nullptr) refused_->add();
}

void Hub::opened(const std::string& address) {
  ++by_address_[address];
  if (open_ != nullptr) open_->add(1);
}

void Hub::closed(const std::string& address) {
  const auto found = by_address_.find(address);
  BRIDGE_ASSERT(found != by_address_.end());
  if (--found->second == 0) by_address_.erase(found);
  if (open_ != nullptr) open_->add(-1);
}

bool Hub::has_room_for(const std::string& address) const {
  if (connections.size() >= options.limits.connections_max) return false;
  const auto found = by_address_.find(address);
  return found == by_address_.end() || found->second < options.limits.connections_per_address_max;
}

}  // namespace http
