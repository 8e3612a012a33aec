// Counters, gauges and histograms, and their text for Prometheus.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace base {

// Counting is safe from every thread and never waits.
class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double by) { value_.fetch_add(by, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);

  const std::vector<double>& bounds() const { return bounds_; }
  // How many values were at most `bounds()[index]`; all of them at index bounds().size().
  std::vector<std::uint64_t> cumulative() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;  // ascending
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

// Seconds from half a millisecond to ten.
std::vector<double> latency_bounds();

// Owns every metric of the program. Metrics are made on one thread, before or while they are
// counted on others, and live as long as this. Labels have few values: never ids.
class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // The same metric for the same name and labels. Names are [a-z_]+, counters end in `_total`, and
  // one name has one kind, which is asserted.
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help, std::vector<double> bounds,
                       const Labels& labels = {});

  // Text format 0.0.4.
  std::string prometheus() const;
  // OpenMetrics 1.0.
  std::string open_metrics() const;

 private:
  enum class Kind { counter, gauge, histogram };
  struct Family;

  Family& family(std::string_view name, std::string_view help, Kind kind);
  std::string render(bool is_open_metrics) const;

  std::map<std::string, std::unique_ptr<Family>, std::less<>> families_;

 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;
};

}  // namespace base
