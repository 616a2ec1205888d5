#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/key.hpp"
#include "querymark/key/target.hpp"
#include "querymark/memory/hazard.hpp"
#include "querymark/memory/packed.hpp"
#include "querymark/support/clock.hpp"

// For the read path, and for who makes entries of values: queries do.

namespace querymark {

/// Names the marks by which an entry is judged, unique in the life of a cache.
enum class MarkDomain : std::uint32_t {};

/// What is known about an entry when it is made.
struct EntryInit {
  KeyPrefixRef prefix;
  ByteView parameters;
  std::uint64_t hash = 0;
  MarkDomain domain{};
  std::uint64_t generation = 0;
  std::span<const TargetId> targets;
  MonotonicTime loaded;
  MonotonicTime expires = MonotonicTime::max();
  /// How long it may be of use after that.
  std::chrono::nanoseconds grace{};
  /// It depends on more than anybody reports.
  bool unverified = false;
};

class EntryRef;

namespace detail {

/// How to treat values of one type. Registered once per type, so that an entry names it in 16 bits.
struct StoredKind {
  void (*destroy)(void* values, std::size_t count) noexcept;
  std::size_t size;
  std::size_t alignment;
};
/// Throws ConfigError at the 65,536th type.
[[nodiscard]] std::uint16_t register_kind(const StoredKind& kind);
[[nodiscard]] const StoredKind& kind_of(std::uint16_t id) noexcept;

template <class T>
[[nodiscard]] std::uint16_t stored_kind() {
  static const std::uint16_t id = register_kind({[](void* values, std::size_t count) noexcept {
                                                   std::destroy_n(static_cast<T*>(values), count);
                                                 },
                                                 sizeof(T), alignof(T)});
  return id;
}

}  // namespace detail

/// A cached value, or a row of values of one type, with its key, its targets and its stamp, in one
/// allocation: targets, header, parameters, values. Immutable except for the stamp's generation,
/// which only grows, and what eviction notes. Whoever holds an EntryRef may use the value, evicted
/// or not.
///
/// What a hit looks at lies together: the last 48 bytes of the header, the parameters, the value.
class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] KeyView key() const noexcept {
    return {prefix_.get(), {parameters_begin(), parameters_size_}};
  }
  [[nodiscard, gnu::always_inline]] bool has_key(const KeyView& key) const noexcept {
    return prefix_.get() == key.prefix && parameters_size_ == key.parameters.size() &&
           detail::same_bytes(parameters_begin(), key.parameters.data(), key.parameters.size());
  }
  /// The key's hash as the index uses it.
  [[nodiscard]] std::uint32_t hash() const noexcept {
    return static_cast<std::uint32_t>(hash_high_) << 16U | static_cast<std::uint32_t>(hash_low_);
  }
  /// From the 64 bits of `KeyView::hash()`.
  [[nodiscard]] static std::uint32_t fold(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>((hash * 0x9E3779B97F4A7C15ULL) >> 32U);
  }
  [[nodiscard]] MarkDomain domain() const noexcept { return domain_; }
  [[nodiscard]] std::span<const TargetId> targets() const noexcept {
    return {std::launder(reinterpret_cast<const TargetId*>(this)) - target_count_, target_count_};
  }
  /// True if all of `targets` are among the entry's.
  [[nodiscard]] bool carries(std::span<const TargetId> targets) const noexcept;
  /// Both to 4.1 µs, rounded down.
  [[nodiscard]] MonotonicTime loaded() const noexcept { return from_ticks(loaded_); }
  /// Since the load began; zero for a reader that had looked at the clock before.
  [[nodiscard]] std::chrono::nanoseconds age(MonotonicTime now) const noexcept {
    const MonotonicTime from = loaded();
    return now > from ? now - from : std::chrono::nanoseconds(0);
  }
  [[nodiscard]] MonotonicTime expires() const noexcept {
    return expires_ == kNever ? MonotonicTime::max() : from_ticks(expires_);
  }
  /// `expires() <= now`, without the conversion.
  [[nodiscard]] bool expired_at(MonotonicTime now) const noexcept {
    return static_cast<std::int64_t>(expires_) <= now.time_since_epoch().count() >> kTickShift;
  }
  /// Until when it may be of use to anybody: `expires()`, and its grace.
  [[nodiscard]] MonotonicTime useful_until() const noexcept {
    return has_outside_ ? detail::after(expires(), outside()->grace) : expires();
  }
  [[nodiscard]] bool unverified() const noexcept { return unverified_; }
  /// Bytes that this entry takes: its allocation, the value's own heap memory, its place in the
  /// index. The prefix is counted once, by its table.
  [[nodiscard]] std::size_t charge() const noexcept;
  /// Bytes of the prefix, if it goes with this entry.
  [[nodiscard]] std::size_t prefix_charge() const noexcept {
    return prefix_->has_one_owner() ? prefix_->charge() : 0;
  }

  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_relaxed);
  }
  /// Raises the stamp to `generation`: the value was seen to include every invalidation of its
  /// targets up to there. A plain store, without a compare-and-swap: when two threads raise at
  /// once, the lower may win, which is just as true and costs one more look at the marks.
  void raise_generation(std::uint64_t generation) const noexcept {
    if (generation_.load(std::memory_order_relaxed) < generation)
      generation_.store(generation, std::memory_order_relaxed);
  }
  /// The first value.
  [[nodiscard]] const void* value() const noexcept {
    return value_aligned_to(std::size_t{1} << align_log2_);
  }
  /// The same for who knows the type.
  template <class T>
  [[nodiscard]] const T* value_as() const noexcept {
    return static_cast<const T*>(value_aligned_to(alignof(T)));
  }
  /// How many values.
  [[nodiscard]] std::size_t count() const noexcept {
    return count_ < kCountOutside ? count_ : outside()->count;
  }

 private:
  friend class EntryRef;
  friend class EntryQueue;
  friend class MemoryTier;
  friend EntryRef make_raw_entry(const EntryInit&, std::uint16_t, std::size_t, std::size_t,
                                 void (*)(void*, void*) noexcept, void*);

  /// Kept in front of the targets by entries that need it.
  struct Outside {
    std::size_t heap_bytes;
    std::size_t count;
    std::chrono::nanoseconds grace;
  };
  static constexpr std::uint16_t kCountOutside = 0xFFFF;
  static constexpr unsigned kTickShift = 12;  // a tick is 4,096 ns; 48 bits of them are 36 years
  static constexpr std::uint64_t kNever = Packed48::kMax;

  Entry(const EntryInit& init, std::uint16_t kind, std::size_t count, bool outside) noexcept;
  ~Entry() = default;
  void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  void destroy() const noexcept;
  [[nodiscard]] std::size_t block_bytes() const noexcept;
  [[nodiscard]] static MonotonicTime from_ticks(std::uint64_t ticks) noexcept {
    return MonotonicTime(std::chrono::nanoseconds(static_cast<std::int64_t>(ticks << kTickShift)));
  }
  [[nodiscard]] static std::uint64_t to_ticks(MonotonicTime time) noexcept;
  [[nodiscard]] const void* value_aligned_to(std::size_t alignment) const noexcept {
    return reinterpret_cast<const char*>(
        (reinterpret_cast<std::uintptr_t>(parameters_begin()) + parameters_size_ + alignment - 1) &
        ~(alignment - 1));
  }
  [[nodiscard]] static std::size_t front_bytes(std::size_t targets, bool outside) noexcept {
    return (outside ? sizeof(Outside) : 0) +
           (targets * sizeof(TargetId) + alignof(Entry) - 1) / alignof(Entry) * alignof(Entry);
  }
  [[nodiscard]] const char* front() const noexcept {
    return reinterpret_cast<const char*>(this) - front_bytes(target_count_, has_outside_);
  }
  [[nodiscard]] const Outside* outside() const noexcept {
    return reinterpret_cast<const Outside*>(front());
  }
  [[nodiscard]] const char* parameters_begin() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }

  // Guarded by the shard's mutex while resident; what retired entries are chained by.
  mutable Packed48 next_;
  mutable Packed48 previous_;
  mutable std::atomic<std::uint32_t> references_{1};
  // From here on what a hit looks at.
  mutable std::atomic<std::uint64_t> generation_;
  KeyPrefixRef prefix_;
  std::uint64_t expires_ : 48;  // ticks, as loaded_
  std::uint64_t hash_high_ : 16;
  std::uint64_t loaded_ : 48;
  std::uint64_t hash_low_ : 16;
  std::uint32_t parameters_size_;
  MarkDomain domain_;
  std::uint16_t target_count_;
  std::uint16_t kind_;
  std::uint16_t count_;
  std::uint8_t align_log2_ : 4;
  std::uint8_t has_outside_ : 1;
  std::uint8_t unverified_ : 1;
  // Hits since eviction last looked, up to 5, and the queue it is in. Relaxed: a lost mark costs a
  // chance. Readers only raise the mark; the queue is changed under the shard's mutex.
  mutable std::atomic<std::uint8_t> visits_{0};
};
static_assert(sizeof(Entry) == 64);

