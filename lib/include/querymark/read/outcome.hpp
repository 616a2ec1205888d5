#pragma once  // For users.

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace querymark {

/// How a read was served.
enum class ReadStatus : std::uint8_t {
  hit,       ///< From a tier.
  miss,      ///< Loaded from the database.
  joined,    ///< Shared another caller's load.
  bypass,    ///< Loaded past the cache, which was off, not trusted, or not usable for this read.
  degraded,  ///< A hit whose freshness could not be claimed (policy `serve_degraded`).
  stale,     ///< From memory, past its ttl, by the query's policy: no invalidation has reached it.
  outdated,  ///< From memory, past an invalidation, by the query's policy.
};

/// Where the value came from.
enum class Origin : std::uint8_t { database, memory, shared_tier };

/// Whether memory kept the value, and why not.
enum class Stored : std::uint8_t {
  yes,
  already,           ///< It came from memory.
  oversize,          ///< Larger than memory takes.
  superseded,        ///< Memory has a later value.
  invalidated,       ///< A target was invalidated during the load.
  not_covered,       ///< It ran in a snapshot that can't be judged, or older than an invalidation.
  disabled,          ///< The cache, or this query's caching, is switched off.
  lagging,           ///< The log has not been reached for max_lag.
  in_transaction,    ///< The transaction has written.
  reentrant,         ///< The load of this very key asked for it again.
  too_many_targets,  ///< Its rows imply more targets than a value can carry.
  uncacheable,       ///< No invalidation reaches what it tells of: EXPLAIN, SHOW, PRAGMA.
  unwanted,          ///< The policy's `cache_if` said no.
  declined,          ///< The policy refused the rows: `keep_if`, or a ttl of zero.
  unproven,  ///< Nobody declares its tags, and they can't be found out: `why()` says the reason.
};

/// Why what memory had was not served at the first look.
enum class Refused : std::uint8_t {
  nothing,         ///< It had nothing, or was not asked, or what it had was served.
  expired,         ///< Past its ttl, or that of this read.
  invalidated,     ///< Past an invalidation.
  targets_differ,  ///< It was kept by a read that declared other targets.
};

/// What happened on one read.
struct Outcome {
  ReadStatus status = ReadStatus::miss;
  Origin origin = Origin::database;
  Stored stored = Stored::yes;
  Refused refused = Refused::nothing;
  /// A copy that was kept by `untracked_ok` alone: it may be older than writes that nobody reports, by that time at most.
  bool unverified = false;
  std::chrono::nanoseconds age{};  ///< Since the value was loaded; zero when it was just now.
  /// What is known of the query beyond `stored`. It lives as long as the process.
  std::string_view reason{};

  /// Served without a load of the database.
  [[nodiscard]] bool is_hit() const noexcept {
    return status == ReadStatus::hit || status == ReadStatus::degraded ||
           status == ReadStatus::stale || status == ReadStatus::outdated;
  }
  /// Why memory did not keep the value, or keeps it for a time only, for people: "public:product is not tracked".
  /// Empty where there is nothing to say. It lives as long as the process.
  [[nodiscard]] std::string_view why() const noexcept;
};

[[nodiscard]] std::string_view to_string(ReadStatus status) noexcept;
[[nodiscard]] std::string_view to_string(Origin origin) noexcept;
[[nodiscard]] std::string_view to_string(Stored stored) noexcept;
[[nodiscard]] std::string_view to_string(Refused refused) noexcept;
/// One line for people: "hit from memory, 3 s old", "miss from database, where memory's value was
/// invalidated, not stored: oversize".
[[nodiscard]] std::string describe(const Outcome& outcome);

}  // namespace querymark

template <>
struct fmt::formatter<querymark::Outcome> : fmt::formatter<std::string> {
  auto format(const querymark::Outcome& outcome, fmt::format_context& context) const {
    return fmt::formatter<std::string>::format(querymark::describe(outcome), context);
  }
};
