#pragma once  // For users.

#include <string>

#include "querymark/support/migrations.hpp"

namespace querymark::postgres {

using querymark::MigrationReport;

/// Brings the schema `querymark` of the database at `url` to this library's version. Forward only;
/// safe when several run at once: each migration is one transaction under one advisory lock that
/// looks again inside. With `dry_run`, only reports. Throws SchemaError when the schema is newer
/// than this library, Error when the server can't be reached or refuses; a retryable one when open
/// transactions kept it from its locks for some seconds, for which writes queue behind it. What a
/// failed migration did is rolled back. Rights that the role may not grant are left out, and
/// `notices` says so.
MigrationReport migrate(const std::string& url, bool dry_run = false);

/// The schema version that this library needs.
[[nodiscard]] int schema_version() noexcept;

}  // namespace querymark::postgres