/// Shared ownership of an entry: a hazard of the thread that found it, which costs no write to the
/// entry, or a counted reference. Copies count.
class EntryRef {
 public:
  EntryRef() noexcept = default;
  /// Takes over one counted reference.
  static EntryRef adopt(const Entry* entry) noexcept { return {entry, nullptr}; }
  /// Adds a counted reference. Requires that somebody holds one during the call.
  static EntryRef share(const Entry* entry) noexcept {
    if (entry != nullptr) entry->add_reference();
    return {entry, nullptr};
  }
  /// Takes over a hazard that protects the entry.
  static EntryRef guard(const Entry* entry, Hazard& hazard) noexcept { return {entry, &hazard}; }
  EntryRef(const EntryRef& other) noexcept : entry_(other.entry_) {
    if (entry_ != nullptr) entry_->add_reference();
  }
  EntryRef(EntryRef&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)),
        hazard_(std::exchange(other.hazard_, nullptr)) {}
  EntryRef& operator=(EntryRef other) noexcept {
    std::swap(entry_, other.entry_);
    std::swap(hazard_, other.hazard_);
    return *this;
  }
  ~EntryRef() {
    if (hazard_ != nullptr)
      clear_hazard(*hazard_);
    else if (entry_ != nullptr)
      entry_->drop_reference();
  }

  explicit operator bool() const noexcept { return entry_ != nullptr; }
  const Entry& operator*() const noexcept { return *entry_; }
  const Entry* operator->() const noexcept { return entry_; }
  [[nodiscard]] const Entry* get() const noexcept { return entry_; }
  /// The (first) value. Requires that the entry was made with this type.
  template <class T>
  [[nodiscard]] const T& value() const noexcept {
    return *entry_->value_as<T>();
  }
  /// All values. Requires that the entry was made with this type.
  template <class T>
  [[nodiscard]] std::span<const T> values() const noexcept {
    return {entry_->value_as<T>(), entry_->count()};
  }

 private:
  friend class MemoryTier;
  EntryRef(const Entry* entry, Hazard* hazard) noexcept : entry_(entry), hazard_(hazard) {}
  /// Gives up ownership of a counted reference, counting one first if need be.
  [[nodiscard]] const Entry* release_counted() && noexcept;

  const Entry* entry_ = nullptr;
  Hazard* hazard_ = nullptr;
};

