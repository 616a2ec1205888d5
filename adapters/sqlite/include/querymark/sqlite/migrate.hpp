#pragma once  // For users.

#include <string>

#include "querymark/support/migrations.hpp"

namespace querymark::sqlite {

using querymark::MigrationReport;

/// Brings the schema of the database at `where` (a path or `sqlite:PATH`; created when missing) to
/// this library's version. Forward only; safe when several run at once: each migration is one
/// transaction that looks again inside. With `dry_run`, only reports. Throws SchemaError when the
/// schema is newer than this library, ConfigError as `path_of` does, Error when the file can't be
/// opened, written or locked.
MigrationReport migrate(const std::string& where, bool dry_run = false);

/// Takes away what `migrate` has left for programs of earlier releases (MigrationReport::unfinished), which
/// must not run any more: they would keep nothing, and fail to write. False: nothing was left, or, with
/// `dry_run`, nothing is. Throws as `migrate` does; SchemaError when that has not run.
bool finish_migration(const std::string& where, bool dry_run = false);

/// The schema version that this library needs.
[[nodiscard]] int schema_version() noexcept;

}  // namespace querymark::sqlite
