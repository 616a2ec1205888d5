#pragma once

#include <memory>
#include <string>

#include "querymark/deliver/applier.hpp"
#include "querymark/log/outbox.hpp"
#include "querymark/support/migrations.hpp"

namespace querymark::cli {

/// The log that `--db` names, with its doorbell.
struct LogEndpoint {
  std::unique_ptr<Outbox> outbox;
  std::unique_ptr<Doorbell> doorbell;
};

/// A shared tier that `--target` names, owned.
struct TargetEndpoint {
  std::shared_ptr<void> tier;  // what the applier refers to
  std::unique_ptr<Applier> applier;
};

/// What `migrate` did to the database that `label` names, without a password.
struct MigrationOutcome {
  std::string label;
  MigrationReport report;
};

/// Throws ConfigError for an unknown scheme, SchemaError, Error.
[[nodiscard]] LogEndpoint open_log(const std::string& url, const std::string& namespace_name);
[[nodiscard]] MigrationOutcome migrate_database(const std::string& url, bool dry_run);
[[nodiscard]] TargetEndpoint open_target(const std::string& url, const std::string& namespace_name);

}  // namespace querymark::cli
