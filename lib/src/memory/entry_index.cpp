#include "entry_index.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace querymark {
namespace {

constexpr unsigned kWentOnShift = 56;
// Stays once it is reached: searches then go on where they need not, until the next larger table.
constexpr std::uint64_t kMostWentOn = 255;

std::uint64_t went_on_count(std::uint64_t summary) noexcept { return summary >> kWentOnShift; }

std::uint64_t with_byte(std::uint64_t summary, std::size_t number, std::uint64_t byte) noexcept {
  return (summary & ~(std::uint64_t{0xFF} << number * 8)) | byte << number * 8;
}

}  // namespace

EntryIndex::Table EntryIndex::map_table(std::size_t buckets) {
  if (buckets > Table::kMostBuckets) throw std::bad_alloc();
  void* const pages = mmap(nullptr, buckets * sizeof(Bucket), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  return {pages, buckets};  // zero pages are empty buckets
}

void EntryIndex::unmap(Table table) noexcept {
  if (table) munmap(table.begin(), table.bytes());
}

EntryIndex::~EntryIndex() {
  unmap(table());
  for (const Table old : old_) unmap(old);
}

// The first slot on the way of `hash` whose word `matches`, for writers.
template <class Matches>
EntryIndex::Slot EntryIndex::slot_where(std::uint32_t hash, Matches&& matches) const noexcept {
  const Table table = this->table();
  if (!table) return {};
  const Tag tag = tag_of(hash);
  Bucket* bucket = table.home(hash);
  for (std::size_t left = table.buckets(); left > 0; --left, bucket = table.after(bucket)) {
    const std::uint64_t summary = bucket->summary.load(std::memory_order_relaxed);
    for (std::uint64_t some = candidates(summary, tag); some != 0; some &= some - 1) {
      const Slot slot{bucket, first_of(some)};
      const std::uint64_t word = slot.word().load(std::memory_order_relaxed);
      if (word >> 48U == tag.in_slot && matches(word)) return slot;
    }
    if (!went_on(summary)) break;
  }
  return {};
}

const Entry* EntryIndex::find_like(const Entry& like) const noexcept {
  const Slot slot = slot_where(
      like.hash(), [&](std::uint64_t word) { return entry_in(word)->has_key(like.key()); });
  return slot.found() ? entry_in(slot.word().load(std::memory_order_relaxed)) : nullptr;
}

EntryIndex::Slot EntryIndex::slot_of(const Entry& entry) const noexcept {
  return slot_where(entry.hash(),
                    [own = word_for(entry)](std::uint64_t word) { return word == own; });
}

// An index that has lost an entry of its tier would go on handing it out after it is freed.
EntryIndex::Slot EntryIndex::slot_of_resident(const Entry& entry) const noexcept {
  const Slot slot = slot_of(entry);
  if (!slot.found()) std::abort();
  return slot;
}

// The slot first, then the summary that leads to it.
void EntryIndex::put(Table table, std::uint64_t word, std::uint32_t hash) noexcept {
  for (Bucket* bucket = table.home(hash);; bucket = table.after(bucket)) {
    const std::uint64_t summary = bucket->summary.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < kSlots; ++i) {
      if (bucket->slots[i].load(std::memory_order_relaxed) != 0) continue;
      bucket->slots[i].store(word, std::memory_order_release);
      bucket->summary.store(with_byte(summary, i, tag_of(hash).in_summary),
                            std::memory_order_release);
      return;
    }
    if (went_on_count(summary) < kMostWentOn)
      bucket->summary.store(summary + (std::uint64_t{1} << kWentOnShift),
                            std::memory_order_release);
  }
}

// Full at 0.88 of its slots, an eighth larger each time: small steps, so that a table at rest
// spends 10.4 to 11.7 bytes on an entry. Old tables stay mapped until the tier goes, for readers
// that still look at them; their pages are given back, and then read as empty.
void EntryIndex::reserve_one() {
  if (size_ < room_) return;
  const Table old = table();
  const std::size_t buckets = old ? old.buckets() + old.buckets() / 8 + 1 : 64;
  old_.reserve(old_.size() + 1);
  const Table larger = map_table(buckets);
  if (old) {
    for (const Bucket& bucket : old)
      for (const Word& slot : bucket.slots)
        if (const std::uint64_t word = slot.load(std::memory_order_relaxed))
          put(larger, word, entry_in(word)->hash());
    old_.push_back(old);
  }
  table_.store(larger.word());
  room_ = buckets * kSlots * 88 / 100;
  if (old) madvise(old.begin(), old.bytes(), MADV_DONTNEED);
}

void EntryIndex::insert(const Entry& entry) noexcept {
  put(table(), word_for(entry), entry.hash());
  ++size_;
}

void EntryIndex::replace(const Entry& old, const Entry& entry) noexcept {
  slot_of_resident(old).word().exchange(word_for(entry));
}

void EntryIndex::erase(const Entry& entry) noexcept {
  const Slot slot = slot_of_resident(entry);
  slot.word().exchange(0);
  slot.bucket->summary.store(
      with_byte(slot.bucket->summary.load(std::memory_order_relaxed), slot.number, 0),
      std::memory_order_release);
  --size_;
  const Table table = this->table();
  for (Bucket* bucket = table.home(entry.hash()); bucket != slot.bucket;
       bucket = table.after(bucket)) {
    const std::uint64_t summary = bucket->summary.load(std::memory_order_relaxed);
    if (went_on_count(summary) < kMostWentOn)
      bucket->summary.store(summary - (std::uint64_t{1} << kWentOnShift),
                            std::memory_order_release);
  }
}

}  // namespace querymark
