#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "querymark/key/target.hpp"
#include "querymark/read/consistency.hpp"
#include "querymark/read/read_policy.hpp"
#include "querymark/read/row_tags.hpp"
#include "querymark/support/time_span.hpp"

// For users.

namespace querymark {

/// Who says what makes a result stale.
enum class Tags : std::uint8_t {
  declared,  ///< The query: by its tags.
  /// The database: by analysis of the query's text, and triggers that report what was written
  /// (docs/automatic.md). The query's own tags only add to that. What can't be judged is not cached.
  automatic,
};

/// What the cache must know about a read besides its key: the same for ad-hoc queries, prepared
/// queries and values under a name of one's own. A value type.
struct ReadOptions {
  /// What its reads are counted under (docs/observing.md). In memory what has another name has entries of its
  /// own; shared tiers and intents know of no names. Empty: its SQL; values of `get_or_load` together.
  std::string name{};
  /// Targets whose invalidation must reach the result.
  std::vector<Target> tags{};
  /// What makes more of them from the rows; not for values of `get_or_load`, which have none.
  std::vector<RowTagger> row_tags{};
  /// Nothing: the source's default. Values of `get_or_load` have no text: theirs are declared.
  std::optional<Tags> tagging{};
  /// With automatic tags: what depends on more than triggers report (a table that is not tracked, the time of day)
  /// is kept for this long at most, whatever is written meanwhile, and what is served from it is
  /// `outcome().unverified`. Zero: it is not kept.
  TimeSpan untracked_ok{};
  /// With automatic tags: what is vouched for of functions that nobody can look into.
  Promises promises{};
  /// How long a result may be served without an invalidation; zero: never, and nothing is kept.
  /// Nothing: the source's default. It makes no sense to raise it above the log's retention.
  std::optional<TimeSpan> ttl{};
  /// Longest wait for another caller's load of the same query; then Timeout is thrown. Zero: no
  /// limit.
  TimeSpan timeout{};
  /// Where processes share a tier that grants leases (Redis, memcached): one of them at a time loads the
  /// result, and the others, for this long at most, wait until the tier has it. So make it longer
  /// than the load takes; a loader that dies keeps the others waiting for the rest of it. Zero: each
  /// process loads for itself.
  TimeSpan lease{};
  /// The caller's own part of the key, such as a tenant.
  std::string scope{};
  /// False: reads the database and keeps nothing.
  bool cached = true;
  /// How fresh it must be. Anything but eventual reads by way of the log, not just of memory.
  Consistency consistency{};
  /// What it does beyond that.
  ReadPolicy policy{};
};

namespace detail {

/// Throws ConfigError for a negative ttl, timeout or lease, and for a policy that makes no sense.
inline void require_sensible(const ReadOptions& options) {
  if (options.ttl) not_negative(*options.ttl, "a ttl");
  not_negative(options.timeout, "a timeout");
  not_negative(options.untracked_ok, "untracked_ok");
  not_negative(options.lease, "a lease");
  require_sensible(options.policy);
}

}  // namespace detail
}  // namespace querymark
