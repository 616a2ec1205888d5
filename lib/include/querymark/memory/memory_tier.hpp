#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/entry.hpp"
#include "querymark/support/store_status.hpp"

// For the read path alone; here because CacheCore holds it.

namespace querymark {

class EntryIndex;

/// Entries in this process, bounded by bytes.
///
/// Thread-safe. Finding takes no lock and writes to nothing that other threads read, except for the
/// first hits of an entry. Everything else takes the mutex of one shard. The sum of the charges of
/// all resident entries never exceeds the capacity, also while writers run; what evicted entries'
/// holders still use is not counted, nor are up to 256 evicted entries of each shard (and no more
/// than a 32nd of its bytes) that wait for readers to pass. The tier judges nothing: callers check
/// domain, expiry and marks of what they find.
///
/// Prefixes take their room from the same capacity: those of resident entries, of queries that are
/// prepared or under way, all that the table counts. Where they are many (SQL texts with values
/// written into them) entries are evicted until both fit.
///
/// Evicts by S3-FIFO (Yang and others, SOSP 2023), weighted by bytes: a scan passes through 7 %
/// of the room. Entries that are dead go first as they are met.
class MemoryTier {
 public:
  /// `capacity` in bytes.
  explicit MemoryTier(std::size_t capacity);
  MemoryTier(const MemoryTier&) = delete;
  MemoryTier& operator=(const MemoryTier&) = delete;
  ~MemoryTier();

  /// The entry of that key, or nothing. Lock-free; does not allocate, except once per thread.
  [[nodiscard]] EntryRef find(const KeyView& key, std::uint64_t hash) noexcept;
  /// The same, inlined into its caller: for who includes memory/search.hpp, which is not installed.
  [[nodiscard]] inline EntryRef search(const KeyView& key, std::uint64_t hash) noexcept;
  /// Has what searches for those keys will look at fetched, so that they need not wait for memory one
  /// after the other. For a few keys at a time. Changes nothing; lock-free.
  void prefetch(std::span<const CallKey> calls) const noexcept;
  /// Stores, replacing the key's entry unless that has a later stamp of the same domain and all the
  /// targets of the new one; evicts as needed.
  StoreStatus insert(EntryRef entry);
  /// Drops this very entry, if it is still resident. One that was in steady use is remembered, so
  /// that its successor need not prove itself.
  void erase(const Entry& entry) noexcept;
  /// Drops every resident entry for which `is_dead` answers true; returns how many. Takes one
  /// shard's lock at a time, and `is_dead` runs under it: it must not call the tier.
  std::size_t purge(const std::function<bool(const Entry&)>& is_dead);

  /// Changes the capacity; evicts at once what no longer fits.
  void set_capacity(std::size_t capacity);
  /// Whose prefixes count. Set before the first insert; must outlive the tier.
  void set_prefixes(const PrefixTable& prefixes) noexcept { prefixes_ = &prefixes; }
  /// Tells eviction which entries are dead, so that they go first. Set before the first insert.
  void set_dead_test(std::function<bool(const Entry&)> is_dead) { is_dead_ = std::move(is_dead); }

  [[nodiscard]] std::size_t capacity() const noexcept {
    return capacity_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::uint64_t evictions() const noexcept;
  /// The largest charge that an entry may have.
  [[nodiscard]] std::size_t largest() const noexcept;

 private:
  struct Shard;
  /// As many hits of an entry as eviction cares about.
  static constexpr std::uint8_t kMostVisits = 5;

  /// Low bits: the index takes the high ones.
  [[nodiscard]] std::size_t shard_number(std::uint32_t hash) const noexcept {
    return hash & shard_mask_;
  }
  [[nodiscard]] inline Shard& shard_of(std::uint32_t hash) const noexcept;
  /// A shard's part of the capacity, and what prefixes leave of it.
  [[nodiscard]] std::size_t shard_capacity() const noexcept;
  [[nodiscard]] std::size_t shard_room() const noexcept;
  [[nodiscard]] inline std::span<Shard> shards() const noexcept;
  void make_room(Shard& shard, std::size_t charge);
  void make_room_everywhere();
  void evict_from_small(Shard& shard);
  void evict_from_main(Shard& shard);
  [[nodiscard]] bool is_dead(const Entry& entry) const { return is_dead_ && is_dead_(entry); }

  std::atomic<std::size_t> capacity_;
  std::uint32_t shard_mask_;
  std::unique_ptr<EntryIndex[]> indexes_;  // one a shard
  std::unique_ptr<Shard[]> shards_;
  std::function<bool(const Entry&)> is_dead_;
  const PrefixTable* prefixes_ = nullptr;
  // Bytes of prefixes that go with entries which are retired and yet to be released.
  std::atomic<std::size_t> leaving_{0};
};

}  // namespace querymark
