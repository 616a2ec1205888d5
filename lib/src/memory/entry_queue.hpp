#pragma once

#include "querymark/memory/entry.hpp"

namespace querymark {

/// A queue of resident entries, oldest first, linked through the entries themselves. Not
/// thread-safe. Owns nothing.
class EntryQueue {
 public:
  /// `id` is written into the entries, 0 to 3.
  explicit EntryQueue(unsigned id) noexcept : id_(id) {}

  [[nodiscard]] const Entry* oldest() const noexcept { return oldest_; }
  [[nodiscard]] static const Entry* next(const Entry& entry) noexcept {
    return pointer(entry.next_);
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return oldest_ == nullptr; }
  /// Requires that the entry is in a queue.
  [[nodiscard]] bool holds(const Entry& entry) const noexcept {
    return (entry.previous_.get() & kIdBits) == id_;
  }

  void push(const Entry& entry, std::size_t charge) noexcept {
    entry.previous_ = pack(newest_, id_);
    entry.next_ = {};
    if (newest_ != nullptr)
      newest_->next_ = pack(&entry, 0);
    else
      oldest_ = &entry;
    newest_ = &entry;
    bytes_ += charge;
  }
  void remove(const Entry& entry, std::size_t charge) noexcept {
    const Entry* const before = pointer(entry.previous_);
    const Entry* const after = pointer(entry.next_);
    if (before != nullptr)
      before->next_ = pack(after, 0);
    else
      oldest_ = after;
    if (after != nullptr)
      after->previous_ = pack(before, id_);
    else
      newest_ = before;
    bytes_ -= charge;
  }

 private:
  friend class RetiredEntries;
  static void set_next(const Entry& entry, Packed48 next) noexcept { entry.next_ = next; }
  static void clear_next(const Entry& entry) noexcept { entry.next_ = {}; }
  static constexpr std::uint64_t kIdBits = 3;  // entries are aligned to 8
  [[nodiscard]] static Packed48 pack(const Entry* entry, unsigned id) noexcept {
    return Packed48(reinterpret_cast<std::uintptr_t>(entry) | id);
  }
  [[nodiscard]] static const Entry* pointer(Packed48 packed) noexcept {
    return reinterpret_cast<const Entry*>(packed.get() & ~kIdBits);
  }

  unsigned id_;
  const Entry* oldest_ = nullptr;
  const Entry* newest_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Entries that left the index and wait until no reader protects them. Owns the index's references.
/// Not thread-safe.
class RetiredEntries {
 public:
  RetiredEntries() noexcept = default;
  RetiredEntries(RetiredEntries&& other) noexcept { append(std::move(other)); }
  RetiredEntries& operator=(RetiredEntries&&) = delete;
  ~RetiredEntries();

  void add(const Entry& entry, std::size_t charge) noexcept;
  void append(RetiredEntries&& other) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  /// Of prefixes that nobody else owned when the entries came.
  [[nodiscard]] std::size_t prefix_bytes() const noexcept { return prefix_bytes_; }
  /// Drops the references of those that no reader protects; keeps the others. May run destructors
  /// of values, which are user code: hold no lock.
  void release() noexcept;

 private:
  const Entry* first_ = nullptr;
  const Entry* last_ = nullptr;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::size_t prefix_bytes_ = 0;
};

}  // namespace querymark
