#include "querymark/postgres/doorbell.hpp"

#include <algorithm>

#include "bell.hpp"
#include "log_connection.hpp"

// The waiter sleeps on the bell: on its event, and on the log's socket while nobody talks over it.
// How it shares the connection with those who do stands at the top of log_connection.cpp.

namespace querymark::postgres {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// Pauses before the connection is tried again: while others use it, and while a ring is held up.
constexpr std::chrono::milliseconds kBusy{1};
constexpr std::chrono::milliseconds kHeldUp{100};

}  // namespace

NotifyDoorbell::NotifyDoorbell(const Log& log, DoorbellOptions options)
    : log_(log.connection()), options_(options) {}

NotifyDoorbell::~NotifyDoorbell() = default;

std::string NotifyDoorbell::problem() const { return log_->bell().problem(); }

bool NotifyDoorbell::report_asked() { return log_->bell().take_report(); }

void NotifyDoorbell::interrupt() { log_->bell().interrupt(); }

void NotifyDoorbell::ring() noexcept { log_->bell().ring(); }

void NotifyDoorbell::wait(nanoseconds timeout) {
  Bell& bell = log_->bell();
  auto now = steady_clock::now();
  const auto deadline = now + timeout;
  for (bool heard = false, last = false;;) {
    if (bell.take_interrupt()) return;
    nanoseconds longest = options_.probe_interval;
    const auto rings_held = bell.rings_held(now);
    const bool rings = bell.is_to_ring() && rings_held.count() <= 0;
    if (heard || rings || now - attended_ > options_.probe_interval) {
      heard = !log_->attend(options_.probe_interval);
      if (heard)
        longest = kBusy;
      else if (rings && bell.is_to_ring())
        longest = kHeldUp;
      if (!heard) attended_ = now;
    } else if (bell.is_to_ring()) {
      longest = rings_held;
    }
    if (bell.take_rung() || last) return;
    now = steady_clock::now();
    last = now >= deadline;
    heard = bell.sleep(std::min<nanoseconds>(deadline - now, longest)) || heard;
  }
}

}  // namespace querymark::postgres
