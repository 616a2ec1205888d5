#include "backends/backend.hpp"

#include <array>

#include "backends/scheme.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

// SQLite last: it takes any file that is there.
std::array<const Backend*, 2> all() { return {&postgres_backend(), &sqlite_backend()}; }

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

const Backend& backend_of(const std::string& url, Form form) {
  for (const Backend* backend : all()) {
    if (!backend->accepts(url)) continue;
    if ((backend->*form)().empty()) throw ConfigError(backend->lacks());
    return *backend;
  }
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

TargetEndpoint Backend::open_target(const std::string& /*url*/,
                                    const std::string& /*namespace_name*/) const {
  throw ConfigError(lacks());
}

const Backend& backend_of_log(const std::string& url) {
  return backend_of(url, &Backend::log_form);
}

const Backend& backend_of_target(const std::string& url) {
  return backend_of(url, &Backend::target_form);
}

}  // namespace querymark::cli
