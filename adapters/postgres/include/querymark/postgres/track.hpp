#pragma once  // For users.

#include <string>
#include <vector>

#include "querymark/automatic/tracking.hpp"
#include "querymark/log/inspector.hpp"

// Triggers by which tables report what writes change in them, whoever writes. They stand on each partition and
// child, and fire under every session_replication_role. What they do not see: a table that a superuser edits in
// the catalogue, definitions that one changes with event triggers switched off (`event_triggers` of PostgreSQL 17, the
// single-user mode), and rows that logical replication applies, unless the triggers are for each row
// (TrackOptions::row_level); those of tables that a subscription feeds by then are, and of one that it comes to feed
// later no results are kept until it is tracked again.

namespace querymark::postgres {

using querymark::TrackedTable;
using querymark::TrackOptions;
using querymark::TrackReport;

/// Makes tables of the database at `url` report what changes in them. One transaction, which waits for the tables'
/// writers and keeps others out; done again, it changes what is not as it should be. Needs to own the tables, and
/// to create in the schema querymark. As a superuser it makes event triggers, too, which report changes of
/// definitions and track partitions that come. Throws ConfigError for a table that can't be tracked, and for a
/// route by which its rows can't be told apart; with `all`, such tables are told of and left as they are. Throws
/// SchemaError, Error; a retryable one when open transactions kept it from its locks for ten seconds.
TrackReport track(const std::string& url, const TrackOptions& options);

/// Takes the triggers away again. Of `options` only the tables, `all` and `dry_run` count; with `all` the event
/// triggers go, too. Throws ConfigError for a table that is not there, SchemaError, Error.
TrackReport untrack(const std::string& url, const TrackOptions& options);

/// What hinders automatic mode: tables whose triggers are not as they should be, as errors; tables without, as
/// warnings for those that are named and for all with `all`, else as notices; changes of definitions that nothing
/// reports, as a warning. Changes nothing. Throws SchemaError, Error.
[[nodiscard]] std::vector<Finding> check_tracking(const std::string& url,
                                                  const TrackOptions& options = {});

}  // namespace querymark::postgres
