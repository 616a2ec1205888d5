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

/// Counters, up to eight, that many threads raise and few read: striped over cache lines by thread. A
/// stripe has one thread at a time, which so needs no locked instruction; threads beyond the
/// fifteenth share one. Thread-safe, wait-free; a read may miss increments in flight.
template <std::size_t N>
class StripedCounters {
  static_assert(N >= 1 && N <= 8);

 public:
  /// Returns what the thread's stripe has then.
  template <std::size_t I = 0>
  std::uint64_t add(std::uint64_t by = 1) noexcept {
    const std::size_t mine = detail::this_thread_stripe;
    if (mine < detail::kOwnStripes) [[likely]]
      return raise(stripes_[mine].values[I], by);
    return add_shared(stripes_, I, by);
  }
  template <std::size_t I = 0>
  [[nodiscard]] std::uint64_t get() const noexcept {
    std::uint64_t sum = 0;
    for (const Stripe& s : stripes_) sum += s.values[I].load(std::memory_order_relaxed);
    return sum;
  }

 private:
  struct alignas(64) Stripe {
    std::array<std::atomic<std::uint64_t>, N> values{};
  };
  using Stripes = std::array<Stripe, detail::kOwnStripes + 1>;

  static std::uint64_t raise(std::atomic<std::uint64_t>& own, std::uint64_t by) noexcept {
    const std::uint64_t sum = own.load(std::memory_order_relaxed) + by;
    own.store(sum, std::memory_order_relaxed);
    return sum;
  }
  /// For a thread's first count, and for threads that have no stripe of their own.
  [[gnu::cold, gnu::noinline]] static std::uint64_t add_shared(Stripes& stripes, std::size_t which,
                                                               std::uint64_t by) noexcept {
    std::size_t mine = detail::this_thread_stripe;
    if (mine == detail::kNoStripe) mine = detail::take_stripe();
    if (mine < detail::kOwnStripes) return raise(stripes[mine].values[which], by);
    return stripes[mine].values[which].fetch_add(by, std::memory_order_relaxed) + by;
  }

  Stripes stripes_;
};

/// One of them.
using StripedCounter = StripedCounters<1>;

}  // namespace querymark
