#include "querymark/observe/latency.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace querymark {

std::uint64_t LatencyStats::count() const noexcept {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::chrono::nanoseconds LatencyStats::mean() const noexcept {
  const std::uint64_t all = count();
  return all == 0 ? std::chrono::nanoseconds(0) : total / static_cast<std::int64_t>(all);
}

std::chrono::nanoseconds LatencyStats::quantile(double q) const noexcept {
  const std::uint64_t all = count();
  if (all == 0) return {};
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(all);
  std::uint64_t seen = 0;
  std::size_t bucket = 0;
  for (; bucket + 1 < counts.size(); ++bucket) {
    seen += counts[bucket];
    if (seen > 0 && static_cast<double>(seen) >= wanted) break;
  }
  const std::chrono::nanoseconds low =
      bucket == 0 ? std::chrono::microseconds(0) : bound(bucket - 1);
  return (low + bound(bucket)) / 2;
}

LatencyStats& LatencyStats::operator+=(const LatencyStats& more) {
  if (counts.size() < more.counts.size()) counts.resize(more.counts.size());
  for (std::size_t i = 0; i < more.counts.size(); ++i) counts[i] += more.counts[i];
  total += more.total;
  return *this;
}

std::size_t LatencyStats::bucket_of(std::chrono::nanoseconds time) noexcept {
  if (time.count() <= 1000) return 0;
  const auto us = static_cast<std::uint64_t>(time.count() - 1) / 1000;
  if (us < 4) return us;
  const auto octave = static_cast<std::size_t>(std::bit_width(us)) - 3;
  return std::min<std::size_t>(4 + octave * 4 + ((us >> octave) & 3U), kBuckets - 1);
}

LatencyStats LatencyHistogram::stats() const {
  LatencyStats stats;
  stats.total =
      std::chrono::nanoseconds(static_cast<std::int64_t>(total_.load(std::memory_order_relaxed)));
  stats.counts.reserve(counts_.size());
  for (const auto& count : counts_) stats.counts.push_back(count.load(std::memory_order_relaxed));
  if (stats.count() == 0) return {};
  return stats;
}

}  // namespace querymark
