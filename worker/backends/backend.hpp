#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log_lines.hpp"
#include "querymark/automatic/advice.hpp"
#include "querymark/automatic/analysis.hpp"
#include "querymark/automatic/tracking.hpp"
#include "querymark/deliver/applier.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/log/inspector.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/pruning.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/migrations.hpp"
#include "querymark/tier/sealing_keys.hpp"

namespace querymark {
class Cache;
class Database;
class SharedTier;
}  // namespace querymark

namespace querymark::cli {

/// The log that `--db` names, with its doorbell.
struct LogEndpoint {
  std::unique_ptr<LogReader> reader;
  std::unique_ptr<LogClaims> claims;
  std::unique_ptr<Deliveries> deliveries;
  std::unique_ptr<Inspector> inspector;
  std::unique_ptr<Subscribers> subscribers;
  std::unique_ptr<Pruning> pruning;
  std::unique_ptr<Doorbell> doorbell;
  /// From any thread: whoever uses the log ends, and waits for no connection that would have to be opened. Empty: nobody
  /// does.
  std::function<void()> end_soon{};
  std::vector<std::string> namespaces;  ///< Of the log's newest rows, as it was opened.
  /// Why it can't be handed on to processes that do not look at it themselves; empty: it can.
  std::string not_for_followers{};
};

/// What `--target` names, and how the log gets there.
struct TargetSettings {
  std::string url;
  std::string namespace_name;
  /// Of a feed: what it is sealed with. Null: it is not.
  std::shared_ptr<const SealingKeys> feed_keys;
  /// For what happens between rounds.
  LogLines lines;
};

/// What `migrate` did to the database that `label` names, without a password.
struct MigrationOutcome {
  std::string label;
  MigrationReport report;
};

/// Queries that a database has counted, and how many calls of others it does not show.
struct CountedStatements {
  std::vector<SeenQuery> queries{};
  std::uint64_t hidden = 0;
};

/// One kind of database or tier, as `--db` and `--target` name it. Each is a file in this folder,
/// which the build takes if the adapter is built, and else the file that says so.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Whether `url` names one of this kind. Looks at the text, and whether there is such a file.
  [[nodiscard]] virtual bool accepts(const std::string& url) const = 0;
  /// How to write a `--db` of this kind, for messages; empty when it holds no log.
  [[nodiscard]] virtual std::string_view log_form() const noexcept { return {}; }
  /// The same for `--target`; empty when it is no shared tier.
  [[nodiscard]] virtual std::string_view target_form() const noexcept { return {}; }
  /// What to tell whoever names this kind where it has no form; empty where another kind that accepts
  /// the same has one.
  [[nodiscard]] virtual std::string lacks() const { return {}; }

  /// For kinds that hold a log. Throw SchemaError, ConfigError, Error.
  [[nodiscard]] virtual LogEndpoint open_log(const std::string& url,
                                             const std::string& namespace_name) const;
  [[nodiscard]] virtual MigrationOutcome migrate(const std::string& url, bool dry_run) const;
  /// Takes away what that has left for programs of earlier releases. False: nothing was left.
  [[nodiscard]] virtual bool finish_migration(const std::string& url, bool dry_run) const;
  /// The database as an application opens it, to write into its log and to wait; `cache` must
  /// outlive it.
  [[nodiscard]] virtual std::unique_ptr<Database> open_database(
      const std::string& url, Cache& cache, const std::string& namespace_name) const;
  /// Makes tables report what writes change in them, stops that, and looks whether they do.
  [[nodiscard]] virtual TrackReport track(const std::string& url,
                                          const TrackOptions& options) const;
  [[nodiscard]] virtual TrackReport untrack(const std::string& url,
                                            const TrackOptions& options) const;
  [[nodiscard]] virtual std::vector<Finding> check_tracking(const std::string& url,
                                                            const TrackOptions& options) const;
  /// On which rows of which tables a query depends.
  [[nodiscard]] virtual Analysis analyse(const std::string& url, const std::string& sql,
                                         const Promises& promises) const;
  /// The queries of a script, and those that the database has counted: `querymark advise` asks about them.
  [[nodiscard]] virtual std::vector<SeenQuery> queries_in(std::string_view script) const;
  [[nodiscard]] virtual CountedStatements counted_statements(const std::string& url,
                                                             std::size_t most) const;
  [[nodiscard]] virtual Advice advise(const std::string& url, std::vector<SeenQuery> queries) const;
  /// For kinds that are a shared tier. Throws the same.
  /// The tier as an application opens it that seals with these keys; null: that does not. What it holds and
  /// nobody can read is a failure of a read.
  [[nodiscard]] virtual std::shared_ptr<SharedTier> open_tier(
      const std::string& url, std::shared_ptr<const SealingKeys> keys) const;
  /// `log` is the one that is drained into it, and must outlive it.
  [[nodiscard]] virtual std::unique_ptr<Applier> open_target(const TargetSettings& settings,
                                                             const LogEndpoint& log) const;
};

const Backend& postgres_backend();
const Backend& sqlite_backend();
const Backend& file_tier_backend();
const Backend& redis_backend();
/// Always built: it says what memcached servers are not for.
const Backend& memcached_backend();

/// The kind that accepts `url`, and holds a log or is a shared tier. Throws ConfigError, which
/// shows nothing of a text that may hold a password.
[[nodiscard]] const Backend& backend_of_log(const std::string& url);
[[nodiscard]] const Backend& backend_of_target(const std::string& url);

}  // namespace querymark::cli
