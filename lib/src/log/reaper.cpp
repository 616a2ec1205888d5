#include "querymark/log/reaper.hpp"

namespace querymark {

std::vector<SubscriberRow> Reaper::look() {
  std::vector<SubscriberRow> living;
  std::map<SubscriberId, Seen> seen;
  for (SubscriberRow& row : subscribers_.subscribers()) {
    const MonotonicTime now = clock_.now();  // after the look: a beat seen late counts as of then
    const auto before = seen_.find(row.entry.id);
    const bool stands_still = before != seen_.end() && before->second.beat == row.beat;
    const MonotonicTime since = stands_still ? before->second.since : now;
    // Who has beaten since the look lives, and is looked at anew.
    if (now - since > row.entry.lease && subscribers_.reap(row.entry.id, row.beat)) continue;
    seen[row.entry.id] = {row.beat, since};
    living.push_back(std::move(row));
  }
  seen_ = std::move(seen);
  return living;
}

}  // namespace querymark
