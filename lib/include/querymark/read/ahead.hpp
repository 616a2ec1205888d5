#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

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
  /// At least one. No more calls than that go to a tier together, and never more than 500.
  std::size_t every = 100;
  std::stop_token stop{};  ///< Asked before calls go to the tiers.
};

namespace detail {

/// Has the executor load what memory can't serve of the request. Does not block, but for a copy of it.
void prefetch(Source& source, ReadRequest& request);
/// Whether memory would serve the call, which must carry `required`. Nobody's read is counted.
[[nodiscard]] bool is_in_memory(Source& source, const CallKey& call, const ReadOptions& options,
                                std::span<const TargetId> required);
/// Throws ConfigError where there is no executor.
void require_prefetch(const Source& source);
/// Throws ConfigError where there is no tier to warm up from, and for options that make no sense.
void require_warm_up(const Source& source, const WarmUpOptions& options);

/// Requests on their own feet, all of one query.
using OwnRequests = std::vector<std::unique_ptr<ReadRequest>>;
/// So many calls go to the shared tiers, or to the database, together at most.
inline constexpr std::size_t kTogether = 500;

/// Has the executor load them: by one read of each shared tier, and, where that can be, by one statement.
/// Does not block.
void prefetch_together(Source& source, OwnRequests requests);
/// Takes what shared tiers have of them into memory, and counts what has come of each. Blocks for one read
/// of each tier.
void warm_together(Source& source, const OwnRequests& requests, WarmUp& so_far);
/// Counts a call that nobody could look for.
void count_failed(WarmUp& so_far, const std::exception_ptr& error);

/// Has `look(n)` look for the next n of `wanted` calls, and count them, until that has been done for all.
template <class Look>
[[nodiscard]] WarmUp warm_each(std::size_t wanted, const WarmUpOptions& options, Look&& look) {
  WarmUp so_far{.wanted = wanted};
  while (so_far.looked < wanted) {
    if (options.stop.stop_requested()) {
      so_far.stopped = true;
      break;
    }
    const std::size_t untold = options.every - so_far.looked % options.every;
    const std::size_t next = std::min({wanted - so_far.looked, untold, kTogether});
    look(so_far, next);
    so_far.looked += next;
    const bool tells = so_far.looked % options.every == 0 && so_far.looked < wanted;
    if (tells && options.progress) options.progress(so_far);
  }
  if (options.progress) options.progress(so_far);
  return so_far;
}

}  // namespace detail
}  // namespace querymark
