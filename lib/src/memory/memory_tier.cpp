#include "querymark/memory/memory_tier.hpp"

#include <algorithm>

#include "querymark/observe/query_table.hpp"
#include "search.hpp"
#include "shard.hpp"

// States of an entry, and who moves it:
//
//   small    -> main      eviction, when it was hit since it came in, or by lot (Admission)
//   small    -> ghost     eviction, otherwise; the entry is retired, its hash is remembered
//   main     -> main      eviction: to the back with one visit less, while it has visits
//   main     -> retired   eviction, otherwise
//   (absent) -> small     insert of an unknown key; -> main, of one that is a ghost, and of all while
//                         the shard fills for the first time
//   resident -> retired   erase, purge, a replacing insert (the successor takes the same queue)
//   retired  -> free      whoever retires the 256th entry of a shard, purges or shrinks: when no
//                         reader protects it (hazard.cpp)
//
// A shard's mutex guards queues, ghosts, retired entries and all writes to the index. Destructors
// of values are user code, so retired entries are released after unlocking.
//
// Readers go through the index alone. Its memory orders:
//
//   a slot      stored with release under the mutex, loaded with acquire: who sees an entry's
//               address sees the entry. Before an entry is used, its hazard is set and the slot,
//               and the table, are loaded again, all seq_cst; an entry is taken out by a seq_cst
//               exchange. See hazard.cpp for why that makes the use safe.
//   a summary   a hint: its bytes are stored (release) after the slots they speak of are filled or
//               emptied, and a reader that follows one (acquire) finds the slot as new or newer and
//               checks it. Its count is raised before an entry that goes on is stored further down,
//               and lowered after that was taken out: a reader that finds zero can stop. Seeing an
//               old summary means that the entry was stored during the search, and may be missed.
//   table       stored seq_cst when the new table is complete. The old one's slots are not written
//               any more, so a reader that still looks at it sees what was resident at that moment:
//               a hit there is checked against `table`, a miss looks again when `table` has
//               changed. Its pages may be given back, and then read as empty; the mapping stays.
//
// Replacing an entry exchanges its slot, so a reader finds the old one or the new one.
//
// A visit is a relaxed load, and a store only while there are fewer than five: an entry in steady
// use is not written to.

