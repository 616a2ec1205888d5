#include "exit_code.hpp"

#include "querymark/support/error.hpp"

namespace querymark::cli {

ExitCode exit_code_of(const std::exception& failure) noexcept {
  if (dynamic_cast<const ConfigError*>(&failure) != nullptr) return kUsage;
  const auto* error = dynamic_cast<const Error*>(&failure);
  return error != nullptr && error->connection_lost() ? kUnreachable : kFailure;
}

}  // namespace querymark::cli
