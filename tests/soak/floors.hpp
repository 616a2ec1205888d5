#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "soak/shop.hpp"

namespace querymark::test::soak {

/// Raises `number` to `to`, unless it is there already.
inline void raise_to(std::atomic<std::int64_t>& number, std::int64_t to) {
  std::int64_t now = number.load();
  while (now < to && !number.compare_exchange_weak(now, to)) {
  }
}

/// Below what no row's value is any more. Lives in shared memory, too: zeros are one.
class Floors {
 public:
  void raise(Table table, std::int64_t id, std::int64_t to) { raise_to(at(table, id), to); }
  [[nodiscard]] std::int64_t of(Table table, std::int64_t id) const { return at(table, id).load(); }
  /// Each value grows for itself, so the sum of what each is at least is what the sum is at least.
  [[nodiscard]] std::int64_t of_group(Table table, std::int64_t group) const {
    std::int64_t sum = 0;
    for (std::int64_t id = group; id < kIds; id += kGroups) sum += of(table, id);
    return sum;
  }

 private:
  static_assert(std::atomic<std::int64_t>::is_always_lock_free);  // it is shared by processes
  [[nodiscard]] std::atomic<std::int64_t>& at(Table table, std::int64_t id) {
    return floors_[static_cast<std::size_t>(table)][static_cast<std::size_t>(id)];
  }
  [[nodiscard]] const std::atomic<std::int64_t>& at(Table table, std::int64_t id) const {
    return floors_[static_cast<std::size_t>(table)][static_cast<std::size_t>(id)];
  }
  std::array<std::array<std::atomic<std::int64_t>, kIds>, kTables> floors_{};
};

}  // namespace querymark::test::soak
