#include "querymark/read/read_policy.hpp"

#include <algorithm>
#include <cstdint>

#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

namespace querymark {

RowsRule at_most_rows(std::size_t rows) {
  return RowsRule([rows](const ResultSet& set) { return set.size() <= rows; });
}

RowsRule at_most_bytes(std::size_t bytes) {
  return RowsRule([bytes](const ResultSet& set) { return set.heap_bytes() <= bytes; });
}

RowsRule has_rows() {
  return RowsRule([](const ResultSet& set) { return !set.empty(); });
}

void detail::require_sensible(const ReadPolicy& policy) {
  if (policy.empty_ttl) not_negative(*policy.empty_ttl, "an empty_ttl");
  if (!(policy.jitter >= 0 && policy.jitter <= 1))  // so that NaN is refused, too
    throw ConfigError("a jitter is a part of the ttl: between 0 and 1");
  if (policy.loads_at_once == 0)
    throw ConfigError("loads_at_once is of how many callers load: at least one");
  not_negative(policy.serve_stale, "serve_stale");
  not_negative(policy.stale_while_loading, "stale_while_loading");
  not_negative(policy.stale_if_error, "stale_if_error");
  not_negative(policy.stale_while_refreshing, "stale_while_refreshing");
  not_negative(policy.soft_timeout, "soft_timeout");
  not_negative(policy.hard_timeout, "hard_timeout");
  if (!(policy.refresh_ahead >= 0 && policy.refresh_ahead < 1))
    throw ConfigError("refresh_ahead is a part of the ttl: at least 0 and below 1");
  not_negative(policy.revalidate_within, "revalidate_within");
  not_negative(policy.serve_invalidated_on_error, "serve_invalidated_on_error");
}

void detail::require_executor(const ReadPolicy& policy, const Offload* offload) {
  if (policy.in_background() && offload == nullptr)
    throw ConfigError(
        "refresh_ahead, stale_while_refreshing, soft_timeout and hard_timeout load in the "
        "background: "
        "give the cache an executor (CacheOptions::offload), or say Offload::disabled()");
}

std::optional<std::chrono::nanoseconds> detail::lifetime_of(const ReadPolicy& policy,
                                                            const ResultSet& rows,
                                                            std::chrono::nanoseconds ttl) {
  if (!policy.keep_if(rows)) return std::nullopt;
  if (policy.empty_ttl && rows.empty())
    ttl = std::min<std::chrono::nanoseconds>(ttl, *policy.empty_ttl);
  if (policy.ttl_of)
    ttl = std::min<std::chrono::nanoseconds>(
        ttl, not_negative(policy.ttl_of(rows), "the ttl of a result"));
  if (ttl.count() == 0) return std::nullopt;
  return ttl;
}

std::chrono::nanoseconds detail::jittered(const ReadPolicy& policy, std::chrono::nanoseconds ttl) {
  if (policy.jitter == 0) return ttl;
  constexpr double kRange = 0x1p-64;
  const auto whole = static_cast<double>(ttl.count());
  const double off = whole * policy.jitter * static_cast<double>(random_u64()) * kRange;
  // Roundings reach the end of the range; and a ttl of nothing would never be served.
  if (off >= whole) return std::chrono::nanoseconds(1);
  return std::chrono::nanoseconds(
      std::max<std::int64_t>(ttl.count() - static_cast<std::int64_t>(off), 1));
}

}  // namespace querymark
