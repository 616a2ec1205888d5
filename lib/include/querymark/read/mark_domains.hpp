#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "querymark/memory/entry.hpp"
#include "querymark/support/mutex.hpp"

// For the read path alone; here because CacheCore holds it.

namespace querymark {

class Marks;

/// Which marks judge which entries of a cache, and what their tables take of its memory.
/// Thread-safe. `is_dead` runs under a shard's mutex, so nothing here waits for one.
class MarkDomains {
 public:
  explicit MarkDomains(std::size_t memory_bytes) noexcept : memory_bytes_(memory_bytes) {}

  /// How many cells a further mark table gets, if its source asks for none (0): never none, and the
  /// less the later it comes. Throws ConfigError when it asks for more than there is room for.
  [[nodiscard]] std::size_t cells(std::size_t asked) const;
  /// From here on entries of the domain returned are judged by `marks`. Throws ConfigError when the
  /// tables would leave the entries too little.
  [[nodiscard]] MarkDomain add(const Marks& marks);
  void remove(MarkDomain domain) noexcept;

  /// True when the marks refuse the entry, or its source has gone.
  [[nodiscard]] bool is_dead(const Entry& entry) const;
  [[nodiscard]] bool empty() const;
  /// What all tables take.
  [[nodiscard]] std::size_t bytes() const;
  /// The worst estimate of all tables (see CacheStats).
  [[nodiscard]] double false_invalidation_estimate() const;

 private:
  [[nodiscard]] std::size_t bytes_locked() const QUERYMARK_REQUIRES_SHARED(mutex_);

  const std::size_t memory_bytes_;
  mutable SharedMutex mutex_;
  std::map<MarkDomain, const Marks*> marks_ QUERYMARK_GUARDED_BY(mutex_);
  std::uint32_t last_ QUERYMARK_GUARDED_BY(mutex_) = 0;
};

}  // namespace querymark
