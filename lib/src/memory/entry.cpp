#include "querymark/memory/entry.hpp"

#include <algorithm>
#include <array>

#include "entry_blocks.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {
namespace {

// What malloc adds to a block, with rounding, and the numbers that some entries keep outside; a
// slot of the index at its usual load, a ghost.
constexpr std::size_t kMallocBytes = 24;
constexpr std::size_t kIndexBytes = 20;

constexpr std::size_t kMaxKinds = 1U << 16U;

// Up to so many targets are looked through, more are sorted.
constexpr std::size_t kFewTargets = 8;

// A kind is written once, before its id is handed out; ids travel with the entries that carry them.
struct Kinds {
  Mutex mutex;
  std::size_t count QUERYMARK_GUARDED_BY(mutex) = 0;
  std::array<detail::StoredKind, kMaxKinds> all;
};

Kinds& kinds() {
  static auto* const registry = new Kinds;  // entries may outlive everything else
  return *registry;
}

void check_entry_sizes(const EntryInit& init) {
  if (init.targets.size() > kMaxTargets)
    throw ConfigError("a cached value can't carry more than " + std::to_string(kMaxTargets) +
                      " targets; use a collection");
  if (init.parameters.size() >= (1U << 30U))
    throw ConfigError("the parameters of a cached query must stay below 1 GiB");
}

}  // namespace

std::uint16_t detail::register_kind(const StoredKind& kind) {
  Kinds& known = kinds();
  const MutexLock lock(known.mutex);
  if (known.count == kMaxKinds) throw ConfigError("too many types of cached values");
  known.all[known.count] = kind;
  return static_cast<std::uint16_t>(known.count++);
}

const detail::StoredKind& detail::kind_of(std::uint16_t id) noexcept { return kinds().all[id]; }

bool Entry::carries(std::span<const TargetId> targets) const noexcept {
  return std::ranges::all_of(targets, [carried = this->targets()](TargetId target) {
    if (carried.size() > kFewTargets) return std::ranges::binary_search(carried, target);
    return std::ranges::find(carried, target) != carried.end();
  });
}

std::uint64_t Entry::to_ticks(MonotonicTime time) noexcept {
  const std::int64_t ns = time.time_since_epoch().count();
  return std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)) >> kTickShift, kNever);
}

Entry::Entry(const EntryInit& init, std::uint16_t kind, std::size_t count, bool outside) noexcept
    : generation_(init.generation),
      prefix_(init.prefix),
      expires_(to_ticks(init.expires) & kNever),
      hash_high_(static_cast<std::uint16_t>(fold(init.hash) >> 16U)),
      loaded_(to_ticks(init.loaded) & kNever),
      hash_low_(static_cast<std::uint16_t>(fold(init.hash))),
      parameters_size_(static_cast<std::uint32_t>(init.parameters.size())),
      domain_(init.domain),
      target_count_(static_cast<std::uint16_t>(init.targets.size())),
      kind_(kind),
      count_(static_cast<std::uint16_t>(std::min<std::size_t>(count, kCountOutside))),
      align_log2_(std::countr_zero(detail::kind_of(kind).alignment) & 15),
      has_outside_(outside),
      unverified_(init.unverified) {
  const std::span<TargetId> own(const_cast<TargetId*>(targets().data()), init.targets.size());
  std::ranges::copy(init.targets, own.begin());
  if (own.size() > kFewTargets) std::ranges::sort(own);
  std::ranges::copy(init.parameters, const_cast<char*>(parameters_begin()));
}

// Layout: [heap bytes, count and grace, if needed] [targets, padded in front] [Entry] [parameters]
// [values]
EntryRef make_raw_entry(const EntryInit& init, std::uint16_t kind, std::size_t count,
                        std::size_t heap_bytes, void (*move)(void*, void*) noexcept, void* source) {
  check_entry_sizes(init);
  const bool outside = heap_bytes > 0 || count >= Entry::kCountOutside || init.grace.count() > 0;
  const std::size_t front = Entry::front_bytes(init.targets.size(), outside);
  const detail::StoredKind& stored = detail::kind_of(kind);
  const std::size_t raw = front + sizeof(Entry) + init.parameters.size();
  const std::size_t offset = (raw + stored.alignment - 1) / stored.alignment * stored.alignment;
  auto* const block = static_cast<char*>(allocate_entry_block(offset + count * stored.size));
  if (outside) new (block) Entry::Outside{heap_bytes, count, init.grace};
  auto* const entry = new (block + front) Entry(init, kind, count, outside);
  move(block + offset, source);
  return EntryRef::adopt(entry);
}

std::size_t Entry::charge() const noexcept {
  return block_bytes() - (has_outside_ ? sizeof(Outside) - outside()->heap_bytes : 0) +
         kMallocBytes + kIndexBytes;
}

std::size_t Entry::block_bytes() const noexcept {
  const auto* const end = static_cast<const char*>(value()) + count() * detail::kind_of(kind_).size;
  return static_cast<std::size_t>(end - front());
}

void Entry::destroy() const noexcept {
  auto* const self = const_cast<Entry*>(this);
  void* const block = const_cast<char*>(front());
  const std::size_t bytes = block_bytes();
  detail::kind_of(kind_).destroy(const_cast<void*>(value()), count());
  self->~Entry();
  free_entry_block(block, bytes);
}

const Entry* EntryRef::release_counted() && noexcept {
  const Entry* const entry = entry_;
  if (hazard_ != nullptr) {
    entry->add_reference();
    clear_hazard(*hazard_);
  }
  entry_ = nullptr;
  hazard_ = nullptr;
  return entry;
}

}  // namespace querymark
