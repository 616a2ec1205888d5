#pragma once

#include "querymark/observe/latency.hpp"
#include "querymark/support/clock.hpp"

// For the read machine.

namespace querymark {

/// Counts how long a driver takes for the steps that are worth it: two looks at the clock for each. Not
/// thread-safe. What it counts in must outlive it; a step whose end is never told is not counted.
class StepTimes {
 public:
  explicit StepTimes(const Clock& clock) noexcept : clock_(clock) {}

  void begin(LatencyHistogram& histogram) noexcept {
    counted_in_ = &histogram;
    began_ = clock_.now();
  }
  /// Nothing, if nothing has begun.
  void end() noexcept {
    if (counted_in_ != nullptr) counted_in_->add(clock_.now() - began_);
    counted_in_ = nullptr;
  }

 private:
  const Clock& clock_;
  LatencyHistogram* counted_in_ = nullptr;
  MonotonicTime began_;
};

}  // namespace querymark
