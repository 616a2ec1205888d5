#include "querymark/log/log_claims.hpp"

#include "querymark/support/error.hpp"

namespace querymark {

void require_lease(std::chrono::milliseconds lease) {
  if (lease < std::chrono::milliseconds(0) || lease > kLongestLease)
    throw ConfigError(
        "a lease lasts at most " +
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kLongestLease).count()) +
        " s; renew it instead");
}

}  // namespace querymark
