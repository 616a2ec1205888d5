#pragma once  // For users: the statistics. For the library itself: the rest.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace querymark {

/// What a LatencyHistogram has counted. A value type; by default of nothing.
///
/// Buckets are log-linear, four to each power of two, from 1 µs to 134 s, as HdrHistogram (Tene, 2012)
/// and the times of Go's runtime have them: so a quantile is right to a part of 1/8, and none of
/// them is configured.
struct LatencyStats {
  static constexpr std::size_t kBuckets = 104;

  /// Of each bucket; empty when nothing was counted.
  std::vector<std::uint64_t> counts{};
  std::chrono::nanoseconds total{};

  [[nodiscard]] std::uint64_t count() const noexcept;
  /// Zero of nothing.
  [[nodiscard]] std::chrono::nanoseconds mean() const noexcept;
  /// The middle of the bucket in which the part `q` of all, between 0 and 1, ends. Zero of nothing.
  [[nodiscard]] std::chrono::nanoseconds quantile(double q) const noexcept;
  LatencyStats& operator+=(const LatencyStats& more);
  friend bool operator==(const LatencyStats&, const LatencyStats&) = default;

  /// The bucket takes what is longer than the bound of the one before, and no longer than its own. What
  /// is longer than the last bound is in the last bucket, too.
  [[nodiscard]] static constexpr std::chrono::microseconds bound(std::size_t bucket) noexcept {
    if (bucket < 4) return std::chrono::microseconds(bucket + 1);
    return std::chrono::microseconds((bucket % 4 + 5) << (bucket / 4 - 1));
  }
  [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds time) noexcept;
};

/// Counts how long something took. Thread-safe, lock-free: two relaxed additions. For what takes a
/// microsecond or more: a hit is not timed.
class LatencyHistogram {
 public:
  void add(std::chrono::nanoseconds time) noexcept {
    counts_[LatencyStats::bucket_of(time)].fetch_add(1, std::memory_order_relaxed);
    if (time.count() > 0)
      total_.fetch_add(static_cast<std::uint64_t>(time.count()), std::memory_order_relaxed);
  }
  /// Each count is of some moment during the call.
  [[nodiscard]] LatencyStats stats() const;

 private:
  std::array<std::atomic<std::uint64_t>, LatencyStats::kBuckets> counts_{};
  std::atomic<std::uint64_t> total_{0};  // ns
};

}  // namespace querymark
