#include "endpoint.hpp"

#ifdef QUERYMARK_WITH_POSTGRES
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/postgres/migrate.hpp"
#include "querymark/postgres/url.hpp"
#endif
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/file_tier.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/url.hpp"

namespace querymark::cli {

namespace {

#ifdef QUERYMARK_WITH_POSTGRES
LogEndpoint open_postgres(const std::string& url, const std::string& space) {
  return {std::make_unique<postgres::Log>(url, space),
          std::make_unique<postgres::NotifyDoorbell>(url, space)};
}
#endif

}  // namespace

LogEndpoint open_log(const std::string& url, const std::string& space) {
#ifdef QUERYMARK_WITH_POSTGRES
  if (postgres::is_url(url)) return open_postgres(url, space);
#endif
  const std::string path = sqlite::path_of(url);
  LogEndpoint endpoint;
  endpoint.outbox = std::make_unique<sqlite::Log>(path, space);
  endpoint.doorbell = std::make_unique<sqlite::FileDoorbell>(path);
  return endpoint;
}

MigrationOutcome migrate_database(const std::string& url, bool dry_run) {
#ifdef QUERYMARK_WITH_POSTGRES
  if (postgres::is_url(url)) return {postgres::label_of(url), postgres::migrate(url, dry_run)};
#endif
  const std::string path = sqlite::path_of(url);
  return {path, sqlite::migrate(path, dry_run)};
}

TargetEndpoint open_target(const std::string& url, const std::string& space) {
  // Longer than a reader waits for another's write: the worker has nothing better to do.
  auto tier = std::make_shared<sqlite::FileTier>(
      sqlite::path_of(url), sqlite::FileTierOptions{.busy_timeout = std::chrono::seconds(5)});
  auto applier = std::make_unique<sqlite::FileTierApplier>(*tier, space);
  return {std::move(tier), std::move(applier)};
}

}  // namespace querymark::cli
