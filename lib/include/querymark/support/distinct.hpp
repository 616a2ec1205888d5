#pragma once  // For the library itself.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace querymark {

/// Values in the order of their addition, each once. Adding costs a constant number of comparisons,
/// however many there are: up to `kFew` by looking through them, which needs no memory, then by a
/// table of hashes. A value type; not thread-safe.
template <class T, class Hash = std::hash<T>, class Equal = std::equal_to<T>>
class Distinct {
 public:
  static constexpr std::size_t kFew = 16;
  static constexpr std::size_t kUsual = 4;  // room that is made at once

  Distinct() = default;

  /// Adds `value` unless an equal one is there; true if it was added. Strong guarantee.
  bool add(T value) {
    if (values_.size() < kFew) {
      if (std::ranges::any_of(values_, [&](const T& known) { return Equal()(known, value); }))
        return false;
      if (values_.empty()) values_.reserve(kUsual);
      values_.push_back(std::move(value));
      return true;
    }
    if (places_.empty()) index_all();
    const std::size_t hash = Hash()(value);
    const auto [first, last] = places_.equal_range(hash);
    for (auto at = first; at != last; ++at)
      if (Equal()(values_[at->second], value)) return false;
    const auto place = places_.emplace(hash, values_.size());
    try {
      values_.push_back(std::move(value));
    } catch (...) {  // as if nothing had happened
      places_.erase(place);
      throw;
    }
    return true;
  }

  [[nodiscard]] const std::vector<T>& values() const noexcept { return values_; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  [[nodiscard]] bool empty() const noexcept { return values_.empty(); }

 private:
  void index_all() {
    std::unordered_multimap<std::size_t, std::size_t> places;
    places.reserve(2 * kFew);
    for (std::size_t i = 0; i < values_.size(); ++i) places.emplace(Hash()(values_[i]), i);
    places_ = std::move(places);
  }

  std::vector<T> values_;
  std::unordered_multimap<std::size_t, std::size_t> places_;  // hash to place; empty while few
};

}  // namespace querymark
