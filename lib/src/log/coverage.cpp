#include "querymark/log/coverage.hpp"

#include <algorithm>

namespace querymark {

Covered covered(const ConsumerCoverage& consumer, const Epoch& epoch, Position position) {
  // Behind the epoch: the flush that the new one begins with is yet to come.
  if (!consumer.cursor || consumer.cursor->epoch != epoch) return Covered::not_yet;
  if (!consumer.cursor->snapshot.covers(position)) return Covered::not_yet;
  if (consumer.flush_owed && *consumer.flush_owed >= position) return Covered::not_yet;
  bool ended = false;
  for (const CoverageGap& gap : consumer.gaps) {
    if (position < gap.first || position > gap.last) continue;
    if (!gap.ended) return Covered::not_yet;
    ended = true;
  }
  if (consumer.more_gaps) return Covered::not_yet;
  return ended ? Covered::never : Covered::yes;
}

}  // namespace querymark
