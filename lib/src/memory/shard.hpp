#pragma once

#include "admission.hpp"
#include "entry_index.hpp"
#include "entry_queue.hpp"
#include "ghosts.hpp"
#include "querymark/memory/memory_tier.hpp"
#include "querymark/observe/query_table.hpp"
#include "spin_mutex.hpp"

// One shard of the memory tier, as its writers see it. The protocol is at the top of
// memory_tier.cpp.

namespace querymark {

struct MemoryTier::Shard {
  static constexpr std::size_t kRetiredBatch = 256;

  EntryIndex* index = nullptr;  // the tier's: readers go to it without a look at the shard

  alignas(64) SpinMutex mutex;
  EntryQueue small QUERYMARK_GUARDED_BY(mutex){1};
  EntryQueue main QUERYMARK_GUARDED_BY(mutex){2};
  Ghosts ghosts QUERYMARK_GUARDED_BY(mutex);
  Admission admission QUERYMARK_GUARDED_BY(mutex);
  RetiredEntries retired QUERYMARK_GUARDED_BY(mutex);
  std::atomic<std::size_t>* leaving = nullptr;  // the tier's; its part of this shard is retired's
  std::uint64_t evictions QUERYMARK_GUARDED_BY(mutex) = 0;

  [[nodiscard]] std::size_t bytes() const noexcept QUERYMARK_REQUIRES(mutex) {
    return small.bytes() + main.bytes();
  }
  [[nodiscard]] bool empty() const noexcept QUERYMARK_REQUIRES(mutex) {
    return small.empty() && main.empty();
  }
  [[nodiscard]] EntryQueue& queue_of(const Entry& entry) noexcept QUERYMARK_REQUIRES(mutex) {
    return main.holds(entry) ? main : small;
  }
  void remove(const Entry& entry) noexcept QUERYMARK_REQUIRES(mutex) {
    const std::size_t charge = entry.charge();
    queue_of(entry).remove(entry, charge);
    index->erase(entry);
    retire(entry, charge);
  }
  void retire(const Entry& entry, std::size_t charge) noexcept QUERYMARK_REQUIRES(mutex) {
    const std::size_t before = retired.prefix_bytes();
    entry.key().prefix->record().went(charge);
    retired.add(entry, charge);
    leaving->fetch_add(retired.prefix_bytes() - before, std::memory_order_relaxed);
  }
  void remember(const Entry& entry) QUERYMARK_REQUIRES(mutex) {
    ghosts.add(entry.hash(), index->size() * 9 / 10);
  }
  [[nodiscard]] bool has_much_retired(std::size_t capacity) const noexcept
      QUERYMARK_REQUIRES(mutex) {
    return retired.size() >= kRetiredBatch ||
           retired.bytes() + retired.prefix_bytes() > capacity / 32;
  }
  // Frees what it can, without the lock; what readers protect comes back.
  void release_retired() noexcept QUERYMARK_REQUIRES(mutex) {
    RetiredEntries batch(std::move(retired));
    const std::size_t leave = batch.prefix_bytes();
    mutex.unlock();
    batch.release();
    // After they have gone: in between they count neither way.
    leaving->fetch_sub(leave - batch.prefix_bytes(), std::memory_order_relaxed);
    mutex.lock();
    retired.append(std::move(batch));
  }
};

inline MemoryTier::Shard& MemoryTier::shard_of(std::uint32_t hash) const noexcept {
  return shards_[shard_number(hash)];
}

inline std::span<MemoryTier::Shard> MemoryTier::shards() const noexcept {
  return {shards_.get(), std::size_t{shard_mask_} + 1};
}

}  // namespace querymark
