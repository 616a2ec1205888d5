#pragma once

#include <cstddef>
#include <string>

#include "querymark/support/error.hpp"

namespace querymark::postgres {

/// Throws ConfigError for more parameters than a statement can have: libpq refuses them as it refuses a
/// connection that is lost, and then nobody would know what became of a COMMIT that never left.
inline void require_sendable(std::size_t parameters) {
  constexpr std::size_t kMost = 65535;  // of the protocol
  if (parameters > kMost)
    throw ConfigError("a statement can have 65535 parameters at most, and this one has " +
                      std::to_string(parameters) + "; pass a list as one of them: id = any($1)");
}

}  // namespace querymark::postgres
