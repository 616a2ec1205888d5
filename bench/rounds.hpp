#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "report.hpp"
#include "subject.hpp"

namespace querymark::bench {

/// What the command line asks for.
struct Options {
  std::string trace;
  std::size_t size = 0;
  std::size_t runs = 9;
  std::string subject;  ///< Only this one; empty: all.

  [[nodiscard]] bool wants(std::string_view name) const {
    return subject.empty() || subject == name;
  }
};

/// Nanoseconds per operation and thread: the subject serves one batch per thread, all at once.
/// `missed`, if given, takes the total of misses.
[[nodiscard]] double time_threads(Subject& subject,
                                  const std::vector<std::vector<Request>>& batches,
                                  std::size_t threads, bool load, std::uint64_t* missed = nullptr);

/// Nanoseconds that 99 of 100 requests stay below, each timed by itself: the clock's own 20 to 30
/// ns are in it, for every subject alike.
[[nodiscard]] double p99_of_single(Subject& subject, std::span<const Request> requests);

/// Microseconds or nanoseconds between two readings of the steady clock.
[[nodiscard]] double elapsed_ns(const std::function<void()>& work);

/// A subject that measure_hits_in_turns() knows by its name.
struct NamedSubject {
  std::string name;
  Subject* subject = nullptr;
};

/// Nanoseconds of a hit on one thread, of each subject in its turn: `items` are filled in, and read by
/// `batch` requests a run, the popular ones most. Throws when one was not a hit.
void measure_hits_in_turns(const Options& options, Report& report, const std::string& bench,
                           const std::vector<NamedSubject>& subjects, std::uint32_t items,
                           std::size_t batch);

/// What measure_in_turns() measures.
struct Turn {
  std::string subject;
  std::size_t count = 1;         ///< Of what one call of `work` does.
  std::function<double()> work;  ///< Returns the nanoseconds that it took.
  std::string peer{};            ///< A subject of a turn before: `x_peer` is the ratio of medians.
};

/// Microseconds of each, in turns. The first round warms up.
void measure_in_turns(const Options& options, Report& report, const std::string& bench,
                      const std::vector<Turn>& turns);

// The benchmarks.
void bench_hit(const Options& options, Report& report);
void bench_hit_one_key(const Options& options, Report& report);
void bench_async_hit(const Options& options, Report& report);
void bench_automatic_hit(const Options& options, Report& report);
void bench_track_cost(const Options& options, Report& report);
void bench_analyse(const Options& options, Report& report);
void bench_mixed(const Options& options, Report& report);
void bench_memory(const Options& options, Report& report);
void bench_trace(const Options& options, Report& report);
void bench_invalidate(const Options& options, Report& report);
void bench_false_invalidation(const Options& options, Report& report);
void bench_drain(const Options& options, Report& report);
void bench_propagate(const Options& options, Report& report);
void bench_fan(const Options& options, Report& report);
void bench_followers(const Options& options, Report& report);
void bench_fetch_many(const Options& options, Report& report);
void bench_herd(const Options& options, Report& report);
void bench_precision(const Options& options, Report& report);
void bench_read(const Options& options, Report& report);
void bench_strong(const Options& options, Report& report);
void bench_wait(const Options& options, Report& report);
void bench_write(const Options& options, Report& report);
/// Serves a number of hits and prints nothing: for instruction counters.
void serve_hits(const std::string& subject, std::size_t count);

}  // namespace querymark::bench
