#include "querymark/observe/space_saving.hpp"

#include <algorithm>

namespace querymark {

std::optional<std::size_t> SpaceSaving::find(std::uint64_t id) const noexcept {
  const auto used = ids_.begin() + static_cast<std::ptrdiff_t>(size_);
  const auto at = std::find(ids_.begin(), used, id);
  if (at == used) return std::nullopt;
  return static_cast<std::size_t>(at - ids_.begin());
}

SpaceSaving::Place SpaceSaving::add(std::uint64_t id, std::uint64_t by) noexcept {
  if (const auto known = find(id)) {
    counts_[*known] += by;
    return {*known, false};
  }
  std::size_t place = size_;
  std::uint64_t error = 0;
  if (size_ < kPlaces) {
    ++size_;
  } else {
    place = static_cast<std::size_t>(std::ranges::min_element(counts_) - counts_.begin());
    error = counts_[place];
  }
  ids_[place] = id;
  counts_[place] = error + by;
  errors_[place] = error;
  return {place, true};
}

}  // namespace querymark
