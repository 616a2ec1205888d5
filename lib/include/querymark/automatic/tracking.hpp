#pragma once  // For users.

#include <string>
#include <vector>

// How tables are told to report what writes change in them: by triggers, which each database's `track`
// generates. What these report, key/tracked.hpp says.

namespace querymark {

/// Which tables report what, and whether to change anything.
struct TrackOptions {
  /// As the database names them; where it has schemas, `schema.table` or what the search path finds.
  std::vector<std::string> tables{};
  /// By the values of which columns rows are told apart: one to three columns each, the same for all
  /// tables. None: by those that a table is tracked by already, or else by its primary key.
  std::vector<std::vector<std::string>> routes{};
  bool all = false;        ///< Every table that can be tracked, too.
  bool row_level = false;  ///< PostgreSQL: triggers for each row, which logical replication fires.
  bool dry_run = false;    ///< Only tell.
};

/// One table, as `track` or `untrack` leaves it.
struct TrackedTable {
  std::string table{};                ///< For people, as the database names it.
  std::string relation{};             ///< As `relation_name` makes it.
  std::vector<std::string> routes{};  ///< As `route_name` makes them.
  /// Why rows are not told apart, or not by what was asked for.
  std::string note{};
  /// What was run, or would be; empty: it was as it should be.
  std::vector<std::string> statements{};
};

/// What `track` or `untrack` did, or would do: in the order of the tables' names.
struct TrackReport {
  std::vector<TrackedTable> tables{};
};

}  // namespace querymark
