#include "querymark/observe/read_counters.hpp"

#include <iterator>

namespace querymark {
namespace {

struct Counted {
  ReadCounters::Count ReadCounters::* count;
  std::uint64_t ReadStats::* stat;
};
constexpr Counted kFields[] = {
    {&ReadCounters::shared_hits, &ReadStats::shared_hits},
    {&ReadCounters::misses, &ReadStats::misses},
    {&ReadCounters::joined, &ReadStats::joined},
    {&ReadCounters::bypassed, &ReadStats::bypassed},
    {&ReadCounters::stale, &ReadStats::stale},
    {&ReadCounters::outdated, &ReadStats::outdated},
    {&ReadCounters::refreshes, &ReadStats::refreshes},
    {&ReadCounters::refreshes_refused, &ReadStats::refreshes_refused},
    {&ReadCounters::loads_queued, &ReadStats::loads_queued},
    {&ReadCounters::loads_refused, &ReadStats::loads_refused},
    {&ReadCounters::load_failures, &ReadStats::load_failures},
    {&ReadCounters::untagged, &ReadStats::untagged},
    {&ReadCounters::expired, &ReadStats::expired},
    {&ReadCounters::invalidated, &ReadStats::invalidated},
    {&ReadCounters::targets_differed, &ReadStats::targets_differed},
    {&ReadCounters::shared_stale, &ReadStats::shared_stale},
    {&ReadCounters::replica_stale, &ReadStats::replica_stale},
    {&ReadCounters::lease_waits, &ReadStats::lease_waits},
    {&ReadCounters::stored, &ReadStats::stored},
    {&ReadCounters::oversize, &ReadStats::oversize},
    {&ReadCounters::superseded, &ReadStats::superseded},
    {&ReadCounters::late_fills, &ReadStats::late_fills},
    {&ReadCounters::not_covered, &ReadStats::not_covered},
    {&ReadCounters::disabled, &ReadStats::disabled},
    {&ReadCounters::lagging, &ReadStats::lagging},
    {&ReadCounters::in_transaction, &ReadStats::in_transaction},
    {&ReadCounters::reentrant, &ReadStats::reentrant},
    {&ReadCounters::too_many_targets, &ReadStats::too_many_targets},
    {&ReadCounters::uncacheable, &ReadStats::uncacheable},
    {&ReadCounters::unwanted, &ReadStats::unwanted},
    {&ReadCounters::unproven, &ReadStats::unproven},
    {&ReadCounters::unverified, &ReadStats::unverified},
    {&ReadCounters::audits_agreed, &ReadStats::audits_agreed},
    {&ReadCounters::audits_excused, &ReadStats::audits_excused},
    {&ReadCounters::audits_wrong, &ReadStats::audits_wrong},
    {&ReadCounters::audits_incomparable, &ReadStats::audits_incomparable},
    {&ReadCounters::declined, &ReadStats::declined},
};
// All but the two that are striped.
static_assert(sizeof(ReadStats) == (std::size(kFields) + 2) * sizeof(std::uint64_t));

}  // namespace

void ReadCounters::add_to(ReadStats& stats) const noexcept {
  stats.hits += in_memory.get<0>();
  stats.degraded += in_memory.get<1>();
  for (const Counted& field : kFields)
    stats.*field.stat += (this->*field.count).load(std::memory_order_relaxed);
}

}  // namespace querymark
