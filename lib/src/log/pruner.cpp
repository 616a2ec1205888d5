#include "querymark/log/pruner.hpp"

#include <algorithm>

#include "querymark/support/error.hpp"
#include "querymark/support/thread.hpp"

// A run: record (what is known now, for the retention of later runs) -> reap -> decide -> allow (from
// here on rows may be gone) -> remove, chunk by chunk. Killed anywhere, the next run, of whoever,
// goes on: what was allowed stays so. Nothing of it is needed for safety; see Pruning.

namespace querymark {
namespace {

using std::chrono::milliseconds;

// The newest that is older than the retention.
std::optional<Snapshot> old_enough(const LogExtent& log, std::chrono::nanoseconds retention) {
  if (retention.count() == 0) return log.now;
  std::optional<Snapshot> found;
  for (const RecordedSnapshot& recorded : log.recorded)
    if (recorded.age >= retention) found = recorded.snapshot;
  return found;
}

}  // namespace

PrunePlan plan_pruning(const LogExtent& log, const PrunerOptions& options) {
  PrunePlan plan;
  plan.over_bound = options.most_rows > 0 && log.rows > options.most_rows;
  auto upto = plan.over_bound ? log.now : old_enough(log, options.retention);
  if (!upto) return plan;
  if (!plan.over_bound) {
    const Snapshot wanted = *upto;
    for (const LogHolder& holder : log.holders) {
      // Of another epoch: it starts with a flush, as if it were new.
      if (!holder.cursor || holder.cursor->epoch != log.epoch) continue;
      const Snapshot& cursor = holder.cursor->snapshot;
      // Nor does one hold anything that what is gone already lets start anew.
      if (cursor.contains(wanted) || !cursor.contains(log.pruned)) continue;
      if (!plan.held_by || cursor.limit() < plan.held_by->cursor->snapshot.limit())
        plan.held_by = holder;
      *upto = upto->intersected(cursor);
    }
  }
  if (!log.pruned.contains(*upto)) plan.upto = std::move(upto);
  return plan;
}

Pruner::Pruner(Pruning& log, Subscribers& subscribers, PrunerOptions options)
    : log_(log), options_(std::move(options)), reaper_(subscribers, *options_.clock) {
  detail::not_negative(options_.retention, "retention");
  if (options_.chunk == 0) throw ConfigError("a chunk of 0 removes nothing");
  if (options_.interval.count() == 0) throw ConfigError("a pruner's interval can't be zero");
}

PruneRound Pruner::run_once(const std::stop_token& stop) {
  PruneRound round;
  log_.record_snapshot(options_.interval, std::chrono::ceil<milliseconds>(options_.retention));
  static_cast<void>(reaper_.look());
  const LogExtent extent = log_.extent();
  round.plan = plan_pruning(extent, options_);
  const auto keep = std::chrono::ceil<milliseconds>(options_.retention);
  for (std::size_t gone = options_.chunk; gone == options_.chunk && !stop.stop_requested();
       round.deliveries += gone)
    gone = log_.remove_deliveries(keep, options_.chunk);
  // Of another epoch by now: the next run decides anew.
  if (round.plan.upto && !log_.allow(extent.epoch, *round.plan.upto)) return round;
  do {
    const MonotonicTime began = options_.clock->now();
    const Removed removed = log_.remove(options_.chunk);
    round.removed += removed.rows;
    round.busy = removed.busy;
    round.more = removed.more;
    if (round.more)
      sleep_unless_stopped(std::min<std::chrono::nanoseconds>(options_.clock->now() - began,
                                                              std::chrono::seconds(1)),
                           stop);
  } while (round.more && !round.busy && !stop.stop_requested());
  return round;
}

void Pruner::tell(const PruneRound& round, std::string_view error) const noexcept {
  if (!options_.on_round) return;
  try {
    options_.on_round(round, error);
  } catch (...) {  // whatever it is: who only looks on stops no work
  }
}

void Pruner::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    try {
      tell(run_once(stop), {});
    } catch (const std::exception& failure) {
      tell({}, failure.what());
    }
    sleep_unless_stopped(options_.interval, stop);
  }
}

}  // namespace querymark
