#include "querymark/memory/memory_tier.hpp"

#include <algorithm>
#include <boost/unordered/unordered_flat_map.hpp>
#include <list>
#include <mutex>

// A shard holds a hash index and a queue in order of insertion; eviction is CLOCK (second chance
// FIFO, Corbato 1968): the hand takes the oldest entry; one that was visited since goes to the back
// with its mark cleared, any other goes out. A hit sets the mark and moves nothing.
//
// Each shard's mutex guards its index, queue and byte count. Entries are dropped (and so perhaps
// destroyed) after the lock is released: their values' destructors are user code.

namespace querymark {
namespace {

constexpr std::size_t kMaxShards = 16;
constexpr std::size_t kMinShardBytes = 1 << 20;

std::size_t shard_count(std::size_t capacity) noexcept {
  std::size_t count = 1;
  while (count < kMaxShards && capacity / (count * 2) >= kMinShardBytes) count *= 2;
  return count;
}

struct KeyHash {
  using is_transparent = void;
  using is_avalanching = void;
  std::size_t operator()(const Entry* entry) const noexcept { return entry->hash(); }
  std::size_t operator()(const std::pair<KeyView, std::uint64_t>& probe) const noexcept {
    return probe.second;
  }
};

struct KeyEqual {
  using is_transparent = void;
  bool operator()(const Entry* a, const Entry* b) const noexcept { return a->key() == b->key(); }
  bool operator()(const std::pair<KeyView, std::uint64_t>& probe,
                  const Entry* entry) const noexcept {
    return entry->hash() == probe.second && entry->key() == probe.first;
  }
  bool operator()(const Entry* entry,
                  const std::pair<KeyView, std::uint64_t>& probe) const noexcept {
    return (*this)(probe, entry);
  }
};

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
  using Queue = std::list<EntryRef>;

  mutable std::mutex mutex;
  boost::unordered_flat_map<const Entry*, Queue::iterator, KeyHash, KeyEqual> index;
  Queue queue;  // oldest first
  std::size_t bytes = 0;

  // Requires the mutex. The entry is moved out, so that the caller can drop it after unlocking.
  EntryRef remove(Queue::iterator at) {
    EntryRef entry = std::move(*at);
    bytes -= entry->charge();
    index.erase(entry.get());
    queue.erase(at);
    return entry;
  }
};

MemoryTier::MemoryTier(std::size_t capacity) : capacity_(capacity) {
  const std::size_t count = shard_count(capacity);
  shards_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>());
}

MemoryTier::~MemoryTier() = default;

MemoryTier::Shard& MemoryTier::shard_of(std::uint64_t hash) const noexcept {
  return *shards_[(hash >> 48U) & (shards_.size() - 1)];
}

std::size_t MemoryTier::shard_capacity() const noexcept { return capacity() / shards_.size(); }

std::size_t MemoryTier::largest() const noexcept { return shard_capacity(); }

EntryRef MemoryTier::find(const KeyView& key, std::uint64_t hash) noexcept {
  Shard& shard = shard_of(hash);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(std::pair(key, hash));
  if (found == shard.index.end()) return {};
  const Entry& entry = *found->first;
  if (!entry.visited.load(std::memory_order_relaxed))
    entry.visited.store(true, std::memory_order_relaxed);
  return EntryRef::share(&entry);
}

void MemoryTier::make_room(Shard& shard, std::size_t capacity, std::vector<EntryRef>& evicted) {
  std::size_t second_chances = shard.queue.size();
  while (shard.bytes > capacity) {
    const auto oldest = shard.queue.begin();
    const Entry& entry = **oldest;
    const bool spared = second_chances > 0 && entry.visited.load(std::memory_order_relaxed) &&
                        !(is_dead_ && is_dead_(entry));
    if (spared) {
      --second_chances;
      entry.visited.store(false, std::memory_order_relaxed);
      shard.queue.splice(shard.queue.end(), shard.queue, oldest);
      continue;
    }
    evicted.push_back(shard.remove(oldest));
    evictions_.fetch_add(1, std::memory_order_relaxed);
  }
}

StoreStatus MemoryTier::insert(EntryRef entry) {
  const std::size_t capacity = shard_capacity();
  if (entry->charge() > capacity) return StoreStatus::oversize;
  std::vector<EntryRef> dropped;
  Shard& shard = shard_of(entry->hash());
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(entry.get());
  if (found != shard.index.end()) {
    if (supersedes(*found->first, *entry)) return StoreStatus::superseded;
    dropped.push_back(shard.remove(found->second));
  }
  make_room(shard, capacity - entry->charge(), dropped);
  const auto at = shard.queue.insert(shard.queue.end(), entry);
  shard.index.emplace(entry.get(), at);
  shard.bytes += entry->charge();
  return StoreStatus::stored;
}

void MemoryTier::erase(const Entry& entry) noexcept {
  EntryRef dropped;
  Shard& shard = shard_of(entry.hash());
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.index.find(&entry);
  if (found != shard.index.end() && found->first == &entry) dropped = shard.remove(found->second);
}

std::size_t MemoryTier::purge(const std::function<bool(const Entry&)>& is_dead) {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    std::vector<EntryRef> dropped;
    const std::lock_guard lock(shard->mutex);
    for (auto at = shard->queue.begin(); at != shard->queue.end();) {
      const auto next = std::next(at);
      if (is_dead(**at)) dropped.push_back(shard->remove(at));
      at = next;
    }
    count += dropped.size();
  }
  return count;
}

void MemoryTier::set_capacity(std::size_t capacity) {
  capacity_.store(capacity, std::memory_order_relaxed);
  for (const auto& shard : shards_) {
    std::vector<EntryRef> dropped;
    const std::lock_guard lock(shard->mutex);
    make_room(*shard, shard_capacity(), dropped);
  }
}

std::size_t MemoryTier::bytes() const {
  std::size_t total = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    total += shard->bytes;
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

}  // namespace querymark
