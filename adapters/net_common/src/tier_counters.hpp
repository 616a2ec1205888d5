#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>

#include "querymark/support/mutex.hpp"
#include "querymark/support/store_status.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "round.hpp"

namespace querymark::net {

/// What a tier over a network counts, and how its calls that must not throw end. Thread-safe.
struct TierCounters {
  std::atomic<std::uint64_t> reads{0}, hits{0}, corrupt{0}, failures{0}, skipped{0}, stored{0},
      superseded{0}, oversize{0}, connects{0};

  /// Runs a call, which returns its Outcome or throws when nothing could be asked at all; what of it
  /// was in vain is counted by servers, and told.
  template <class Call>
  std::optional<TierFailure> guarded(Call&& call) noexcept {
    try {
      Outcome outcome;
      try {
        outcome = call();
      } catch (const std::exception&) {
        outcome = {.lost = 1, .failure = std::current_exception()};
      }
      return failure_of(outcome);
    } catch (const std::exception&) {  // no memory for the cause
      return TierFailure{};
    }
  }
  /// Counts what became of a put, and gives it back.
  StoreStatus counted(StoreStatus status) noexcept;
  /// Sets the fields of the same names.
  template <class Stats>
  void fill(Stats& stats) const {
    stats.reads = reads.load(), stats.hits = hits.load(), stats.corrupt = corrupt.load();
    stats.failures = failures.load(), stats.skipped = skipped.load();
    stats.stored = stored.load(), stats.superseded = superseded.load();
    stats.oversize = oversize.load(), stats.connects = connects.load();
    const MutexLock lock(mutex_);
    stats.last_failure = last_failure_;
  }

 private:
  [[nodiscard]] std::optional<TierFailure> failure_of(const Outcome& outcome);

  mutable Mutex mutex_;  // innermost
  std::string last_failure_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::net
