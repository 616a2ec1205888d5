#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace querymark::test::soak {

struct Options {
  std::string database = "sqlite";
  std::chrono::seconds lasts{15};
  std::uint64_t seed = 0;
  /// Between two troubles, on average.
  std::chrono::milliseconds pause{500};
  bool standby = false;     ///< Some of the processes load from one.
  bool pgbouncer = false;   ///< Some of them read and write through one.
  bool quiet = false;       ///< Nothing happens.
  std::int64_t forget = 0;  ///< One write in so many drops its invalidations.
  bool stop_at_findings = false;
};

struct Kind {
  std::string name;
  std::uint64_t done = 0;
  std::uint64_t stale = 0;
  std::uint64_t late = 0;
  std::uint64_t failed = 0;
  std::string first_failure;
};

struct Report {
  Options options;
  std::vector<Kind> kinds;
  std::map<std::string, int> troubles;  ///< How often each has happened.
  std::vector<std::string> findings;    ///< The first ones.
  std::uint64_t all_findings = 0;
  std::string logs;  ///< What processes said last, if there are findings.

  [[nodiscard]] bool good() const noexcept { return all_findings == 0; }
};

/// Runs one. What happens is told on standard output, as it happens.
[[nodiscard]] Report soak(const Options& options);

[[nodiscard]] std::string for_people(const Report& report);
/// One JSON object.
[[nodiscard]] std::string as_json(const Report& report);

}  // namespace querymark::test::soak
