#include "querymark/deliver/target_breaker.hpp"

namespace querymark {

std::string_view to_string(BreakerState state) noexcept {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half-open";
  }
  return "unknown";
}

BreakerState TargetBreaker::state(MonotonicTime now) const noexcept {
  if (failures_ == 0) return BreakerState::closed;
  return now < until_ ? BreakerState::open : BreakerState::half_open;
}

std::chrono::nanoseconds TargetBreaker::pause(MonotonicTime now) const noexcept {
  if (failures_ == 0 || now >= until_) return std::chrono::nanoseconds(0);
  return until_ - now;
}

std::optional<std::chrono::nanoseconds> TargetBreaker::down_for(MonotonicTime now) const noexcept {
  if (failures_ == 0) return std::nullopt;
  return now - opened_;
}

void TargetBreaker::succeed() noexcept { failures_ = 0; }

void TargetBreaker::fail(MonotonicTime now, std::uint64_t random) noexcept {
  if (failures_ == 0) opened_ = now;
  if (failures_ != ~0U) ++failures_;
  until_ = now + policy_.pause(failures_, random);
}

}  // namespace querymark
