#pragma once  // For users.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "querymark/read/rule.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

class Offload;

/// What a query does beyond the ordinary: for how long its results are served, whether they are
/// kept, and when one that is no longer fresh is better than none. All of it is off by default. A
/// value type.
///
///     const auto by_name = db.prepare<Product>("select ... where name = $1")
///                              .tag(products)
///                              .ttl(10min)
///                              .policy({.empty_ttl = 30s, .jitter = 0.1, .stale_if_error = 1h});
///
/// What decides about rows sees those of the database before mapping. Values of `get_or_load` have
/// no rows: for them only the numbers are allowed.
struct ReadPolicy {
  // --- for how long

  /// The ttl of a result, by its rows, at most that of the query. Zero: it is returned and not kept. A
  /// negative one throws ConfigError out of the read.
  std::function<TimeSpan(const ResultSet&)> ttl_of{};
  /// The ttl of a result without rows, at most that of the query. What inserts the row must reach it:
  /// the query needs a tag for that, or the read throws ConfigError.
  std::optional<TimeSpan> empty_ttl{};
  /// By up to this part, between 0 and 1, each ttl is shortened by lot, so that what was loaded
  /// together does not expire together.
  double jitter = 0;

  // --- whether

  /// Asked before anything: no means that the database answers and nothing is kept. With one, a
  /// prepared query's hits take longer, since it is asked at each.
  CallRule cache_if{};
  /// Asked about what the database has answered: no means that the rows go to whoever shares the load,
  /// and are not kept. Nor is taken from a shared tier what it refuses.
  RowsRule keep_if{};

  // --- who loads

  /// So many callers at most load one result at the same time; who comes on top waits for one of them. More
  /// than one pays where loads of the same query now and then hang. At least one.
  std::size_t loads_at_once = 1;
  /// After so many loads of this query in a row, of whatever parameters, that have failed because the
  /// database can't answer (see stale_if_error), none is tried for 50 ms, then one, then none for twice as
  /// long, and so on up to 5 s. Whoever would load meanwhile gets an Error that is `retryable()`, or the old
  /// value that there is for it. Zero: each is tried.
  std::size_t break_after = 0;

  // --- past its ttl, as long as no invalidation has reached it

  /// For so long it is served as before.
  TimeSpan serve_stale{};
  /// For so long it is served while one caller waits for a load.
  TimeSpan stale_while_loading{};
  /// For so long it is served in place of an error that says that the database can't answer: the
  /// connection lost, a timeout, what may succeed when repeated, what is no Error. Others go on.
  TimeSpan stale_if_error{};

  // --- in the background
  // All of it needs an executor, CacheOptions::offload: without one a query that asks for them throws
  // ConfigError when it is made. What it can't take is counted (CacheStats::refreshes_refused).

  /// For so long past its ttl it is served to all, and loaded anew behind their backs.
  TimeSpan stale_while_refreshing{};
  /// A hit on a value that has lived for this part of the query's ttl, between 0 and 1, has it loaded anew
  /// behind the caller's back. Zero: none does.
  double refresh_ahead = 0;
  /// A caller waits for a load for so long, and is then served the old value, where `stale_if_error` or
  /// `serve_invalidated_on_error` would serve it; the load goes on. Zero: for as long as it takes.
  TimeSpan soft_timeout{};
  /// A caller waits for a load for no longer than so, whoever has begun it, and then gets Timeout, which
  /// counts as an error; the load goes on, and its value is kept. Zero: for as long as it takes.
  TimeSpan hard_timeout{};

  // --- past an invalidation
  // What these serve is known to be outdated, or may be, since the log is not reached. The time runs
  // from the first invalidation of anything since the value was last known to be fresh, or from when
  // the log was to be reached at the latest (max_lag). Where that is not known any more, nothing is
  // served, nor across a gap in the log or another history of the database. Reads that must be fresh
  // (at_least, strong) never get any of it.

  /// For so long it is served while one caller waits for a load.
  TimeSpan revalidate_within{};
  /// For so long it is served in place of such an error.
  TimeSpan serve_invalidated_on_error{};

  /// How long a value may be of use after its ttl has ended.
  [[nodiscard]] TimeSpan grace() const noexcept {
    return std::max({serve_stale, stale_while_loading, stale_if_error, stale_while_refreshing});
  }
  /// Whether one may be after an invalidation.
  [[nodiscard]] bool outlives_invalidations() const noexcept {
    return revalidate_within.count() > 0 || serve_invalidated_on_error.count() > 0;
  }
  [[nodiscard]] bool in_background() const noexcept {
    return stale_while_refreshing.count() > 0 || refresh_ahead > 0 || loads_apart();
  }
  /// Whether a caller may go while its load goes on.
  [[nodiscard]] bool loads_apart() const noexcept {
    return soft_timeout.count() > 0 || hard_timeout.count() > 0;
  }
  /// From which age on a hit has the value loaded anew.
  [[nodiscard]] std::chrono::nanoseconds refreshed_from(
      std::chrono::nanoseconds ttl) const noexcept {
    return refresh_ahead > 0 ? std::chrono::nanoseconds(static_cast<std::int64_t>(
                                   static_cast<double>(ttl.count()) * refresh_ahead))
                             : std::chrono::nanoseconds::max();
  }
  [[nodiscard]] bool serves_old() const noexcept {
    return grace().count() > 0 || outlives_invalidations();
  }
  [[nodiscard]] bool decides_about_rows() const noexcept {
    return ttl_of || empty_ttl || !keep_if.empty();
  }
};

namespace detail {

/// Throws ConfigError for what can't be meant.
void require_sensible(const ReadPolicy& policy);
/// Throws ConfigError for what loads in the background where nothing can.
void require_executor(const ReadPolicy& policy, const Offload* offload);

/// For how long these rows may be served whose query has this ttl; nothing: they are not to be kept.
/// Throws what the policy's callables throw, and ConfigError for a negative ttl of theirs.
[[nodiscard]] std::optional<std::chrono::nanoseconds> lifetime_of(const ReadPolicy& policy,
                                                                  const ResultSet& rows,
                                                                  std::chrono::nanoseconds ttl);
/// Shortened by lot.
[[nodiscard]] std::chrono::nanoseconds jittered(const ReadPolicy& policy,
                                                std::chrono::nanoseconds ttl);

}  // namespace detail
}  // namespace querymark
