#pragma once

#include <atomic>
#include <cstddef>

#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/memory_tier.hpp"
#include "querymark/observe/hot_list.hpp"
#include "querymark/observe/query_table.hpp"
#include "querymark/read/mark_domains.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

// For the read path alone; here because Cache holds it.

namespace querymark {

/// What all sources of one cache share. For the read path; users have `Cache`. Thread-safe.
struct CacheCore {
  CacheCore(std::size_t memory_bytes, const Clock& time);
  CacheCore(const CacheCore&) = delete;
  CacheCore& operator=(const CacheCore&) = delete;
  ~CacheCore() = default;

  /// A source comes, whose marks take their room from the entries. Throws ConfigError when there is
  /// none left.
  [[nodiscard]] MarkDomain attach(const Marks& marks);
  /// It goes, and its entries with it; what its marks took comes back with the next one's coming.
  void detach(MarkDomain domain) noexcept;
  /// True when nobody can be served the entry any more.
  [[nodiscard]] bool is_dead(const Entry& entry) const;

  const std::size_t memory_bytes;
  const Clock& clock;
  QueryTable queries;  // what prefixes count in
  PrefixTable prefixes{&queries};
  MarkDomains domains;
  MemoryTier memory;
  HotLists hot;
  std::atomic<bool> enabled{true};

 private:
  Mutex attach_mutex_;  // sources come one after the other; before a shard's mutex
};

}  // namespace querymark
