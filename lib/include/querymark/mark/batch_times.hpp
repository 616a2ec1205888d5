#pragma once  // For nobody outside: a part of Marks.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "querymark/support/clock.hpp"

namespace querymark {

/// When the last batches were applied, by their generations. Appliers, who take turns, note a batch
/// before they publish its generation; anybody may ask meanwhile. No locks.
class BatchTimes {
 public:
  /// Remembers so many. Without a clock, which must outlive the object, nothing is known of any.
  BatchTimes(std::size_t batches, const Clock* clock)
      : clock_(clock),
        batches_(clock == nullptr ? 0 : batches),
        times_(std::make_unique<std::atomic<std::int64_t>[]>(batches_)) {}

  void note(std::uint64_t generation) noexcept {
    if (clock_ == nullptr) return;
    // Release: who reads it here sees, too, that the generation before was published.
    times_[generation % batches_].store(clock_->coarse_now().time_since_epoch().count(),
                                        std::memory_order_release);
  }
  /// Nothing is known of what came before this batch, nor of it.
  void forget_upto(std::uint64_t generation) noexcept {
    forgotten_.store(generation, std::memory_order_release);
  }
  /// Nothing: nobody knows any more. `published` is asked for the last generation that was.
  template <class Published>
  [[nodiscard]] std::optional<MonotonicTime> of(std::uint64_t generation,
                                                Published&& published) const noexcept {
    if (clock_ == nullptr) return std::nullopt;
    const std::int64_t time = times_[generation % batches_].load(std::memory_order_acquire);
    const std::uint64_t last = published();
    // The batch after the last may have been noted in the same place already.
    if (generation > last || last - generation >= batches_ - 1) return std::nullopt;
    if (generation <= forgotten_.load(std::memory_order_acquire)) return std::nullopt;
    return MonotonicTime(std::chrono::nanoseconds(time));
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return batches_ * sizeof(times_[0]); }

 private:
  const Clock* clock_;
  std::size_t batches_;
  std::unique_ptr<std::atomic<std::int64_t>[]> times_;
  std::atomic<std::uint64_t> forgotten_{0};
};

}  // namespace querymark
