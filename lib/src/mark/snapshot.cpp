#include "querymark/mark/snapshot.hpp"

#include <algorithm>

namespace querymark {

Snapshot Snapshot::upto(Position last) {
  return {Position{last.value + 1}, Position{last.value + 1}, {}};
}

Snapshot::Snapshot(Position xmin, Position xmax, std::vector<Position> in_progress)
    : xmin_(xmin), xmax_(std::max(xmin, xmax)), in_progress_(std::move(in_progress)) {
  std::erase_if(in_progress_, [this](Position p) { return p < xmin_ || p >= xmax_; });
  std::ranges::sort(in_progress_);
  const auto repeated = std::ranges::unique(in_progress_);
  in_progress_.erase(repeated.begin(), repeated.end());
}

bool Snapshot::covers(Position position) const noexcept {
  if (position < xmin_) return true;
  if (position >= xmax_) return false;
  return !std::ranges::binary_search(in_progress_, position);
}

// What this one does not cover is its list and all from its xmax on; the other may cover none of
// it.
bool Snapshot::contains(const Snapshot& other) const noexcept {
  if (std::ranges::any_of(in_progress_, [&](Position p) { return other.covers(p); })) return false;
  if (other.xmax_ <= xmax_) return true;
  if (other.xmin_ > xmax_) return false;
  const auto from = std::ranges::lower_bound(other.in_progress_, xmax_);
  return static_cast<std::uint64_t>(other.in_progress_.end() - from) ==
         other.xmax_.value - xmax_.value;
}

Snapshot Snapshot::intersected(const Snapshot& other) const {
  const Position end = std::min(xmax_, other.xmax_);
  std::vector<Position> unknown;
  for (const Snapshot* each : {this, &other})
    for (const Position p : each->in_progress_)
      if (p < end) unknown.push_back(p);
  const Position begin = unknown.empty() ? end : *std::ranges::min_element(unknown);
  return {begin, end, std::move(unknown)};
}

Snapshot Snapshot::cut(const Snapshot& upto, Position last) const {
  if (last < xmin_) return *this;
  // Beyond both this snapshot and `last` nothing is known; `upto` itself ends where it ends.
  const Position end = std::max(xmax_, last < upto.xmax_ ? Position{last.value + 1} : upto.xmax_);
  std::vector<Position> unknown;
  for (const Position p : in_progress_)
    if (p > last || !upto.covers(p)) unknown.push_back(p);
  for (const Position p : upto.in_progress_)
    if (p >= xmax_ && p < end) unknown.push_back(p);
  const Position begin = unknown.empty() ? end : *std::ranges::min_element(unknown);
  return {begin, end, std::move(unknown)};
}

}  // namespace querymark
