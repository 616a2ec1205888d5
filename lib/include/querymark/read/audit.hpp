#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// For users: what an audit has found. For nobody outside: the rest.

namespace querymark {

class ReadRequest;
class Source;

/// A value that the cache would have served, although the database has another one and nothing that was
/// reported says so: a tag that is missing, a trigger that was disabled, a write past querymark's intents
/// by somebody who declares none.
struct AuditFailure {
  std::string query{};  ///< The SQL, without its parameters.
  std::string name{};   ///< What its reads are counted under.
  std::vector<std::string>
      targets{};  ///< What was to tell of a change, as far as its call site says.
  /// The tables that it reads, as the database says (`public:product`); those that reported a change since
  /// the value was loaded, which none of its tags told of.
  std::vector<std::string> reads{};
  std::vector<std::string> changed{};
  /// What the database says against judging the query by what it reports, such as a table that is not tracked.
  std::string why{};

  /// On one line, for people.
  [[nodiscard]] std::string str() const;
};

/// Checks of hits, by sampling: what memory serves is loaded again, in the background, and compared.
struct AuditOptions {
  /// Of the hits of prepared and ad-hoc queries, which share is checked: 0.001 is one of a thousand.
  /// Needs an executor (CacheOptions::offload). Zero: none.
  double share = 0;
  /// Told of each value that was wrong, on a thread of the executor's, after the source was flushed in this
  /// process. Must not throw. (They are counted in any case: `audits_wrong`.)
  std::function<void(const AuditFailure&)> on_failure{};
};

namespace detail {

/// Throws ConfigError for a share that is none.
void require_sensible(const AuditOptions& options, bool has_executor);
/// One of how many; zero: none.
[[nodiscard]] std::uint32_t audited_one_of(const AuditOptions& options) noexcept;

/// Counts this thread's hits down to the next that is checked; the distance is drawn.
struct AuditCountdown {
  std::uint32_t left = 0;
  [[nodiscard, gnu::noinline, gnu::cold]] bool start(std::uint32_t one_of) noexcept;
};
inline thread_local constinit AuditCountdown audit_countdown;

[[nodiscard]] inline bool is_sampled(std::uint32_t one_of) noexcept {
  if (audit_countdown.left > 1) [[likely]] {
    --audit_countdown.left;
    return false;
  }
  return audit_countdown.start(one_of);
}

}  // namespace detail

/// Has the executor check what memory holds for this request. What can't be is counted. Does not block, but
/// for a copy of the request.
void audit_later(Source& source, const ReadRequest& request) noexcept;

}  // namespace querymark
