#include "querymark/observe/counter.hpp"

// A stripe is taken by exchange (acquire) and given back by a store (release): what its last owner
// counted happens before what the next one reads to add to.

namespace querymark::detail {

thread_local constinit std::size_t this_thread_stripe = kNoStripe;

namespace {

std::array<std::atomic<bool>, kOwnStripes> taken{};

// A destructor that runs later in the same thread counts in the shared stripe.
struct StripeReturn {
  std::size_t mine = kOwnStripes;
  ~StripeReturn() {
    this_thread_stripe = kOwnStripes;
    if (mine < kOwnStripes) taken[mine].store(false, std::memory_order_release);
  }
};

}  // namespace

std::size_t take_stripe() noexcept {
  thread_local StripeReturn give_back;  // NOLINT(misc-use-internal-linkage): a local
  for (std::size_t i = 0; i < kOwnStripes && give_back.mine == kOwnStripes; ++i)
    if (!taken[i].exchange(true, std::memory_order_acquire)) give_back.mine = i;
  this_thread_stripe = give_back.mine;
  return give_back.mine;
}

}  // namespace querymark::detail
