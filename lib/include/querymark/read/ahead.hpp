#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <stop_token>
#include <string>

#include "querymark/read/read_request.hpp"

// For users: how far a warm-up is. For nobody outside: the rest.

namespace querymark {

class Source;

/// How far a warm-up has come: see Prepared::warm_up. A plain value.
struct WarmUp {
  std::size_t wanted = 0;   ///< Calls that it was given.
  std::size_t looked = 0;   ///< Those that it has looked for; the next four add up to it.
  std::size_t already = 0;  ///< Memory had them.
  std::size_t found = 0;    ///< A shared tier had them.
  std::size_t missing = 0;  ///< Nobody had them who could be asked, or what was there is not fresh.
  std::size_t failed = 0;   ///< Nobody could look, such as for a tagger that throws.
  std::string error{};      ///< Of the first of those.
  bool stopped = false;     ///< It was asked to stop before it had looked for all.
};

struct WarmUpOptions {
  /// Told how far it is, on the calling thread: after each `every` calls, and at the end. What it throws
  /// ends the warm-up.
  std::function<void(const WarmUp&)> progress{};
  std::size_t every = 100;  ///< At least one.
  std::stop_token stop{};   ///< Asked before each call.
};

namespace detail {

/// Has the executor load what memory can't serve of the request. Does not block, but for a copy of it.
void prefetch(Source& source, ReadRequest& request);
/// The request's value from memory or from a shared tier, and memory has it then; nothing where they lack
/// it. Blocks for reads of tiers.
[[nodiscard]] ReadResult warm(Source& source, ReadRequest& request);
/// Throws ConfigError where there is no executor.
void require_prefetch(const Source& source);
/// Throws ConfigError where there is no tier to warm up from, and for options that make no sense.
void require_warm_up(const Source& source, const WarmUpOptions& options);
/// Counts what has come of a call, or of none.
void count(WarmUp& so_far, const ReadResult& read);

/// Calls `look()` once for each of `wanted` calls.
template <class Look>
[[nodiscard]] WarmUp warm_each(std::size_t wanted, const WarmUpOptions& options, Look&& look) {
  WarmUp so_far{.wanted = wanted};
  while (so_far.looked < wanted) {
    if (options.stop.stop_requested()) {
      so_far.stopped = true;
      break;
    }
    try {
      count(so_far, look());
    } catch (const std::exception& failure) {
      if (so_far.failed++ == 0) so_far.error = failure.what();
    }
    ++so_far.looked;
    const bool tells = so_far.looked % options.every == 0 && so_far.looked < wanted;
    if (tells && options.progress) options.progress(so_far);
  }
  if (options.progress) options.progress(so_far);
  return so_far;
}

}  // namespace detail
}  // namespace querymark
