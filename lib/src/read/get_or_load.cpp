#include "querymark/read/get_or_load.hpp"

#include "querymark/support/error.hpp"

namespace querymark::detail {

void require_sensible_value(const ReadOptions& options) {
  if (!options.row_tags.empty())
    throw ConfigError("a value of get_or_load has no rows to be tagged by");
  if (options.policy.decides_about_rows() || !options.policy.cache_if.empty())
    throw ConfigError(
        "a value of get_or_load has no rows and no parameters for a policy to look at");
  require_sensible(options);
  if (options.policy.in_background())
    throw ConfigError(
        "a value of get_or_load is not loaded in the background: its loader may be gone");
}

}  // namespace querymark::detail
