#include "endpoint.hpp"

#include <filesystem>

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
#include "querymark/support/error.hpp"

namespace querymark::cli {

namespace {

#ifdef QUERYMARK_WITH_POSTGRES
constexpr std::string_view kUseUrl = "use postgresql://USER@HOST/DATABASE or sqlite:PATH";

bool is_postgres(const std::string& url) { return postgres::is_connection_string(url); }
#else
constexpr std::string_view kUseUrl = "use sqlite:PATH (this program was built without PostgreSQL)";

bool is_postgres(const std::string& /*url*/) { return false; }
#endif

// What stands before the first colon, if no slash comes earlier: it is a file's name then.
std::string_view scheme_of(std::string_view url) {
  const std::size_t colon = url.find_first_of(":/");
  return colon == std::string_view::npos || url[colon] == '/' ? "" : url.substr(0, colon);
}

// The file that `url` names: with its scheme, or without one if it is there. A name that was meant
// for something else must not become an empty database. Shows nothing behind a colon.
std::string sqlite_path(const std::string& url, std::string_view use) {
  const std::string_view scheme = scheme_of(url);
  std::error_code unknown;
  if (scheme == "sqlite") {
    const std::string path = sqlite::path_of(url);
    const std::size_t option = path.find('?');
    if (option != std::string::npos && path.find('=', option) != std::string::npos &&
        !std::filesystem::exists(path, unknown))
      throw ConfigError("sqlite:PATH takes no options, and there is no such file: " + path);
    return path;
  }
  if (!url.empty() && std::filesystem::exists(url, unknown))
    return sqlite::path_of("sqlite:" + url);
  if (!scheme.empty())
    throw ConfigError("unknown URL scheme \"" + std::string(scheme) + ":\"; " + std::string(use));
  const bool may_hide_password = url.find_first_of("@=") != std::string::npos;
  throw ConfigError((may_hide_password ? "what was given" : '"' + url + '"') +
                    " has no scheme, and there is no such file; " + std::string(use));
}

std::string database_path(const std::string& url) { return sqlite_path(url, kUseUrl); }

}  // namespace

LogEndpoint open_log(const std::string& url, const std::string& namespace_name) {
#ifdef QUERYMARK_WITH_POSTGRES
  if (is_postgres(url))
    return {std::make_unique<postgres::Log>(url, namespace_name),
            std::make_unique<postgres::NotifyDoorbell>(url, namespace_name)};
#endif
  const std::string path = database_path(url);
  LogEndpoint endpoint;
  endpoint.outbox = std::make_unique<sqlite::Log>(path, namespace_name);
  endpoint.doorbell = std::make_unique<sqlite::FileDoorbell>(path);
  return endpoint;
}

MigrationOutcome migrate_database(const std::string& url, bool dry_run) {
#ifdef QUERYMARK_WITH_POSTGRES
  if (is_postgres(url)) return {postgres::label_of(url), postgres::migrate(url, dry_run)};
#endif
  const std::string path = database_path(url);
  return {path, sqlite::migrate(path, dry_run)};
}

TargetEndpoint open_target(const std::string& url, const std::string& namespace_name) {
  if (is_postgres(url))
    throw ConfigError(
        "a shared tier is a file: use sqlite:PATH of a file tier; what was given is a "
        "database");
  // Longer than a reader waits for another's write: the worker has nothing better to do.
  auto tier = std::make_shared<sqlite::FileTier>(
      sqlite_path(url, "use sqlite:PATH of a file tier"),
      sqlite::FileTierOptions{.busy_timeout = std::chrono::seconds(5)});
  auto applier = std::make_unique<sqlite::FileTierApplier>(*tier, namespace_name);
  return {std::move(tier), std::move(applier)};
}

}  // namespace querymark::cli
