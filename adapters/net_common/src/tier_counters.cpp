#include "tier_counters.hpp"

#include <algorithm>
#include <cstddef>

namespace querymark::net {
namespace {

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& thrown) {
    return thrown.what();
  }
}

}  // namespace

std::optional<TierFailure> TierCounters::failure_of(const Outcome& outcome) {
  if (outcome.lost == 0) return std::nullopt;
  // Where no server is to blame, the call itself is counted.
  if (!outcome.failure || outcome.skips > 0)
    skipped.fetch_add(std::max<std::size_t>(outcome.skips, 1), std::memory_order_relaxed);
  if (!outcome.failure) return TierFailure{.tried = false, .cause = outcome.passed_by};
  failures.fetch_add(std::max<std::size_t>(outcome.failures, 1), std::memory_order_relaxed);
  TierFailure told{.tried = true, .cause = text_of(outcome.failure)};
  const MutexLock lock(mutex_);
  last_failure_ = told.cause;
  return told;
}

StoreStatus TierCounters::counted(StoreStatus status) noexcept {
  if (status == StoreStatus::stored) stored.fetch_add(1, std::memory_order_relaxed);
  if (status == StoreStatus::superseded) superseded.fetch_add(1, std::memory_order_relaxed);
  if (status == StoreStatus::oversize) oversize.fetch_add(1, std::memory_order_relaxed);
  return status;
}

}  // namespace querymark::net
