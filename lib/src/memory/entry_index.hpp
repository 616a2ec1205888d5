#pragma once

#include <array>
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
/// Open addressing over buckets of one cache line: seven slots, each an entry's address (48 bits)
/// and 16 bits of its hash, and one word of summary: eight more bits of each slot's hash, and a
/// count of the entries that found this bucket full and went on. So one word tells which slots are
/// worth a look, and the slot whether the entry is.
class EntryIndex {
 public:
  EntryIndex() = default;
  EntryIndex(const EntryIndex&) = delete;
  EntryIndex& operator=(const EntryIndex&) = delete;
  ~EntryIndex();

  /// The entry of that key, protected by `hazard`, or null with the hazard clear. Lock-free.
  [[nodiscard]] const Entry* find(const KeyView& key, std::uint32_t hash,
                                  Hazard& hazard) const noexcept;

  /// Asks the processor for the bucket where a search for that hash begins; then, when that has come,
  /// for the entry that the search would look at. Hints: nothing is read of an entry, which may be
  /// gone.
  void prefetch_home(std::uint32_t hash) const noexcept;
  void prefetch_entry(const KeyView& key, std::uint32_t hash) const noexcept;

  // --- writers
  /// The resident entry with the key of `like`, or null.
  [[nodiscard]] const Entry* find_like(const Entry& like) const noexcept;
  /// True when this very entry is resident.
  [[nodiscard]] bool holds(const Entry& entry) const noexcept { return slot_of(entry).found(); }
  /// Makes room for one more. Throws std::bad_alloc, and has then changed nothing.
  void reserve_one();
  /// Requires that `reserve_one` was called since the last insertion and the key is not resident.
  void insert(const Entry& entry) noexcept;
  /// Puts `entry` in the place of `old`, which is resident and has the same key.
  void replace(const Entry& old, const Entry& entry) noexcept;
  /// Requires that `entry` is resident.
  void erase(const Entry& entry) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::size_t kSlots = 7;
  static constexpr std::uint64_t kEachByte = 0x0101'0101'0101'0101;
  static constexpr std::uint64_t kSlotBytes = 0x00FF'FFFF'FFFF'FFFF;
  static constexpr std::uint64_t kAddress = Packed48::kMax;

  struct alignas(64) Bucket {
    Word summary;  // byte i: of slot i, zero when empty; byte 7: went on
    std::array<Word, kSlots> slots;
  };
  /// Pages of their own and how many buckets they are, in one word, so that readers see both or
  /// neither: the address's upper 36 of 48 bits (the rest of a page's is zero), then 28 bits.
  class Table {
   public:
    constexpr Table() noexcept = default;
    constexpr explicit Table(std::uint64_t word) noexcept : word_(word) {}
    static constexpr std::size_t kMostBuckets = (std::size_t{1} << 28U) - 1;
    Table(void* pages, std::size_t buckets) noexcept
        : word_(reinterpret_cast<std::uintptr_t>(pages) << 16U | buckets) {}

    explicit operator bool() const noexcept { return word_ != 0; }
    [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
    [[nodiscard]] std::size_t buckets() const noexcept { return word_ & kMostBuckets; }
    [[nodiscard]] std::size_t bytes() const noexcept { return buckets() * sizeof(Bucket); }
    [[nodiscard]] Bucket* begin() const noexcept {
      return reinterpret_cast<Bucket*>(word_ >> 28U << 12U);
    }
    [[nodiscard]] Bucket* end() const noexcept { return begin() + buckets(); }
    [[nodiscard]] Bucket* home(std::uint32_t hash) const noexcept {
      return begin() + ((hash * std::uint64_t{buckets()}) >> 32U);
    }
    [[nodiscard]] Bucket* after(Bucket* bucket) const noexcept {
      return bucket + 1 == end() ? begin() : bucket + 1;
    }

   private:
    std::uint64_t word_ = 0;
  };
  struct Slot {
    Bucket* bucket = nullptr;
    std::size_t number = 0;
    [[nodiscard]] bool found() const noexcept { return bucket != nullptr; }
    [[nodiscard]] Word& word() const noexcept { return bucket->slots[number]; }
  };

