#include <utility>

#include "backends/backend.hpp"
#include "querymark/postgres/advise.hpp"
#include "querymark/postgres/database.hpp"
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/postgres/migrate.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/postgres/url.hpp"

namespace querymark::cli {
namespace {

class PostgresBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override {
    return postgres::is_connection_string(url);
  }
  [[nodiscard]] std::string_view log_form() const noexcept override {
    return "postgresql://USER@HOST/DATABASE";
  }
  [[nodiscard]] std::string lacks() const override {
    return "a shared tier is a file: use sqlite:PATH of a file tier; what was given is a database";
  }

  [[nodiscard]] LogEndpoint open_log(const std::string& url,
                                     const std::string& namespace_name) const override {
    auto log = std::make_unique<postgres::Log>(url, namespace_name);
    LogEndpoint endpoint{.claims = log->claims(),
                         .deliveries = log->deliveries(),
                         .inspector = log->inspector(),
                         .subscribers = log->subscribers(),
                         .pruning = log->pruning(),
                         .doorbell = std::make_unique<postgres::NotifyDoorbell>(*log),
                         .end_soon = [log = log.get()] { log->connect_no_more(); },
                         .namespaces = log->namespaces()};
    endpoint.reader = std::move(log);
    return endpoint;
  }
  [[nodiscard]] MigrationOutcome migrate(const std::string& url, bool dry_run) const override {
    return {postgres::label_of(url), postgres::migrate(url, dry_run)};
  }
  [[nodiscard]] std::unique_ptr<Database> open_database(
      const std::string& url, Cache& cache, const std::string& namespace_name) const override {
    postgres::Options options;
    options.namespace_name = namespace_name;
    options.connections = 1;
    return std::make_unique<postgres::Database>(url, cache, options);
  }
  [[nodiscard]] TrackReport track(const std::string& url,
                                  const TrackOptions& options) const override {
    return postgres::track(url, options);
  }
  [[nodiscard]] TrackReport untrack(const std::string& url,
                                    const TrackOptions& options) const override {
    return postgres::untrack(url, options);
  }
  [[nodiscard]] std::vector<Finding> check_tracking(const std::string& url,
                                                    const TrackOptions& options) const override {
    return postgres::check_tracking(url, options);
  }
  // In the session of a database of the library's, by which queries would be analysed.
  [[nodiscard]] Analysis analyse(const std::string& url, const std::string& sql,
                                 const Promises& promises) const override {
    Cache cache({.memory_bytes = 1U << 20U});
    return postgres::Database(url, cache, {.connections = 1}).analyse(sql, promises);
  }
  [[nodiscard]] std::vector<SeenQuery> queries_in(std::string_view script) const override {
    return postgres::queries_in(script);
  }
  [[nodiscard]] CountedStatements counted_statements(const std::string& url,
                                                     std::size_t most) const override {
    postgres::Statements seen = postgres::statements_seen(url, most);
    return {std::move(seen.queries), seen.hidden};
  }
  [[nodiscard]] Advice advise(const std::string& url,
                              std::vector<SeenQuery> queries) const override {
    Cache cache({.memory_bytes = 1U << 20U});
    return postgres::Database(url, cache, {.connections = 1}).advise(std::move(queries));
  }
};

}  // namespace

const Backend& postgres_backend() {
  static const PostgresBackend backend;
  return backend;
}

}  // namespace querymark::cli
