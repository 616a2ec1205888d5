#include <filesystem>

#include "backends/backend.hpp"
#include "backends/scheme.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/file_tier.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"

namespace querymark::cli {
namespace {

// The file that `url` names. A name that was meant for something else must not become an empty
// database, named after a password.
std::string file_of(const std::string& url) {
  if (scheme_of(url) != "sqlite") return sqlite::path_of("sqlite:" + url);
  const std::string path = sqlite::path_of(url);
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown)) return path;
  if (without_secrets(url) != url)
    throw ConfigError(
        "what stands behind sqlite: looks like the name of another database, with a password; use "
        "sqlite:PATH");
  const std::size_t option = path.find('?');
  if (option != std::string::npos && path.find('=', option) != std::string::npos)
    throw ConfigError("sqlite:PATH takes no options, and there is no such file: " + path);
  return path;
}

class SqliteBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override {
    std::error_code unknown;
    return scheme_of(url) == "sqlite" || (!url.empty() && std::filesystem::exists(url, unknown));
  }
  [[nodiscard]] std::string_view log_form() const noexcept override { return "sqlite:PATH"; }
  [[nodiscard]] std::string_view target_form() const noexcept override {
    return "sqlite:PATH of a file tier";
  }

  [[nodiscard]] LogEndpoint open_log(const std::string& url,
                                     const std::string& namespace_name) const override {
    const std::string path = file_of(url);
    auto log = std::make_unique<sqlite::Log>(path, namespace_name);
    auto claims = log->claims();
    return {std::move(log), std::move(claims), std::make_unique<sqlite::FileDoorbell>(path)};
  }
  [[nodiscard]] MigrationOutcome migrate(const std::string& url, bool dry_run) const override {
    const std::string path = file_of(url);
    return {path, sqlite::migrate(path, dry_run)};
  }
  [[nodiscard]] TargetEndpoint open_target(const std::string& url,
                                           const std::string& namespace_name) const override {
    // Longer than a reader waits for another's write: the worker has nothing better to do.
    auto tier = std::make_shared<sqlite::FileTier>(
        file_of(url), sqlite::FileTierOptions{.busy_timeout = std::chrono::seconds(5)});
    auto applier = std::make_unique<sqlite::FileTierApplier>(*tier, namespace_name);
    return {std::move(tier), std::move(applier)};
  }
};

}  // namespace

const Backend& sqlite_backend() {
  static const SqliteBackend backend;
  return backend;
}

}  // namespace querymark::cli
