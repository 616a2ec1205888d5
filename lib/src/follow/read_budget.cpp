#include "read_budget.hpp"

#include <algorithm>

namespace querymark {
namespace {

using std::chrono::nanoseconds;

constexpr int kTokens = 4;
constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

ReadBudget::ReadBudget(std::uint64_t reads_per_second, nanoseconds max_lag) noexcept
    : reads_per_second_(reads_per_second), longest_(max_lag / 3) {}

nanoseconds ReadBudget::distance(std::size_t live) const noexcept {
  if (reads_per_second_ == 0) return nanoseconds(0);
  constexpr std::uint64_t kMost = 1'000'000'000;  // subscribers, so that nothing overflows
  const std::uint64_t share = std::min<std::uint64_t>(live, kMost) * kSecond / reads_per_second_;
  return std::min(nanoseconds(static_cast<std::int64_t>(share)), longest_);
}

nanoseconds ReadBudget::wait(MonotonicTime now, std::size_t live) const noexcept {
  const nanoseconds apart = distance(live);
  // Never longer than one distance, whatever it was before.
  const nanoseconds empty = full_at_ - now - (kTokens - 1) * apart;
  return std::clamp(empty, nanoseconds(0), apart);
}

void ReadBudget::take(MonotonicTime now, std::size_t live) noexcept {
  const nanoseconds apart = distance(live);
  full_at_ = std::min(std::max(full_at_, now) + apart, now + kTokens * apart);
}

}  // namespace querymark
