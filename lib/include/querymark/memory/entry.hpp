#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "querymark/key/key.hpp"
#include "querymark/support/clock.hpp"

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
};

class EntryRef;

/// A cached value with its key, its targets and its stamp, in one allocation: header, targets,
/// parameters, value object. Immutable except for the stamp's generation, which only grows, and the
/// eviction mark. Shared by intrusive reference counting: whoever holds an EntryRef may use the
/// value, evicted or not.
class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  [[nodiscard]] KeyView key() const noexcept {
    return {prefix_.get(), {parameters_begin(), parameters_size_}};
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] MarkDomain domain() const noexcept { return domain_; }
  [[nodiscard]] std::span<const TargetId> targets() const noexcept {
    return {targets_begin(), target_count_};
  }
  [[nodiscard]] MonotonicTime loaded() const noexcept { return loaded_; }
  /// Since the load began; zero for a reader that had looked at the clock before.
  [[nodiscard]] std::chrono::nanoseconds age(MonotonicTime now) const noexcept {
    return now > loaded_ ? now - loaded_ : std::chrono::nanoseconds(0);
  }
  [[nodiscard]] MonotonicTime expires() const noexcept { return expires_; }
  /// Bytes that this entry takes: its allocation, the value's own heap memory, its place in the
  /// index. The prefix is counted once, by its table.
  [[nodiscard]] std::size_t charge() const noexcept { return charge_; }

  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_relaxed);
  }
  /// Raises the stamp to `generation` if that is larger: the value was seen to include every
  /// invalidation of its targets up to there.
  void raise_generation(std::uint64_t generation) const noexcept {
    std::uint64_t seen = generation_.load(std::memory_order_relaxed);
    while (seen < generation &&
           !generation_.compare_exchange_weak(seen, generation, std::memory_order_relaxed)) {
    }
  }
  [[nodiscard]] const void* value() const noexcept {
    return reinterpret_cast<const char*>(this) + value_offset_;
  }

  /// Set on a hit, cleared by the tier's eviction hand.
  mutable std::atomic<bool> visited{false};

 private:
  friend class EntryRef;
  template <class T>
  friend EntryRef make_entry(const EntryInit& init, T value, std::size_t heap_bytes);

  /// What the index spends on an entry: a slot of the hash table at its usual load, a queue node.
  static constexpr std::size_t kIndexBytes = 80;
  /// What malloc adds to a block.
  static constexpr std::size_t kMallocBytes = 16;

  Entry(const EntryInit& init, std::size_t value_offset, std::size_t charge,
        void (*destroy_value)(void*) noexcept) noexcept;
  ~Entry() = default;
  void add_reference() const noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() const noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  void destroy() const noexcept;
  [[nodiscard]] const TargetId* targets_begin() const noexcept {
    return reinterpret_cast<const TargetId*>(this + 1);
  }
  [[nodiscard]] const char* parameters_begin() const noexcept {
    return reinterpret_cast<const char*>(targets_begin() + target_count_);
  }

  mutable std::atomic<std::uint64_t> generation_;
  std::uint64_t hash_;
  KeyPrefixRef prefix_;
  MonotonicTime expires_;
  MonotonicTime loaded_;
  void (*destroy_value_)(void*) noexcept;
  std::size_t charge_;
  mutable std::atomic<std::uint32_t> references_{1};
  MarkDomain domain_;
  std::uint32_t parameters_size_;
  std::uint32_t value_offset_;
  std::uint16_t target_count_;
};

/// Shared ownership of an entry. As cheap to copy as one atomic increment.
class EntryRef {
 public:
  EntryRef() noexcept = default;
  /// Takes over one reference.
  static EntryRef adopt(const Entry* entry) noexcept { return EntryRef(entry); }
  /// Adds a reference. Requires that somebody holds one during the call.
  static EntryRef share(const Entry* entry) noexcept {
    if (entry != nullptr) entry->add_reference();
    return EntryRef(entry);
  }
  EntryRef(const EntryRef& other) noexcept : entry_(other.entry_) {
    if (entry_ != nullptr) entry_->add_reference();
  }
  EntryRef(EntryRef&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  EntryRef& operator=(EntryRef other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~EntryRef() {
    if (entry_ != nullptr) entry_->drop_reference();
  }

  explicit operator bool() const noexcept { return entry_ != nullptr; }
  const Entry& operator*() const noexcept { return *entry_; }
  const Entry* operator->() const noexcept { return entry_; }
  [[nodiscard]] const Entry* get() const noexcept { return entry_; }
  /// Gives up ownership without dropping the reference.
  [[nodiscard]] const Entry* release() noexcept { return std::exchange(entry_, nullptr); }
  /// The value. Requires that the entry was made with this type.
  template <class T>
  [[nodiscard]] const T& value() const noexcept {
    return *static_cast<const T*>(entry_->value());
  }

 private:
  explicit EntryRef(const Entry* entry) noexcept : entry_(entry) {}
  const Entry* entry_ = nullptr;
};

/// Most targets that an entry can carry.
inline constexpr std::size_t kMaxTargets = 1000;

namespace detail {
/// Throws ConfigError when the sizes don't fit an entry's header.
void check_entry_sizes(const EntryInit& init);
}  // namespace detail

/// Makes an entry that owns `value`. `heap_bytes` is what the value holds outside itself. Throws
/// ConfigError for more than `kMaxTargets` targets or parameters of 1 GiB or more; std::bad_alloc.
template <class T>
[[nodiscard]] EntryRef make_entry(const EntryInit& init, T value, std::size_t heap_bytes) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  static_assert(alignof(T) <= alignof(std::max_align_t), "over-aligned values can't be cached");
  detail::check_entry_sizes(init);
  const std::size_t raw = sizeof(Entry) + init.targets.size_bytes() + init.parameters.size();
  const std::size_t offset = (raw + alignof(T) - 1) / alignof(T) * alignof(T);
  void* memory = ::operator new(offset + sizeof(T));
  const std::size_t charge =
      offset + sizeof(T) + heap_bytes + Entry::kMallocBytes + Entry::kIndexBytes;
  auto* entry = new (memory)
      Entry(init, offset, charge, [](void* object) noexcept { static_cast<T*>(object)->~T(); });
  new (static_cast<char*>(memory) + offset) T(std::move(value));
  return EntryRef::adopt(entry);
}

}  // namespace querymark
