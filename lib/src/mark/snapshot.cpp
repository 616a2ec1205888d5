#include "querymark/mark/snapshot.hpp"

#include <algorithm>

namespace querymark {

Snapshot Snapshot::upto(Position last) {
  return {Position{last.value + 1}, Position{last.value + 1}, {}};
}

Snapshot::Snapshot(Position xmin, Position xmax, std::vector<Position> in_progress)
    : xmin_(xmin), xmax_(std::max(xmin, xmax)), in_progress_(std::move(in_progress)) {
  std::erase_if(in_progress_, [this](Position p) { return p < xmin_ || p >= xmax_; });
  std::sort(in_progress_.begin(), in_progress_.end());
}

bool Snapshot::covers(Position position) const noexcept {
  if (position < xmin_) return true;
  if (position >= xmax_) return false;
  return !std::binary_search(in_progress_.begin(), in_progress_.end(), position);
}

}  // namespace querymark
