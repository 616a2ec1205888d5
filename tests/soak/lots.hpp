#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace querymark::test::soak {

/// What is drawn by lot, the same for the same seed.
class Lots {
 public:
  explicit Lots(std::uint64_t seed) : engine_(seed) {}

  /// A number below `bound`; requires bound > 0.
  [[nodiscard]] std::int64_t below(std::int64_t bound) {
    return std::uniform_int_distribution<std::int64_t>(0, bound - 1)(engine_);
  }
  [[nodiscard]] bool one_in(std::int64_t count) { return below(count) == 0; }
  /// One of `things`, which has some.
  template <class Things>
  [[nodiscard]] auto& one_of(Things&& things) {
    return things[static_cast<std::size_t>(below(static_cast<std::int64_t>(things.size())))];
  }
  template <class Things>
  void shuffle(Things& things) {
    std::shuffle(things.begin(), things.end(), engine_);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace querymark::test::soak
