#pragma once  // For the library itself.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/observe/latency.hpp"
#include "querymark/observe/query_stats.hpp"
#include "querymark/observe/read_counters.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// What is counted of one query. Thread-safe.
struct QueryRecord {
  explicit QueryRecord(std::string shown) : name(std::move(shown)) {}

  /// Of queries that are in no table.
  [[nodiscard]] static QueryRecord& nobodys();
  [[nodiscard]] QueryStats stats() const;
  void came(std::size_t bytes) noexcept {
    entries.fetch_add(1, std::memory_order_relaxed);
    entry_bytes.fetch_add(bytes, std::memory_order_relaxed);
  }
  void went(std::size_t bytes) noexcept {
    entries.fetch_sub(1, std::memory_order_relaxed);
    entry_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }

  const std::string name;
  ReadCounters counters;
  LatencyHistogram loads, waits, tier_reads;
  std::atomic<std::size_t> entries{0}, entry_bytes{0};
};

/// The records of one cache's queries, by name: at most `kMostNamed` of those that have a name of their
/// own, and `kMostTexts` of those that go by their SQL. What comes later is counted together, as
/// `(other)`. Records stay, at the same address, as long as the table. Thread-safe: one mutex, taken
/// when a query is made.
class QueryTable {
 public:
  static constexpr std::size_t kMostNamed = 256;
  static constexpr std::size_t kMostTexts = 128;
  static constexpr std::string_view kOther = "(other)";

  /// Of a name that the user has given; what is longer than 200 bytes is cut off.
  [[nodiscard]] QueryRecord& named(std::string_view name);
  /// Of SQL, by its beginning and a mark of the rest.
  [[nodiscard]] QueryRecord& of_sql(std::string_view sql);
  /// Of a value of the user's own, whose key is no name of a query.
  [[nodiscard]] QueryRecord& values() noexcept { return values_; }

  /// Of all queries together.
  [[nodiscard]] ReadStats totals() const;
  /// Of those that were read, or asked for, in the order of their names.
  [[nodiscard]] std::vector<QueryStats> stats() const;

 private:
  using Records = std::map<std::string, std::unique_ptr<QueryRecord>, std::less<>>;
  [[nodiscard]] QueryRecord& in(Records& records, std::size_t most,
                                std::string name)QUERYMARK_REQUIRES(mutex_);
  template <class Each>
  void each(Each&& visit) const;

  mutable Mutex mutex_;  // innermost
  Records named_ QUERYMARK_GUARDED_BY(mutex_);
  Records texts_ QUERYMARK_GUARDED_BY(mutex_);
  QueryRecord other_{std::string(kOther)};
  QueryRecord values_{"(values)"};
};

/// SQL as a name: blanks in one piece each, and where it is longer than 120 bytes its beginning with 32
/// bits of its SHA-256.
[[nodiscard]] std::string name_of_sql(std::string_view sql);

}  // namespace querymark
