#include "querymark/database/check_options.hpp"

#include <string>

#include "querymark/key/tracked.hpp"
#include "querymark/support/error.hpp"

namespace querymark::detail {

void require_some(std::size_t count, const char* option) {
  if (count == 0) throw ConfigError(std::string(option) + " must be at least 1");
}

void require_time(std::chrono::nanoseconds span, const char* option) {
  if (span.count() > 0) return;
  throw ConfigError(std::string(option) + " must be longer than zero, not " +
                    std::to_string(span.count()) + " ns");
}

void require_shared_options(std::string_view namespace_name, TimeSpan default_ttl, TimeSpan max_lag,
                            TimeSpan poll_interval) {
  if (namespace_name.empty())
    throw ConfigError("namespace_name can't be empty; leave it out for \"default\"");
  if (namespace_name == kTrackedNamespace)
    throw ConfigError(
        "namespace_name can't be *: what triggers report stands there, for all namespaces");
  not_negative(default_ttl, "default_ttl");
  require_time(max_lag, "max_lag");
  require_time(poll_interval, "poll_interval");
}

}  // namespace querymark::detail
