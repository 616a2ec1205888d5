#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "querymark/memory/entry.hpp"
#include "querymark/support/store_status.hpp"

namespace querymark {

/// Entries in this process, bounded by bytes.
///
/// Thread-safe. Sharded: an operation takes the mutex of one shard. The sum of the charges of all
/// resident entries never exceeds the capacity, also while writers run; what evicted entries'
/// holders still use is not counted. The tier judges nothing: callers check domain, expiry and
/// marks of what they find.
class MemoryTier {
 public:
  /// `capacity` in bytes.
  explicit MemoryTier(std::size_t capacity);
  MemoryTier(const MemoryTier&) = delete;
  MemoryTier& operator=(const MemoryTier&) = delete;
  ~MemoryTier();

  /// The entry of that key, or nothing. Does not allocate.
  [[nodiscard]] EntryRef find(const KeyView& key, std::uint64_t hash) noexcept;
  /// Stores, replacing the key's entry unless that has a later stamp of the same domain and all the
  /// targets of the new one; evicts as needed.
  StoreStatus insert(EntryRef entry);
  /// Drops this very entry, if it is still resident.
  void erase(const Entry& entry) noexcept;
  /// Drops every resident entry for which `is_dead` answers true; returns how many. Takes one
  /// shard's lock at a time, and `is_dead` runs under it: it must not call the tier.
  std::size_t purge(const std::function<bool(const Entry&)>& is_dead);

  /// Changes the capacity; evicts at once what no longer fits.
  void set_capacity(std::size_t capacity);
  /// Tells eviction which entries are dead, so that they go first. Set before the first insert.
  void set_dead_test(std::function<bool(const Entry&)> is_dead) { is_dead_ = std::move(is_dead); }

  [[nodiscard]] std::size_t capacity() const noexcept {
    return capacity_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::uint64_t evictions() const noexcept {
    return evictions_.load(std::memory_order_relaxed);
  }
  /// The largest charge that an entry may have.
  [[nodiscard]] std::size_t largest() const noexcept;

 private:
  struct Shard;
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const noexcept;
  [[nodiscard]] std::size_t shard_capacity() const noexcept;
  void make_room(Shard& shard, std::size_t capacity, std::vector<EntryRef>& evicted);

  std::atomic<std::size_t> capacity_;
  std::atomic<std::uint64_t> evictions_{0};
  std::vector<std::unique_ptr<Shard>> shards_;
  std::function<bool(const Entry&)> is_dead_;
};

}  // namespace querymark
