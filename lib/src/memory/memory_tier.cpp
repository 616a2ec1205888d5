#include "querymark/memory/memory_tier.hpp"

#include <algorithm>
#include <mutex>

#include "entry_index.hpp"
#include "entry_queue.hpp"
#include "ghosts.hpp"

// States of an entry, and who moves it:
//
//   small    -> main      eviction, when it was hit since it came in
//   small    -> ghost     eviction, otherwise; the entry is retired, its hash is remembered
//   main     -> main      eviction: to the back with one visit less, while it has visits
//   main     -> retired   eviction, otherwise
//   (absent) -> small     insert of an unknown key; -> main, of one that is a ghost
//   resident -> retired   erase, purge, a replacing insert (the successor takes the same queue)
//   retired  -> free      whoever retires the 64th entry of a shard, purges or shrinks: when no
//   reader
//                         protects it (hazard.cpp)
//
// A shard's mutex guards queues, ghosts, retired entries and all writes to the index. Destructors
// of values are user code, so retired entries are released after unlocking.
//
// Readers go through the index alone. Its memory orders:
//
//   a word      stored with release under the mutex, loaded with acquire: who sees an entry's
//   address
//               sees the entry. Before an entry is used, its hazard is set and the word, and the
//               table, are loaded again, all seq_cst; a word is taken out by a seq_cst exchange.
//               See hazard.cpp for why that makes the use safe.
//   went_on     raised (release) before the word of an entry that goes on is stored, lowered after
//   it
//               was taken out: a reader that finds zero can stop. Seeing an old zero means that the
//               entry was stored during the search, and may be missed.
//   table       stored seq_cst when the new table is complete. The old one's words are not written
//               any more, so a reader that still looks at it sees what was resident at that moment:
//               a hit there is checked against `table`, a miss looks again when `table` has
//               changed. Its pages may be given back, and then read as empty; the mapping stays.
//
// Replacing an entry exchanges its word, so a reader finds the old one or the new one.
//
// A visit is a relaxed load, and a store only while there are fewer than three: an entry in steady
// use is not written to.

namespace querymark {
namespace {

constexpr std::size_t kMaxShards = 32;
// Fewer, larger shards keep the policy's view whole; readers don't care how many there are.
constexpr std::size_t kMinShardBytes = 2U << 20U;
constexpr std::size_t kRetiredBatch = 64;
constexpr std::uint8_t kMostVisits = 3;

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
  const auto carried = resident.targets();
  return std::ranges::all_of(entry.targets(), [&](TargetId target) {
    return std::ranges::find(carried, target) != carried.end();
  });
}

}  // namespace

struct MemoryTier::Shard {
  EntryIndex index;

  alignas(64) mutable std::mutex mutex;
  EntryQueue small{1};
  EntryQueue main{2};
  Ghosts ghosts;
  RetiredEntries retired;
  std::uint64_t evictions = 0;

  [[nodiscard]] std::size_t bytes() const noexcept { return small.bytes() + main.bytes(); }
  [[nodiscard]] EntryQueue& queue_of(const Entry& entry) noexcept {
    return main.holds(entry) ? main : small;
  }
  void remove(const Entry& entry) noexcept {
    const std::size_t charge = entry.charge();
    queue_of(entry).remove(entry, charge);
    index.erase(entry);
    retired.add(entry, charge);
  }
  void remember(const Entry& entry) { ghosts.add(entry.hash(), index.size() * 9 / 10); }
  [[nodiscard]] bool has_much_retired(std::size_t capacity) const noexcept {
    return retired.size() >= kRetiredBatch || retired.bytes() > capacity / 32;
  }
  // Frees what it can, without the lock; what readers protect comes back.
  void release_retired(std::unique_lock<std::mutex>& lock) {
    RetiredEntries batch(std::move(retired));
    lock.unlock();
    batch.release();
    lock.lock();
    retired.append(std::move(batch));
  }
};

// Low bits: the index takes the high ones.
inline MemoryTier::Shard& MemoryTier::shard_of(std::uint32_t hash) const noexcept {
  return *shards_[hash & (shards_.size() - 1)];
}

MemoryTier::MemoryTier(std::size_t capacity) : capacity_(capacity) {
  const std::size_t count = shard_count(capacity);
  shards_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>());
}

MemoryTier::~MemoryTier() {
  for (const auto& shard : shards_) {
    while (const Entry* entry = shard->small.oldest()) shard->remove(*entry);
    while (const Entry* entry = shard->main.oldest()) shard->remove(*entry);
  }
}

std::size_t MemoryTier::shard_capacity() const noexcept { return capacity() / shards_.size(); }

std::size_t MemoryTier::largest() const noexcept { return shard_capacity(); }

