#pragma once  // For users.

#include <string>
#include <vector>

#include "querymark/automatic/tracking.hpp"
#include "querymark/log/inspector.hpp"

// Triggers by which tables report what writes change in them, whoever writes: `sqlite3` in a shell, too.
// What no trigger of SQLite sees is not reported: incremental blob I/O (`sqlite3_blob_write`), a program
// that has switched triggers off (SQLITE_DBCONFIG_ENABLE_TRIGGER), one that edits `sqlite_schema`, and a
// temporary trigger that ends a statement between the change and its report.

namespace querymark::sqlite {

using querymark::TrackedTable;
using querymark::TrackOptions;
using querymark::TrackReport;

/// Makes tables of the database at `where` (a path or `sqlite:PATH`) report what changes in them. One
/// transaction, which keeps writers out; done again, it changes what is not as it should be. Throws
/// ConfigError for a table that can't be tracked, and for a route by which its rows can't be told apart;
/// with `all`, such tables are told of and left as they are. Throws SchemaError, Error.
TrackReport track(const std::string& where, const TrackOptions& options);

/// Takes the triggers away again. Of `options` only the tables, `all` and `dry_run` count. Throws
/// ConfigError for a table that is not there, SchemaError, Error.
TrackReport untrack(const std::string& where, const TrackOptions& options);

/// What hinders automatic mode: tables whose triggers are not as they should be, as errors; tables
/// without, as warnings for those that are named and for all with `all`, else as notices. Changes
/// nothing. Throws SchemaError, Error.
[[nodiscard]] std::vector<Finding> check_tracking(const std::string& where,
                                                  const TrackOptions& options = {});

}  // namespace querymark::sqlite
