#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "querymark/support/time_span.hpp"

// For those who write a Backend.

namespace querymark::detail {

// Each throws ConfigError, which names the option and what is allowed.

/// At least one.
void require_some(std::size_t count, const char* option);
/// Longer than zero.
void require_time(std::chrono::nanoseconds span, const char* option);

/// The options that all databases share.
void require_shared_options(std::string_view namespace_name, TimeSpan default_ttl, TimeSpan max_lag,
                            TimeSpan poll_interval);
template <class Options>
void require_shared_options(const Options& options) {
  require_shared_options(options.namespace_name, options.default_ttl, options.max_lag,
                         options.poll_interval);
}

}  // namespace querymark::detail
