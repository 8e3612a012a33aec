#include "bridge/base/metrics.h"

#include "bridge/base/result.h"

#include <algorithm>
#include <list>

#include <fmt/format.h>

namespace base {
namespace {

bool is_metric_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

std::string escaped(std::string_view text, bool escapes_quotes) {
  std::string clean;
  for (const char c : text) {
    if (c == '\\') {
      clean += "\\\\";
    } else if (c == '\n') {
      clean += "\\n";
    } else if (c == '"' && escapes_quotes) {
      clean += "\\\"";
    } else {
      clean += c;
    }
  }
  return clean;
}

// `a="1",b="2"`
std::string label_text(const Metrics::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    BRIDGE_ASSERT(is_metric_name(name) && name != "le");
    if (!text.empty()) text += ',';
    text += fmt::format("{}=\"{}\"", name, escaped(value, true));
  }
  return text;
}

std::string braced(const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; }

// OpenMetrics wants whole numbers as 1.0.
std::string number(double value, bool is_open_metrics) {
  std::string text = fmt::format("{}", value);
  if (is_open_metrics && text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

struct Metrics::Family {
  // Only the one of the family's kind is used.
  struct Series {
    Counter counter;
    Gauge gauge;
    std::unique_ptr<Histogram> histogram;
  };

  Kind kind;
  std::string help;
  std::map<std::string, Series, std::less<>> series;  // by their labels' text
};

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  BRIDGE_ASSERT(std::ranges::is_sorted(bounds_));
}

void Histogram::observe(double value) {
  const auto index = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(index)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::cumulative() const {
  std::vector<std::uint64_t> counts(bounds_.size() + 1);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = total += counts_[i].load(std::memory_order_relaxed);
  }
  return counts;
}

std::vector<double> latency_bounds() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
}

Metrics::Metrics() = default;
Metrics::~Metrics() = default;

Metrics::Family& Metrics::family(std::string_view name, std::string_view help, Kind kind) {
  auto found = families_.find(name);
  if (found == families_.end()) {
    BRIDGE_ASSERT(is_metric_name(name));
    BRIDGE_ASSERT((kind == Kind::counter) == name.ends_with("_total"));
    found = families_.emplace(std::string(name), std::make_unique<Family>()).first;
    found->second->kind = kind;
    found->second->help = help;
  }
  BRIDGE_ASSERT(found->second->kind == kind);
  return *found->second;
}

Counter& Metrics::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return family(name, help, Kind::counter).series[label_text(labels)].counter;
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return family(name, help, Kind::gauge).series[label_text(labels)].gauge;
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help,
                              std::vector<double> bounds, const Labels& labels) {
  auto& histogram = family(name, help, Kind::histogram).series[label_text(labels)].histogram;
  if (!histogram) histogram = std::make_unique<Histogram>(std::move(bounds));
  return *histogram;
}

std::string Metrics::prometheus() const { return render(false); }
std::string Metrics::open_metrics() const { return render(true) + "# EOF\n"; }

std::string Metrics::render(bool is_open_metrics) const {
  static constexpr std::string_view kinds[] = {"counter", "gauge", "histogram"};
  std::string text;
  for (const auto& [name, family] : families_) {
    // OpenMetrics names a counter's family without its suffix.
    auto family_name = std::string_view(name);
    if (is_open_metrics && family->kind == Kind::counter) family_name.remove_suffix(6);
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family_name,
                        escaped(family->help, is_open_metrics), family_name,
                        kinds[static_cast<int>(family->kind)]);
    for (const auto& [labels, series] : family->series) {
      if (family->kind == Kind::counter) {
        text += fmt::format("{}{} {}\n", name, braced(labels), series.counter.value());
      } else if (family->kind == Kind::gauge) {
        text += fmt::format("{}{} {}\n", name, braced(labels),
                            number(series.gauge.value(), is_open_metrics));
      } else {
        const auto& histogram = *series.histogram;
        const auto counts = histogram.cumulative();
        const std::string start = labels.empty() ? "" : labels + ",";
        for (std::size_t i = 0; i < counts.size(); ++i) {
          const auto bound = i < histogram.bounds().size()
                                 ? number(histogram.bounds()[i], is_open_metrics)
                                 : std::string("+Inf");
          text += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, start, bound, counts[i]);
        }
        text += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, braced(labels),
                            number(histogram.sum(), is_open_metrics), name, braced(labels),
                            counts.back());
      }
    }
  }
  return text;
}

}  // namespace base