namespace querymark {
namespace {

constexpr std::size_t kMaxShards = 32;
// Fewer, larger shards keep the policy's view whole; readers don't care how many there are.
constexpr std::size_t kMinShardBytes = 4U << 20U;
// S3-FIFO's paper says 10, and three visits. Of 5, 7, 8, 9 and 10, with 3, 5 and 7 visits, over 28
// traces and sizes, 7 with 5 loses nowhere and wins up to 4 points (docs/performance.md).
constexpr std::size_t kSmallPercent = 7;

std::size_t shard_count(std::size_t capacity) noexcept {
  std::size_t count = 1;
  while (count < kMaxShards && capacity / (count * 2) >= kMinShardBytes) count *= 2;
  return count;
}

// A later stamp alone does not count: a call site with fewer targets raises its entry's stamp with
// every hit, and one with more targets would never get its own in.
bool supersedes(const Entry& resident, const Entry& entry) noexcept {
  if (resident.domain() != entry.domain() || resident.generation() <= entry.generation())
    return false;
  return resident.carries(entry.targets());
}

}  // namespace

MemoryTier::MemoryTier(std::size_t capacity)
    : capacity_(capacity),
      shard_mask_(static_cast<std::uint32_t>(shard_count(capacity) - 1)),
      indexes_(std::make_unique<EntryIndex[]>(std::size_t{shard_mask_} + 1)),
      shards_(std::make_unique<Shard[]>(std::size_t{shard_mask_} + 1)) {
  EntryIndex* index = indexes_.get();
  for (Shard& shard : shards()) {
    shard.index = index++;
    shard.leaving = &leaving_;
  }
}

MemoryTier::~MemoryTier() {
  for (Shard& shard : shards()) {
    while (const Entry* entry = shard.small.oldest()) shard.remove(*entry);
    while (const Entry* entry = shard.main.oldest()) shard.remove(*entry);
  }
}

std::size_t MemoryTier::shard_capacity() const noexcept { return capacity() / shards().size(); }

// Prefixes on their way out are not subtracted one by one: each entry that is evicted makes the
// room that its own prefix took at once, or one shard would be emptied before the first of them is
// gone. What they may come to (Shard::has_much_retired) is set aside instead.
std::size_t MemoryTier::shard_room() const noexcept {
  const std::size_t whole = capacity();
  const std::size_t all = prefixes_ != nullptr ? prefixes_->bytes() : 0;
  const std::size_t leaving = leaving_.load(std::memory_order_relaxed);
  const std::size_t taken = all - std::min(all, leaving) + std::min(all, whole / 16);
  return (whole - std::min(taken, whole)) / shards().size();
}

std::size_t MemoryTier::largest() const noexcept { return shard_capacity(); }

EntryRef MemoryTier::find(const KeyView& key, std::uint64_t hash) noexcept {
  return search(key, hash);
}

void MemoryTier::prefetch(std::span<const CallKey> calls) const noexcept {
  const auto index_of = [this](std::uint32_t hash) -> const EntryIndex& {
    return indexes_[shard_number(hash)];
  };
  for (const CallKey& call : calls) {
    const std::uint32_t hash = Entry::fold(call.hash);
    index_of(hash).prefetch_home(hash);
  }
  for (const CallKey& call : calls) {
    const std::uint32_t hash = Entry::fold(call.hash);
    index_of(hash).prefetch_entry(call.view, hash);
  }
}

void MemoryTier::evict_from_small(Shard& shard) QUERYMARK_REQUIRES(shard.mutex) {
  const Entry& entry = *shard.small.oldest();
  const bool used = entry.visits_.load(std::memory_order_relaxed) > 0;
  if ((used || shard.admission.lets_pass()) && !is_dead(entry)) {
    const std::size_t charge = entry.charge();
    entry.visits_.store(0, std::memory_order_relaxed);
    shard.small.remove(entry, charge);
    shard.main.push(entry, charge);
    return;
  }
  if (!used) shard.remember(entry);
  shard.remove(entry);
  ++shard.evictions;
}

void MemoryTier::evict_from_main(Shard& shard) QUERYMARK_REQUIRES(shard.mutex) {
  const Entry& entry = *shard.main.oldest();
  const std::uint8_t visits = entry.visits_.load(std::memory_order_relaxed);
  if (visits > 0 && !is_dead(entry)) {
    const std::size_t charge = entry.charge();
    entry.visits_.store(static_cast<std::uint8_t>(visits - 1), std::memory_order_relaxed);
    shard.main.remove(entry, charge);
    shard.main.push(entry, charge);
    return;
  }
  shard.remove(entry);
  ++shard.evictions;
}

// Ends: each turn takes a visit from an entry, moves one to main, or evicts one. Readers that keep
// hitting could hold that off, so after enough turns visits don't count.
void MemoryTier::make_room(Shard& shard, std::size_t charge) QUERYMARK_REQUIRES(shard.mutex) {
  std::size_t turns = (shard.index->size() + 1) * (kMostVisits + 2);
  while (!shard.empty()) {
    const std::size_t room = shard_room();
    if (shard.bytes() + charge <= room) return;
    shard.admission.filled();
    const bool from_small =
        !shard.small.empty() &&
        (shard.small.bytes() > room * kSmallPercent / 100 || shard.main.empty());
    if (turns > 0) {
      --turns;
      from_small ? evict_from_small(shard) : evict_from_main(shard);
    } else {
      shard.remove(from_small ? *shard.small.oldest() : *shard.main.oldest());
      ++shard.evictions;
    }
  }
}

// Prefixes that came with entries of other shards may have left this one no room.
void MemoryTier::make_room_everywhere() {
  for (Shard& shard : shards()) {
    const ExclusiveLock lock(shard.mutex);
    make_room(shard, 0);
    shard.release_retired();
  }
}

StoreStatus MemoryTier::insert(EntryRef entry) {
  const std::size_t charge = entry->charge();
  const std::size_t capacity = shard_capacity();
  const std::size_t with_prefix =
      charge + (prefixes_ != nullptr ? entry->key().prefix->charge() : 0);
  if (with_prefix > capacity) return StoreStatus::oversize;
  if (charge > shard_room()) {
    make_room_everywhere();
    if (charge > shard_room()) return StoreStatus::oversize;
  }
  Shard& shard = shard_of(entry->hash());
  const ExclusiveLock lock(shard.mutex);
  const Entry* const resident = shard.index->find_like(*entry);
  if (resident == entry.get()) return StoreStatus::stored;
  if (resident != nullptr && supersedes(*resident, *entry)) return StoreStatus::superseded;
  if (resident == nullptr) shard.index->reserve_one();
  const Entry* const fresh = std::move(entry).release_counted();  // now the index's
  fresh->key().prefix->record().came(charge);
  if (resident != nullptr) {
    EntryQueue& queue = shard.queue_of(*resident);
    fresh->visits_.store(resident->visits_.load(std::memory_order_relaxed),
                         std::memory_order_relaxed);
    const std::size_t old_charge = resident->charge();
    queue.remove(*resident, old_charge);
    make_room(shard, charge);
    shard.index->replace(*resident, *fresh);
    shard.retire(*resident, old_charge);
    queue.push(*fresh, charge);
  } else {
    const bool known = shard.ghosts.take(fresh->hash());
    shard.admission.inserted(known, shard.index->size());
    make_room(shard, charge);
    shard.index->insert(*fresh);
    const bool fits_main =
        shard.main.bytes() + charge <= shard_room() * Admission::kMainPercent / 100;
    const bool to_main = known || (shard.admission.filling() && fits_main);
    (to_main ? shard.main : shard.small).push(*fresh, charge);
  }
  if (shard.has_much_retired(capacity)) shard.release_retired();
  return StoreStatus::stored;
}

void MemoryTier::erase(const Entry& entry) noexcept {
  Shard& shard = shard_of(entry.hash());
  const ExclusiveLock lock(shard.mutex);
  if (!shard.index->holds(entry)) return;
  if (shard.main.holds(entry)) shard.remember(entry);
  shard.remove(entry);
  if (shard.has_much_retired(shard_capacity())) shard.release_retired();
}

std::size_t MemoryTier::purge(const std::function<bool(const Entry&)>& is_dead) {
  std::size_t count = 0;
  for (Shard& shard : shards()) {
    const ExclusiveLock lock(shard.mutex);
    for (const EntryQueue* queue : {&shard.small, &shard.main})
      for (const Entry* at = queue->oldest(); at != nullptr;) {
        const Entry& entry = *std::exchange(at, EntryQueue::next(*at));
        if (!is_dead(entry)) continue;
        shard.remove(entry);
        ++count;
      }
    shard.release_retired();
  }
  return count;
}

void MemoryTier::set_capacity(std::size_t capacity) {
  capacity_.store(capacity, std::memory_order_relaxed);
  make_room_everywhere();
}

std::size_t MemoryTier::bytes() const {
  std::size_t total = 0;
  for (Shard& shard : shards()) {
    const ExclusiveLock lock(shard.mutex);
    total += shard.bytes();
  }
  return total;
}

std::size_t MemoryTier::entries() const {
  std::size_t total = 0;
  for (Shard& shard : shards()) {
    const ExclusiveLock lock(shard.mutex);
    total += shard.index->size();
  }
  return total;
}

std::uint64_t MemoryTier::evictions() const noexcept {
  std::uint64_t total = 0;
  for (Shard& shard : shards()) {
    const ExclusiveLock lock(shard.mutex);
    total += shard.evictions;
  }
  return total;
}

}  // namespace querymark
