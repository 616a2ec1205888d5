#pragma once

#include <functional>
#include <string>
#include <vector>

#include "readings.hpp"
#include "sqlite_item.hpp"

namespace querymark::bench {

inline constexpr std::size_t kHerd = 1000;

/// One row of kReadJoin.
struct Related {
  std::int64_t category = 0;
  std::int64_t count = 0;
  double sum = 0;
};

/// A database with an empty cache, a query that takes milliseconds to load, and keys that nobody has
/// asked for.
class ColdKeys {
 public:
  /// So many callers may load one key at the same time.
  ColdKeys(const ItemFile& file, std::size_t permits);

  [[nodiscard]] const PreparedQuery<Related, std::int64_t>& query() const noexcept {
    return query_;
  }
  /// A new key; what is loaded from now on is counted for it.
  [[nodiscard]] std::int64_t next();
  /// Loads since next(). Throws when there were none, or more than `permits`, or fewer reads than
  /// `callers`.
  [[nodiscard]] std::uint64_t loads(std::size_t callers) const;

 private:
  std::size_t permits_;
  Cache cache_;
  sqlite::Database database_;
  PreparedQuery<Related, std::int64_t> query_;
  std::int64_t key_ = 0;
  CacheStats before_{};
};

/// Milliseconds from the first call to the last answer, of `work` for a new cold key each run, and
/// the most loads that any took.
void measure_herd(const Options& options, Report& report, const std::string& subject,
                  ColdKeys& cold, std::size_t callers,
                  const std::function<double(std::int64_t key)>& work);

/// The callers are coroutines of one event loop.
void herd_async(const Options& options, Report& report, const ItemFile& file);

}  // namespace querymark::bench
