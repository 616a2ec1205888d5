#pragma once  // For the library itself.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace querymark {

namespace detail {

/// The calling thread's stripe: its own among the first `kOwnStripes` threads that run at once, the
/// shared one (`kOwnStripes`) otherwise.
inline constexpr std::size_t kOwnStripes = 15;
inline constexpr std::size_t kNoStripe = kOwnStripes + 1;
extern thread_local constinit std::size_t this_thread_stripe;
[[nodiscard]] std::size_t take_stripe() noexcept;

}  // namespace detail

/// A counter that many threads raise and few read: striped over cache lines by thread. A stripe has
/// one thread at a time, which so needs no locked instruction; threads beyond the fifteenth share
/// one. Thread-safe, wait-free; a read may miss increments in flight.
class StripedCounter {
 public:
  void add(std::uint64_t by = 1) noexcept {
    if (detail::this_thread_stripe < detail::kOwnStripes) [[likely]]
      raise(stripes_[detail::this_thread_stripe].value, by);
    else
      add_shared(by);
  }
  [[nodiscard]] std::uint64_t get() const noexcept {
    std::uint64_t sum = 0;
    for (const Stripe& s : stripes_) sum += s.value.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static void raise(std::atomic<std::uint64_t>& own, std::uint64_t by) noexcept {
    own.store(own.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  /// For a thread's first count, and for threads that have no stripe of their own.
  [[gnu::cold]] void add_shared(std::uint64_t by) noexcept;

  struct alignas(64) Stripe {
    std::atomic<std::uint64_t> value{0};
  };
  std::array<Stripe, detail::kOwnStripes + 1> stripes_;
};

}  // namespace querymark
