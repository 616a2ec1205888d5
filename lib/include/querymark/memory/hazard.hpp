#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

// For entries alone; here because references to them are inlined into their users.

namespace querymark {

class Entry;

/// One protected pointer of one thread: see hazard.cpp.
using Hazard = std::atomic<const Entry*>;

namespace detail {

/// The hazards of one thread, on cache lines of their own. Only the owning thread sets them; any
/// thread may clear one that it was handed together with a reference.
struct alignas(128) HazardRecord {
  static constexpr std::size_t kHandles = 12;
  std::array<Hazard, kHandles> handles{};  ///< Held by references that readers were given.
  Hazard passing{};                        ///< Protects an entry while a reference is counted.
  std::atomic<HazardRecord*> next{nullptr};
  std::atomic<bool> taken{false};
};

extern thread_local constinit HazardRecord* this_thread_hazards;
[[nodiscard]] HazardRecord& take_hazard_record();

/// True while the kernel makes all threads of this process pass a barrier, so that readers need
/// none of their own. Set before main; false for good once a barrier has failed.
extern std::atomic<bool> process_barrier_works;
/// Makes all threads pass a barrier; false when the kernel refuses. Replaced by tests alone.
extern bool (*process_barrier)() noexcept;

/// True while an entry waits whose cache is gone: whoever clears a hazard then looks after it.
extern std::atomic<bool> orphans_waiting;
void sweep_orphans() noexcept;

}  // namespace detail

/// The calling thread's hazards.
[[nodiscard]] inline detail::HazardRecord& own_hazards() {
  if (detail::this_thread_hazards != nullptr) [[likely]]
    return *detail::this_thread_hazards;
  return detail::take_hazard_record();
}

/// Announces that `entry` is about to be used. Until the place where it was found is looked at
/// again, nothing is protected.
inline void set_hazard(Hazard& hazard, const Entry* entry) noexcept {
  if (detail::process_barrier_works.load(std::memory_order_relaxed)) [[likely]] {
    hazard.store(entry, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // for the compiler alone: see hazard.cpp
  } else {
    hazard.exchange(entry);
  }
}

/// Lets go of what `hazard` protects. Wait-free, unless a cache was destroyed under its readers.
inline void clear_hazard(Hazard& hazard) noexcept {
  hazard.store(nullptr, std::memory_order_release);
  if (detail::orphans_waiting.load(std::memory_order_relaxed)) [[unlikely]]
    detail::sweep_orphans();
}

/// All entries that some hazard protects now, sorted. What was taken out of the index before this
/// call and is not among them can't be protected any more. Nothing when that can't be told this
/// time: any of them may be. Linear in the threads that ever ran at once; costs microseconds.
[[nodiscard]] std::optional<std::vector<const Entry*>> protected_entries();

/// Takes over the index's references of entries that are still protected when their cache goes.
void adopt_orphans(std::span<const Entry* const> entries);

}  // namespace querymark
