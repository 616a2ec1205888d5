#pragma once  // For writers of tiers.

#include "querymark/observe/metric.hpp"

namespace querymark::detail {

/// Visits the fields that the stats of all shared tiers have, under these names: for their MetricsOf.
template <class Stats, class Visit>
void visit_tier(const Stats& stats, Visit& visit) {
  visit({"reads", "Names that were asked for."}, stats.reads);
  visit({"hits", "Values that were there."}, stats.hits);
  visit({"corrupt", "What was there and was no value of ours."}, stats.corrupt);
  visit({"failures", "Calls that failed."}, stats.failures);
  visit({"skipped", "Calls that were not even tried, after a failure a moment ago."},
        stats.skipped);
  visit({"stored", "Values that were kept."}, stats.stored);
}

/// These, and what the stats of tiers over a network have besides.
template <class Stats, class Visit>
void visit_server_tier(const Stats& stats, Visit& visit) {
  visit_tier(stats, visit);
  visit({"superseded", "Values that were not stored: there was a later one."}, stats.superseded);
  visit({"oversize", "Values that were too large."}, stats.oversize);
  visit({"connects", "Connections that were opened."}, stats.connects);
}

}  // namespace querymark::detail
