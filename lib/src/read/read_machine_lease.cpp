#include <algorithm>
#include <string>

#include "querymark/read/read_machine.hpp"
#include "querymark/support/random.hpp"
#include "read/read_machine_steps.hpp"

// One process's load for all that share a tier: the turns of lease_turn.hpp.

namespace querymark {

// Only who leads all callers of this process stands for it among the others; and who is inside
// another load waits for nobody. While a transaction that may yet commit invalidations of these
// targets keeps the horizon below them, nobody's value would be taken: then nobody is waited for.
bool ReadMachine::asks_for_lease() {
  using State = LeaseTurn::State;
  if (lease_.state == State::held || lease_.state == State::over) return false;
  if (lease_.state == State::unasked) {
    lease_.state = State::over;
    if (request_.options.lease.count() == 0 || !request_.leases || !request_.shareable ||
        !leader_ || caller_.leads)
      return false;
    const auto& tiers = source_.tiers();
    const auto grants =
        std::ranges::find_if(tiers, [](const auto& tier) { return tier->grants_leases(); });
    if (grants == tiers.end()) return false;
    lease_.tier = grants->get();
    lease_.token = std::to_string(random_u64()) + '-' + std::to_string(random_u64());
    lease_.until = detail::after(cache_.clock.coarse_now(), request_.options.lease);
    lease_.state = State::unasked;
  }
  if (source_.marks().judge(stamp_.shared, target_ids_.values()) &&
      (lease_.state == State::unasked || cache_.clock.coarse_now() < lease_.until))
    return true;
  lease_.state = State::over;
  return false;
}

ReadMachine::Action ReadMachine::resume_leased(LeaseAnswer answer) noexcept {
  return guarded([&]() -> Action {
    switch (answer) {
      case LeaseAnswer::granted:  // the one before may have stored the value since our look
        lease_.state = LeaseTurn::State::held;
        return resume_paused();
      case LeaseAnswer::taken:
        if (lease_.state == LeaseTurn::State::unasked) record_.counters.lease_waits.fetch_add(1);
        lease_.state = LeaseTurn::State::waiting;
        return Pause{lease_.next_pause()};
      case LeaseAnswer::failed:
        break;
    }
    lease_.state = LeaseTurn::State::over;
    return load();
  });
}

ReadMachine::Action ReadMachine::resume_paused() noexcept {
  return guarded([&] {
    const auto& tiers = source_.tiers();
    const auto at = std::ranges::find(tiers, lease_.tier, [](const auto& t) { return t.get(); });
    return poll_tier(static_cast<std::size_t>(at - tiers.begin()));
  });
}

ReadMachine::Action ReadMachine::resume_released() noexcept { return Done{}; }

}  // namespace querymark
