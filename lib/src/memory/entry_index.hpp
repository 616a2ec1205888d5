#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "querymark/memory/entry.hpp"

namespace querymark {

/// The hash index of one shard. Readers take no lock; writers take turns (the shard's mutex).
/// See memory_tier.cpp for the protocol.
///
/// Open addressing over buckets of one cache line: seven words and a count of the entries that
/// found this bucket full and went on. A word is an entry's address (48 bits) and 16 bits of its
/// hash, so a bucket is searched without a look at the entries.
class EntryIndex {
 public:
  EntryIndex() = default;
  EntryIndex(const EntryIndex&) = delete;
  EntryIndex& operator=(const EntryIndex&) = delete;
  ~EntryIndex();

  /// The entry of that key, protected by `hazard`, or null with the hazard clear. Lock-free.
  [[nodiscard]] const Entry* find(const KeyView& key, std::uint32_t hash,
                                  Hazard& hazard) const noexcept;

  // --- writers
  /// The resident entry with the key of `like`, or null.
  [[nodiscard]] const Entry* find_like(const Entry& like) const noexcept;
  /// True when this very entry is resident.
  [[nodiscard]] bool holds(const Entry& entry) const noexcept { return word_of(entry) != nullptr; }
  /// Makes room for one more. Throws std::bad_alloc, and has then changed nothing.
  void reserve_one();
  /// Requires that `reserve_one` was called since the last insertion and the key is not resident.
  void insert(const Entry& entry) noexcept;
  /// Puts `entry` in the place of `old`, which has the same key.
  void replace(const Entry& old, const Entry& entry) noexcept;
  void erase(const Entry& entry) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::size_t kWords = 7;
  struct alignas(64) Bucket {
    Word words[kWords];
    std::atomic<std::uint64_t> went_on;
  };
  struct alignas(64) Table {
    std::size_t buckets;
    std::size_t mapped_bytes;

    [[nodiscard]] Bucket* begin() noexcept { return reinterpret_cast<Bucket*>(this + 1); }
    [[nodiscard]] Bucket* home(std::uint32_t hash) noexcept {
      return begin() + ((hash * std::uint64_t{buckets}) >> 32U);
    }
    [[nodiscard]] Bucket* after(Bucket* bucket) noexcept {
      return bucket + 1 == begin() + buckets ? begin() : bucket + 1;
    }
  };

  static constexpr std::uint64_t kAddress = Packed48::kMax;
  [[nodiscard]] static std::uint64_t tag_of(std::uint32_t hash) noexcept {
    return std::uint64_t{(hash * 0x85EBCA6BU) >> 16U} << 48U;
  }
  [[nodiscard]] static std::uint64_t word_for(const Entry& entry) noexcept {
    return reinterpret_cast<std::uintptr_t>(&entry) | tag_of(entry.hash());
  }
  [[nodiscard]] static const Entry* entry_in(std::uint64_t word) noexcept {
    return reinterpret_cast<const Entry*>(word & kAddress);
  }
  static Table* map_table(std::size_t buckets);
  [[nodiscard]] Word* word_of(const Entry& entry) const noexcept;
  static void put(Table& table, std::uint64_t word, std::uint32_t hash) noexcept;

  std::atomic<Table*> table_{nullptr};
  // Written by writers only: on another line than what readers load.
  alignas(64) std::size_t size_ = 0;
  std::size_t room_ = 0;  // entries that the table takes
  std::vector<Table*> old_;
};

inline const Entry* EntryIndex::find(const KeyView& key, std::uint32_t hash,
                                     Hazard& hazard) const noexcept {
  const std::uint64_t tag = tag_of(hash);
again:
  Table* const table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  Bucket* bucket = table->home(hash);
  for (std::size_t looked = 0; looked < table->buckets; ++looked, bucket = table->after(bucket)) {
    // All seven first, then the matches: where an entry lies can't be predicted, so a loop that
    // branches on each word would stumble once per hit.
    std::uint64_t words[kWords];
    unsigned matches = 0;
    for (std::size_t i = 0; i < kWords; ++i) {
      words[i] = bucket->words[i].load(std::memory_order_acquire);
      matches |= static_cast<unsigned>((words[i] ^ tag) - 1 < kAddress) << i;
    }
    for (; matches != 0; matches &= matches - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(matches));
      const Entry* const entry = entry_in(words[i]);
      // The lines that a hit touches, at once: header, parameters, value.
      __builtin_prefetch(entry);
      __builtin_prefetch(reinterpret_cast<const char*>(entry + 1));
      __builtin_prefetch(reinterpret_cast<const char*>(entry + 1) + key.parameters.size() + 32);
      set_hazard(hazard, entry);
      if (bucket->words[i].load() != words[i] || table_.load() != table) {
        clear_hazard(hazard);
        goto again;
      }
      if (entry->hash() == hash && entry->key() == key) return entry;
      clear_hazard(hazard);
    }
    if (bucket->went_on.load(std::memory_order_acquire) == 0) break;
  }
  // What was moved to a larger table meanwhile is there.
  if (table_.load(std::memory_order_acquire) != table) goto again;
  return nullptr;
}

}  // namespace querymark
