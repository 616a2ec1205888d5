#include "backends/backend.hpp"

#include <array>

#include "backends/scheme.hpp"
#include "querymark/database/database.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

// Files last: they take any that is there.
std::array<const Backend*, 5> all() {
  return {&postgres_backend(), &redis_backend(), &memcached_backend(), &sqlite_backend(),
          &file_tier_backend()};
}

using Form = std::string_view (Backend::*)() const noexcept;

[[noreturn]] void refuse(const std::string& url, Form form) {
  std::string forms;
  for (const Backend* backend : all())
    if (const std::string_view one = (backend->*form)(); !one.empty())
      forms += (forms.empty() ? "" : " or ") + std::string(one);
  forms = forms.empty() ? "this querymark was built without any" : "use " + forms;
  if (const std::string_view scheme = scheme_of(url); !scheme.empty())
    throw ConfigError("unknown URL scheme \"" + std::string(scheme) + ":\"; " + forms);
  const bool may_hide_password = url.find_first_of("@=:") != std::string::npos;
  throw ConfigError((may_hide_password ? "what was given" : '"' + url + '"') +
                    " has no scheme, and there is no such file; " + forms);
}

[[noreturn]] void refuse_tracking(const std::string& lacks) {
  throw ConfigError(lacks.empty() || !std::string_view(lacks).starts_with("this querymark")
                        ? "tables of this kind of database can't be tracked by this querymark"
                        : lacks);
}

const Backend& backend_of(const std::string& url, Form form) {
  std::string lacks;
  for (const Backend* backend : all()) {
    if (!backend->accepts(url)) continue;
    if (!(backend->*form)().empty()) return *backend;
    if (lacks.empty()) lacks = backend->lacks();
  }
  if (!lacks.empty()) throw ConfigError(lacks);
  refuse(url, form);
}

}  // namespace

LogEndpoint Backend::open_log(const std::string& /*url*/,
                              const std::string& /*namespace_name*/) const {
  throw ConfigError(lacks());
}

MigrationOutcome Backend::migrate(const std::string& /*url*/, bool /*dry_run*/) const {
  throw ConfigError(lacks());
}

bool Backend::finish_migration(const std::string& /*url*/, bool /*dry_run*/) const { return false; }

std::unique_ptr<Database> Backend::open_database(const std::string& /*url*/, Cache& /*cache*/,
                                                 const std::string& /*namespace_name*/) const {
  throw ConfigError(lacks());
}

TrackReport Backend::track(const std::string& /*url*/, const TrackOptions& /*options*/) const {
  refuse_tracking(lacks());
}

TrackReport Backend::untrack(const std::string& /*url*/, const TrackOptions& /*options*/) const {
  refuse_tracking(lacks());
}

std::vector<Finding> Backend::check_tracking(const std::string& /*url*/,
                                             const TrackOptions& /*options*/) const {
  refuse_tracking(lacks());
}

Analysis Backend::analyse(const std::string& /*url*/, const std::string& /*sql*/,
                          const Promises& /*promises*/) const {
  refuse_tracking(lacks());
}

std::vector<SeenQuery> Backend::queries_in(std::string_view /*script*/) const {
  refuse_tracking(lacks());
}

CountedStatements Backend::counted_statements(const std::string& /*url*/,
                                              std::size_t /*most*/) const {
  refuse_tracking(lacks());
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): those who override it keep them
Advice Backend::advise(const std::string& /*url*/, std::vector<SeenQuery> /*queries*/) const {
  refuse_tracking(lacks());
}

std::shared_ptr<SharedTier> Backend::open_tier(
    const std::string& /*url*/,
    // NOLINTNEXTLINE(performance-unnecessary-value-param): those who override it keep them
    std::shared_ptr<const SealingKeys> /*keys*/) const {
  throw ConfigError(lacks());
}

std::unique_ptr<Applier> Backend::open_target(const TargetSettings& /*settings*/,
                                              const LogEndpoint& /*log*/) const {
  throw ConfigError(lacks());
}

const Backend& backend_of_log(const std::string& url) {
  return backend_of(url, &Backend::log_form);
}

const Backend& backend_of_target(const std::string& url) {
  return backend_of(url, &Backend::target_form);
}

}  // namespace querymark::cli
