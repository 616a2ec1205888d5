#include "entry_index.hpp"

#include <sys/mman.h>

#include <new>

namespace querymark {
EntryIndex::Table* EntryIndex::map_table(std::size_t buckets) {
  const std::size_t bytes = sizeof(Table) + buckets * sizeof(Bucket);
  void* const pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return new (pages) Table{buckets, bytes};  // zero pages are empty buckets
}

EntryIndex::~EntryIndex() {
  if (Table* const table = table_.load()) old_.push_back(table);
  for (Table* const table : old_) munmap(table, table->mapped_bytes);
}

const Entry* EntryIndex::find_like(const Entry& like) const noexcept {
  Table* const table = table_.load(std::memory_order_relaxed);
  if (table == nullptr) return nullptr;
  const std::uint64_t tag = tag_of(like.hash());
  Bucket* bucket = table->home(like.hash());
  for (std::size_t looked = 0; looked < table->buckets; ++looked, bucket = table->after(bucket)) {
    for (const Word& at : bucket->words) {
      const std::uint64_t word = at.load(std::memory_order_relaxed);
      if ((word & ~kAddress) != tag || (word & kAddress) == 0) continue;
      const Entry* const entry = entry_in(word);
      if (entry->hash() == like.hash() && entry->key() == like.key()) return entry;
    }
    if (bucket->went_on.load(std::memory_order_relaxed) == 0) break;
  }
  return nullptr;
}

EntryIndex::Word* EntryIndex::word_of(const Entry& entry) const noexcept {
  Table* const table = table_.load(std::memory_order_relaxed);
  if (table == nullptr) return nullptr;
  const std::uint64_t word = word_for(entry);
  Bucket* bucket = table->home(entry.hash());
  for (std::size_t looked = 0; looked < table->buckets; ++looked, bucket = table->after(bucket)) {
    for (Word& at : bucket->words)
      if (at.load(std::memory_order_relaxed) == word) return &at;
    if (bucket->went_on.load(std::memory_order_relaxed) == 0) break;
  }
  return nullptr;
}

void EntryIndex::put(Table& table, std::uint64_t word, std::uint32_t hash) noexcept {
  for (Bucket* bucket = table.home(hash);; bucket = table.after(bucket)) {
    for (Word& at : bucket->words) {
      if (at.load(std::memory_order_relaxed) != 0) continue;
      at.store(word, std::memory_order_release);
      return;
    }
    bucket->went_on.fetch_add(1, std::memory_order_release);
  }
}

// Full at 0.86 of its words, a fifth larger each time: small steps, so that a table at rest spends
// 9.3 to 11.2 bytes on an entry. Old tables stay mapped until the tier goes, for readers that still
// look at them; their pages are given back, and then read as empty.
void EntryIndex::reserve_one() {
  if (size_ < room_) return;
  Table* const old = table_.load(std::memory_order_relaxed);
  const std::size_t buckets = old == nullptr ? 63 : old->buckets + old->buckets / 5 + 1;
  old_.reserve(old_.size() + 1);
  Table* const larger = map_table(buckets);
  if (old != nullptr) {
    for (Bucket* bucket = old->begin(); bucket != old->begin() + old->buckets; ++bucket)
      for (const Word& at : bucket->words)
        if (const std::uint64_t word = at.load(std::memory_order_relaxed))
          put(*larger, word, entry_in(word)->hash());
    old_.push_back(old);
  }
  table_.store(larger);
  room_ = buckets * kWords * 86 / 100;
  if (old != nullptr && old->mapped_bytes > (1U << 16U)) {
    // The first page holds the table's own header.
    constexpr std::size_t kPage = 4096;
    madvise(reinterpret_cast<char*>(old) + kPage, old->mapped_bytes - kPage, MADV_DONTNEED);
  }
}

void EntryIndex::insert(const Entry& entry) noexcept {
  put(*table_.load(std::memory_order_relaxed), word_for(entry), entry.hash());
  ++size_;
}

void EntryIndex::replace(const Entry& old, const Entry& entry) noexcept {
  word_of(old)->exchange(word_for(entry));
}

void EntryIndex::erase(const Entry& entry) noexcept {
  Word* const at = word_of(entry);
  at->exchange(0);
  --size_;
  Table* const table = table_.load(std::memory_order_relaxed);
  for (Bucket* bucket = table->home(entry.hash());
       at < bucket->words || at >= bucket->words + kWords; bucket = table->after(bucket))
    bucket->went_on.fetch_sub(1, std::memory_order_release);
}

}  // namespace querymark
