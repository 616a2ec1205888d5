#include "querymark/deliver/retry_policy.hpp"

#include <algorithm>
#include <cmath>

#include "querymark/support/error.hpp"

namespace querymark {

std::string_view to_string(RetryVerdict verdict) noexcept {
  switch (verdict) {
    case RetryVerdict::retry:
      return "retry";
    case RetryVerdict::refused:
      return "refused";
    case RetryVerdict::exhausted:
      return "attempts";
    case RetryVerdict::expired:
      return "deadline";
  }
  return "unknown";
}

void RetryPolicy::require_sane() const {
  if (!(factor >= 1.0)) throw ConfigError("the backoff's factor is below 1");  // NaN as well
  if (start.count() == 0) throw ConfigError("the backoff's start is zero");
  if (cap < start) throw ConfigError("the backoff's cap lies below its start");
}

std::chrono::milliseconds RetryPolicy::ceiling(unsigned failures) const noexcept {
  const double grown = static_cast<double>(start.count()) *
                       std::pow(factor, static_cast<double>(std::max(failures, 1U) - 1));
  const auto most = static_cast<double>(cap.count());
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(grown, most)));
}

std::chrono::milliseconds RetryPolicy::pause(unsigned failures,
                                             std::uint64_t random) const noexcept {
  const auto span =
      static_cast<std::uint64_t>(std::max<std::int64_t>(ceiling(failures).count(), 1));
  return std::chrono::milliseconds(1 + random % span);
}

RetryVerdict RetryPolicy::verdict(FailureKind kind, unsigned attempts, WallTime deadline,
                                  WallTime next) const noexcept {
  if (kind == FailureKind::permanent) return RetryVerdict::refused;
  if (max_attempts != 0 && attempts >= max_attempts) return RetryVerdict::exhausted;
  if (next + deadline_margin > deadline) return RetryVerdict::expired;
  return RetryVerdict::retry;
}

}  // namespace querymark
