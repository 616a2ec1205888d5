#pragma once

#include <string>

namespace querymark::bench {

// What other processes do for `propagate`: this program, started with a hidden option.

/// Prints "ready", then for each invalidation of the probe, as soon as this process has applied it,
/// the monotonic clock in nanoseconds. Ends with its parent.
void watch_probe(const std::string& url);

/// Prints "ready", then writes through the library, from several threads, `rate` times a second in
/// all. Ends with its parent.
void write_beside(const std::string& url, unsigned rate);

}  // namespace querymark::bench
