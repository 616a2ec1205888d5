#include <utility>

#include "backends/backend.hpp"
#include "backends/sqlite_file.hpp"
#include "querymark/sqlite/analyse.hpp"
#include "querymark/sqlite/database.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/track.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

// Positions may be given out twice in one epoch, and the worker's cursor goes back with the file.
constexpr const char* kNotForFollowers =
    "the log of a SQLite database is not handed on: whoever can load from the file has its log at "
    "hand, and can tell a restore by that alone; open the database without a feed, for which no "
    "worker is needed";

class SqliteBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return may_be_sqlite_file(url);
  }
  [[nodiscard]] std::string_view log_form() const noexcept override { return "sqlite:PATH"; }

  [[nodiscard]] LogEndpoint open_log(const std::string& url,
                                     const std::string& namespace_name) const override {
    const std::string path = sqlite_file_of(url);
    auto log = std::make_unique<sqlite::Log>(path, namespace_name);
    LogEndpoint endpoint{.claims = log->claims(),
                         .deliveries = log->deliveries(),
                         .inspector = log->inspector(),
                         .subscribers = log->subscribers(),
                         .pruning = log->pruning(),
                         .doorbell = std::make_unique<sqlite::FileDoorbell>(path),
                         .namespaces = log->namespaces(),
                         .not_for_followers = kNotForFollowers};
    endpoint.reader = std::move(log);
    return endpoint;
  }
  [[nodiscard]] MigrationOutcome migrate(const std::string& url, bool dry_run) const override {
    const std::string path = sqlite_file_of(url);
    return {path, sqlite::migrate(path, dry_run)};
  }
  [[nodiscard]] bool finish_migration(const std::string& url, bool dry_run) const override {
    return sqlite::finish_migration(sqlite_file_of(url), dry_run);
  }
  [[nodiscard]] std::unique_ptr<Database> open_database(
      const std::string& url, Cache& cache, const std::string& namespace_name) const override {
    sqlite::Options options;
    options.namespace_name = namespace_name;
    options.readers = 1;
    options.write_ahead_log = false;  // as it is
    return std::make_unique<sqlite::Database>(sqlite_file_of(url), cache, options);
  }
  [[nodiscard]] TrackReport track(const std::string& url,
                                  const TrackOptions& options) const override {
    return sqlite::track(sqlite_file_of(url), options);
  }
  [[nodiscard]] TrackReport untrack(const std::string& url,
                                    const TrackOptions& options) const override {
    return sqlite::untrack(sqlite_file_of(url), options);
  }
  [[nodiscard]] std::vector<Finding> check_tracking(const std::string& url,
                                                    const TrackOptions& options) const override {
    return sqlite::check_tracking(sqlite_file_of(url), options);
  }
  [[nodiscard]] Analysis analyse(const std::string& url, const std::string& sql,
                                 const Promises& promises) const override {
    return sqlite::analyse(sqlite_file_of(url), sql, promises);
  }
  [[nodiscard]] std::vector<SeenQuery> queries_in(std::string_view script) const override {
    return sqlite::queries_in(script);
  }
  [[nodiscard]] CountedStatements counted_statements(const std::string& /*url*/,
                                                     std::size_t /*most*/) const override {
    throw ConfigError("SQLite counts no statements: give the queries, or --file");
  }
  [[nodiscard]] Advice advise(const std::string& url,
                              std::vector<SeenQuery> queries) const override {
    return sqlite::advise(sqlite_file_of(url), std::move(queries));
  }
};

}  // namespace

const Backend& sqlite_backend() {
  static const SqliteBackend backend;
  return backend;
}

}  // namespace querymark::cli