EntryRef MemoryTier::find(const KeyView& key, std::uint64_t full_hash) noexcept {
  const std::uint32_t hash = Entry::fold(full_hash);
  detail::HazardRecord& hazards = own_hazards();
  Hazard* hazard = &hazards.passing;
  for (Hazard& handle : hazards.handles)
    if (handle.load(std::memory_order_acquire) == nullptr) {
      hazard = &handle;
      break;
    }
  const Entry* const entry = shard_of(hash).index.find(key, hash, *hazard);
  if (entry == nullptr) return {};
  const std::uint8_t visits = entry->visits_.load(std::memory_order_relaxed);
  if (visits < kMostVisits)
    entry->visits_.store(static_cast<std::uint8_t>(visits + 1), std::memory_order_relaxed);
  if (hazard != &hazards.passing) [[likely]]
    return EntryRef::guard(entry, *hazard);
  EntryRef counted = EntryRef::share(entry);  // this thread holds many: see EntryRef
  clear_hazard(*hazard);
  return counted;
}

void MemoryTier::evict_from_small(Shard& shard) {
  const Entry& entry = *shard.small.oldest();
  const bool used = entry.visits_.load(std::memory_order_relaxed) > 0;
  if (used && !is_dead(entry)) {
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

void MemoryTier::evict_from_main(Shard& shard) {
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
void MemoryTier::make_room(Shard& shard, std::size_t capacity) {
  std::size_t turns = (shard.index.size() + 1) * (kMostVisits + 2);
  while (shard.bytes() > capacity) {
    const bool from_small =
        !shard.small.empty() && (shard.small.bytes() > shard_capacity() / 10 || shard.main.empty());
    if (turns > 0) {
      --turns;
      from_small ? evict_from_small(shard) : evict_from_main(shard);
    } else {
      shard.remove(from_small ? *shard.small.oldest() : *shard.main.oldest());
      ++shard.evictions;
    }
  }
}

StoreStatus MemoryTier::insert(EntryRef entry) {
  const std::size_t charge = entry->charge();
  const std::size_t capacity = shard_capacity();
  if (charge > capacity) return StoreStatus::oversize;
  Shard& shard = shard_of(entry->hash());
  std::unique_lock lock(shard.mutex);
  const Entry* const resident = shard.index.find_like(*entry);
  if (resident == entry.get()) return StoreStatus::stored;
  if (resident != nullptr && supersedes(*resident, *entry)) return StoreStatus::superseded;
  if (resident == nullptr) shard.index.reserve_one();
  const Entry* const fresh = std::move(entry).release_counted();  // now the index's
  if (resident != nullptr) {
    EntryQueue& queue = shard.queue_of(*resident);
    fresh->visits_.store(resident->visits_.load(std::memory_order_relaxed),
                         std::memory_order_relaxed);
    const std::size_t old_charge = resident->charge();
    queue.remove(*resident, old_charge);
    make_room(shard, capacity - charge);
    shard.index.replace(*resident, *fresh);
    shard.retired.add(*resident, old_charge);
    queue.push(*fresh, charge);
  } else {
    const bool known = shard.ghosts.take(fresh->hash());
    make_room(shard, capacity - charge);
    shard.index.insert(*fresh);
    (known ? shard.main : shard.small).push(*fresh, charge);
  }
  if (shard.has_much_retired(capacity)) shard.release_retired(lock);
  return StoreStatus::stored;
}

void MemoryTier::erase(const Entry& entry) noexcept {
  Shard& shard = shard_of(entry.hash());
  std::unique_lock lock(shard.mutex);
  if (!shard.index.holds(entry)) return;
  if (shard.main.holds(entry)) shard.remember(entry);
  shard.remove(entry);
  if (shard.has_much_retired(shard_capacity())) shard.release_retired(lock);
}

std::size_t MemoryTier::purge(const std::function<bool(const Entry&)>& is_dead) {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    std::unique_lock lock(shard->mutex);
    for (const EntryQueue* queue : {&shard->small, &shard->main})
      for (const Entry* at = queue->oldest(); at != nullptr;) {
        const Entry& entry = *std::exchange(at, EntryQueue::next(*at));
        if (!is_dead(entry)) continue;
        shard->remove(entry);
        ++count;
      }
    shard->release_retired(lock);
  }
  return count;
}

void MemoryTier::set_capacity(std::size_t capacity) {
  capacity_.store(capacity, std::memory_order_relaxed);
  for (const auto& shard : shards_) {
    std::unique_lock lock(shard->mutex);
    make_room(*shard, shard_capacity());
    shard->release_retired(lock);
  }
}

std::size_t MemoryTier::bytes() const {
  std::size_t total = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    total += shard->bytes();
  }
  return total;
}

std::size_t MemoryTier::entries() const {
  std::size_t total = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    total += shard->index.size();
  }
  return total;
}

std::uint64_t MemoryTier::evictions() const noexcept {
  std::uint64_t total = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    total += shard->evictions;
  }
  return total;
}

}  // namespace querymark
