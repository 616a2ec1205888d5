#pragma once

#include <chrono>
#include <limits>
#include <string_view>

#include "log_watch.hpp"
#include "querymark/log/inspector.hpp"
#include "querymark/observe/metric.hpp"

// What a LogWatch has seen, as the page for Prometheus tells it.

namespace querymark::cli {

/// How the watch itself fares.
struct WatchStats {
  explicit WatchStats(const LogWatch::Seen& seen)
      : up(seen.answers()),
        age(seen.at ? std::chrono::duration<double>(system_clock().now() - *seen.at).count()
                    : std::numeric_limits<double>::infinity()) {}

  bool up;
  double age;  // seconds
};

}  // namespace querymark::cli

template <>
struct querymark::MetricsOf<querymark::cli::WatchStats> {
  static constexpr std::string_view kGroup = "log";
  template <class Visit>
  static void visit(const cli::WatchStats& stats, Visit&& visit) {
    using enum MetricKind;
    visit({"up", "1 while the log answers.", gauge}, stats.up);
    visit({"age", "How old is what is told of the target.", gauge, MetricUnit::seconds}, stats.age);
  }
};

template <>
struct querymark::MetricsOf<querymark::ConsumerReport> {
  static constexpr std::string_view kGroup = "target";
  template <class Visit>
  static void visit(const ConsumerReport& target, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    using std::chrono::milliseconds;
    visit({"behind_rows", "Rows of the namespace to be applied, counted to 100000.", gauge},
          target.behind.rows.rows);
    visit({"lag", "Age of the oldest of these; 0: there are none.", gauge, seconds},
          target.behind.lag.value_or(milliseconds(0)));
    visit(
        {"current", "0: its cursor is of another history, and it will start with a flush.", gauge},
        target.current);
    visit({"owned", "1 while a worker holds its lease.", gauge}, !target.owner.empty());
    visit({"attempts", "Claims of the segment that it is at.", gauge}, target.attempts);
    visit({"owes_flush", "1 while a flush is owed in place of dead letters.", gauge},
          target.owes_flush);
    visit({"down", "For how long it has taken nothing; 0: it takes.", gauge, seconds},
          target.down.value_or(milliseconds(0)));
    visit({"waiting", "Invalidations to be tried again, counted to 10000.", gauge},
          target.waiting.rows);
    visit({"dead", "Dead letters, counted to 10000.", gauge}, target.dead.rows);
    visit({"expired", "Invalidations that had no use any more, counted to 10000.", gauge},
          target.expired.rows);
  }
};
