#pragma once

#include <memory>
#include <string>

#include "querymark/automatic/analysis.hpp"
#include "querymark/automatic/tracking.hpp"
#include "rounds.hpp"

namespace querymark::bench {

/// A database with a table `sold` of 100,000 rows that can be told apart by `id` and by `shop`.
class TrackedSubject {
 public:
  /// What one statement took, and the rows that its triggers added to the log.
  struct Update {
    double us = 0;
    std::int64_t log_rows = 0;
  };
  virtual ~TrackedSubject() = default;
  /// Tracks the table by so many routes; by none: not at all.
  virtual void route(int routes) = 0;
  /// An update of so many rows, in a transaction that is then rolled back and not measured.
  [[nodiscard]] virtual Update update(std::uint32_t rows) = 0;
  /// Asks the database about a text that it has not met.
  virtual void analyse(const std::string& sql) = 0;
};

inline constexpr std::uint32_t kSoldRows = 100'000;
inline constexpr const char* kMakeSold =
    "create table sold (id integer primary key, shop integer not null, price real not null, stock "
    "integer not null, category integer not null)";
inline constexpr const char* kSoldById =
    "select id, price, stock, category from sold where id = $1";

[[nodiscard]] inline TrackOptions track_by(int routes) {
  TrackOptions options{.tables = {"sold"}, .routes = {{"id"}}};
  if (routes > 1) options.routes.push_back({"shop"});
  return options;
}

/// Null, and said loudly for what is wanted, when no server is installed.
[[nodiscard]] std::unique_ptr<TrackedSubject> postgres_tracked(const Options& options,
                                                               Report& report);

}  // namespace querymark::bench