/// The untyped part of making an entry: `move` builds the values from `source` in place.
[[nodiscard]] EntryRef make_raw_entry(const EntryInit& init, std::uint16_t kind, std::size_t count,
                                      std::size_t heap_bytes,
                                      void (*move)(void* to, void* source) noexcept, void* source);

/// Makes an entry that owns `value`. `heap_bytes` is what the value holds outside itself. Throws
/// ConfigError for more than `kMaxTargets` targets or parameters of 1 GiB or more; std::bad_alloc.
template <class T>
[[nodiscard]] EntryRef make_entry(const EntryInit& init, T value, std::size_t heap_bytes) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  static_assert(alignof(T) <= alignof(std::max_align_t), "over-aligned values can't be cached");
  const auto move = [](void* to, void* source) noexcept {
    new (to) T(std::move(*static_cast<T*>(source)));
  };
  return make_raw_entry(init, detail::stored_kind<T>(), 1, heap_bytes, move, &value);
}

/// Makes an entry that owns the values, side by side inside itself. `heap_bytes` is what they hold
/// outside themselves. Throws as `make_entry` does.
template <class T>
[[nodiscard]] EntryRef make_array_entry(const EntryInit& init, std::vector<T> values,
                                        std::size_t heap_bytes) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  static_assert(alignof(T) <= alignof(std::max_align_t), "over-aligned values can't be cached");
  const auto move = [](void* to, void* source) noexcept {
    auto& from = *static_cast<std::vector<T>*>(source);
    std::uninitialized_move_n(from.begin(), from.size(), static_cast<T*>(to));
  };
  return make_raw_entry(init, detail::stored_kind<T>(), values.size(), heap_bytes, move, &values);
}

}  // namespace querymark
