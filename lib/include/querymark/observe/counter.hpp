#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace querymark {

/// A counter that many threads raise and few read: striped over cache lines by thread, so that two
/// threads rarely write one line. Thread-safe, wait-free; a read may miss increments in flight.
class StripedCounter {
 public:
  void add(std::uint64_t by = 1) noexcept {
    stripes_[stripe()].value.fetch_add(by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t get() const noexcept {
    std::uint64_t sum = 0;
    for (const Stripe& s : stripes_) sum += s.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t kStripes = 8;
  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> value{0};
  };
  static std::size_t stripe() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % kStripes;
    return mine;
  }
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace querymark