  /// 24 bits of the hash that say little of the bucket: 16 for the slot's word, never zero, and
  /// eight for the summary, never zero.
  struct Tag {
    std::uint64_t in_slot;
    std::uint64_t in_summary;
  };
  [[nodiscard]] static Tag tag_of(std::uint32_t hash) noexcept {
    const std::uint32_t mixed = hash * 0x85EBCA6BU;
    return {mixed >> 16U | 1U, (mixed >> 8U & 0xFFU) | 1U};
  }
  [[nodiscard]] static std::uint64_t word_for(const Entry& entry) noexcept {
    return reinterpret_cast<std::uintptr_t>(&entry) | tag_of(entry.hash()).in_slot << 48U;
  }
  [[nodiscard]] static const Entry* entry_in(std::uint64_t word) noexcept {
    return reinterpret_cast<const Entry*>(word & kAddress);
  }
  /// Has the highest bit of byte i set where slot i may match, and sometimes of a byte above one
  /// that does.
  [[nodiscard]] static std::uint64_t candidates(std::uint64_t summary, Tag tag) noexcept {
    const std::uint64_t differs = summary ^ (tag.in_summary * kEachByte);
    return (differs - kEachByte) & ~differs & (kSlotBytes & (kEachByte << 7U));
  }
  /// The lines that a hit touches, at once: targets and header, parameters, value.
  [[gnu::always_inline]] static void prefetch(const Entry* entry, const KeyView& key) noexcept {
    const auto* const bytes = reinterpret_cast<const char*>(entry);
    __builtin_prefetch(bytes - 1);
    __builtin_prefetch(bytes + sizeof(Entry) - 1);
    __builtin_prefetch(bytes + sizeof(Entry) + key.parameters.size() + 32);
  }
  [[nodiscard]] static std::size_t first_of(std::uint64_t candidates) noexcept {
    return static_cast<std::size_t>(std::countr_zero(candidates)) / 8;
  }
  [[nodiscard]] static bool went_on(std::uint64_t summary) noexcept { return summary > kSlotBytes; }
  [[nodiscard]] Table table() const noexcept {
    return Table(table_.load(std::memory_order_relaxed));
  }
  static Table map_table(std::size_t buckets);
  static void unmap(Table table) noexcept;
  template <class Matches>
  [[nodiscard]] Slot slot_where(std::uint32_t hash, Matches&& matches) const noexcept;
  [[nodiscard]] Slot slot_of(const Entry& entry) const noexcept;
  [[nodiscard]] Slot slot_of_resident(const Entry& entry) const noexcept;
  static void put(Table table, std::uint64_t word, std::uint32_t hash) noexcept;

  Word table_{0};
  // Written by writers only: on another line than what readers load.
  alignas(64) std::size_t size_ = 0;
  std::size_t room_ = 0;  // entries that the table takes
  std::vector<Table> old_;
};

[[gnu::always_inline]] inline const Entry* EntryIndex::find(const KeyView& key, std::uint32_t hash,
                                                            Hazard& hazard) const noexcept {
  const Tag tag = tag_of(hash);
again:
  const Table table(table_.load(std::memory_order_acquire));
  if (!table) return nullptr;
  Bucket* const home = table.home(hash);
  Bucket* bucket = home;
  do {
    const std::uint64_t summary = bucket->summary.load(std::memory_order_acquire);
    for (std::uint64_t some = candidates(summary, tag); some != 0; some &= some - 1) {
      Word& slot = bucket->slots[first_of(some)];
      const std::uint64_t word = slot.load(std::memory_order_acquire);
      if (word >> 48U != tag.in_slot) continue;
      const Entry* const entry = entry_in(word);
      prefetch(entry, key);
      set_hazard(hazard, entry);
      if (slot.load() != word || table_.load() != table.word()) [[unlikely]] {
        clear_hazard(hazard);
        goto again;
      }
      if (entry->has_key(key)) [[likely]]
        return entry;
      clear_hazard(hazard);
    }
    if (!went_on(summary)) break;
    bucket = table.after(bucket);
  } while (bucket != home);
  // What was moved to a larger table meanwhile is there.
  if (table_.load(std::memory_order_acquire) != table.word()) goto again;
  return nullptr;
}

[[gnu::always_inline]] inline void EntryIndex::prefetch_home(std::uint32_t hash) const noexcept {
  if (const Table table(table_.load(std::memory_order_acquire)); table)
    __builtin_prefetch(table.home(hash));
}

// As find() begins: an old table's mapping stays, and a bucket that came meanwhile is checked by it.
[[gnu::always_inline]] inline void EntryIndex::prefetch_entry(const KeyView& key,
                                                              std::uint32_t hash) const noexcept {
  const Table table(table_.load(std::memory_order_acquire));
  if (!table) return;
  const Tag tag = tag_of(hash);
  const Bucket& home = *table.home(hash);
  const std::uint64_t some = candidates(home.summary.load(std::memory_order_acquire), tag);
  if (some == 0) return;
  const std::uint64_t word = home.slots[first_of(some)].load(std::memory_order_acquire);
  if (word >> 48U == tag.in_slot) prefetch(entry_in(word), key);
}

}  // namespace querymark
