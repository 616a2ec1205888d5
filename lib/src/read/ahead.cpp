#include "querymark/read/ahead.hpp"

#include <vector>

#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/refresh.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/error.hpp"
#include "read/served.hpp"

namespace querymark::detail {
namespace {

// What memory would serve of it, uncounted: nobody reads it.
EntryRef in_memory(Source& source, const ReadRequest& request) {
  const MonotonicTime now = source.cache().clock().coarse_now();
  std::vector<TargetId> required;
  if (!request.keyed_targets) {
    std::vector<Target> targets = request.options.tags;
    request.add_targets(targets);
    required = ids_of(targets);
  }
  EntryRef entry = source.find_old(request.call, required);
  return entry && served(source, *entry, request, now, required) ? std::move(entry) : EntryRef();
}

}  // namespace

void prefetch(Source& source, ReadRequest& request) {
  if (!request.options.cached || in_memory(source, request)) return;
  refresh_later(source, request);
}

ReadResult warm(Source& source, ReadRequest& request) {
  if (EntryRef entry = in_memory(source, request)) {
    ReadResult read;
    read.outcome = {.status = ReadStatus::hit,
                    .origin = Origin::memory,
                    .stored = Stored::already,
                    .age = entry->age(source.cache().clock().coarse_now())};
    read.entry = std::move(entry);
    return read;
  }
  request.only_tiers = true;
  return blocking_read(source, request);
}

void require_prefetch(const Source& source) {
  if (source.cache().options().offload == nullptr)
    throw ConfigError(
        "a prefetch loads in the background: give the cache an executor (CacheOptions::offload)");
}

void require_warm_up(const Source& source, const WarmUpOptions& options) {
  if (source.tiers().empty())
    throw ConfigError("a warm-up takes values from a shared tier: attach() one first");
  if (options.every == 0) throw ConfigError("a warm-up tells its progress after some calls, not 0");
}

void count(WarmUp& so_far, const ReadResult& read) {
  if (!read.entry)
    ++so_far.missing;
  else if (read.outcome.origin == Origin::memory)
    ++so_far.already;
  else
    ++so_far.found;
}

}  // namespace querymark::detail
