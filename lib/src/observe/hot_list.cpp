#include "querymark/observe/hot_list.hpp"

#include <algorithm>
#include <functional>
#include <mutex>
#include <string_view>
#include <tuple>

namespace querymark {

void HotList::call(Called& spot, const Name& name) noexcept {
  spot.query = name.query;
  spot.size = static_cast<std::uint8_t>(std::min(name.bytes.size(), kLongestName));
  spot.encoded = name.encoded;
  spot.cut = name.bytes.size() > kLongestName;
  std::copy_n(name.bytes.begin(), spot.size, spot.bytes.begin());
}

void HotList::add(std::uint64_t id, const Name& name, std::uint64_t by) noexcept {
  if (!mutex_.try_lock()) return;
  const MutexLock lock(mutex_, std::adopt_lock);
  const SpaceSaving::Place place = counts_.add(id, by);
  if (place.taken) call(called_[place.number], name);
}

HotList::Called* HotList::find_nameless(std::uint64_t id) noexcept {
  const auto place = counts_.find(id);
  return place && called_[*place].size == 0 ? &called_[*place] : nullptr;
}

std::vector<HotList::Spot> HotList::top(std::size_t most) const {
  std::vector<Spot> spots;
  {
    const MutexLock lock(mutex_);
    for (std::size_t place = 0; place < counts_.size(); ++place) {
      const Called& called = called_[place];
      spots.push_back({.query = called.query,
                       .bytes = std::string(called.bytes.data(), called.size),
                       .encoded = called.encoded,
                       .cut = called.cut,
                       .count = counts_.count(place),
                       .error = counts_.error(place)});
    }
  }
  // What is sure counts: who came last has the count of the one whose place it took.
  std::ranges::sort(spots, std::ranges::greater(), [](const Spot& spot) {
    return std::tuple(spot.count - spot.error, spot.count, std::string_view(spot.bytes));
  });
  if (spots.size() > most)
    spots.erase(spots.begin() + static_cast<std::ptrdiff_t>(most), spots.end());
  return spots;
}

void HotList::clear() noexcept {
  const MutexLock lock(mutex_);
  counts_.clear();
}

}  // namespace querymark
