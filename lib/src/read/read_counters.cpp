#include "querymark/read/read_counters.hpp"

namespace querymark {

void ReadCounters::copy_to(CacheStats& stats) const {
  stats.hits = hits.get();
  stats.degraded = degraded.get();
  stats.shared_hits = shared_hits.load();
  stats.misses = misses.load();
  stats.joined = joined.load();
  stats.bypassed = bypassed.load();
  stats.stale = stale.load();
  stats.outdated = outdated.load();
  stats.refreshes = refreshes.load();
  stats.refreshes_refused = refreshes_refused.load();
  stats.loads_queued = loads_queued.load();
  stats.loads_refused = loads_refused.load();
  stats.unwanted = unwanted.load();
  stats.declined = declined.load();
  stats.load_failures = load_failures.load();
  stats.untagged = untagged.load();
  stats.expired = expired.load();
  stats.invalidated = invalidated.load();
  stats.targets_differed = targets_differed.load();
  stats.shared_stale = shared_stale.load();
  stats.replica_stale = replica_stale.load();
  stats.lease_waits = lease_waits.load();
  stats.stored = stored.load();
  stats.oversize = oversize.load();
  stats.late_fills = late_fills.load();
}

}  // namespace querymark
