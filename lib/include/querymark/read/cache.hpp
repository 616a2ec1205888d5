#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/memory_tier.hpp"
#include "querymark/observe/cache_stats.hpp"
#include "querymark/observe/counter.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

class Marks;
class Source;
class Target;
template <class T>
class Cached;
struct ReadOptions;

struct CacheOptions {
  std::string name = "querymark";
  /// Everything counts: keys, SQL texts, values, tags, overhead, and the mark tables of the
  /// databases attached. Those take half of it at most, unless there are very many.
  std::size_t memory_bytes = 256U << 20U;
  const Clock* clock = &system_clock();
};

/// Memory for cached results, shared by any number of databases of one process.
///
/// Thread-safe. A cache outlives the databases and sources that use it: destroying it earlier ends
/// the process with a message. Use after fork is an error.
class Cache {
 public:
  /// Throws ConfigError for a budget below 1 MiB.
  explicit Cache(CacheOptions options = {});
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;
  ~Cache();

  /// Switches caching off (every read goes to its database, nothing is kept) and on again, at run
  /// time. What memory holds stays, and stays judged by the marks.
  void set_enabled(bool enabled) noexcept { enabled_.store(enabled, std::memory_order_relaxed); }
  [[nodiscard]] bool enabled() const noexcept { return enabled_.load(std::memory_order_relaxed); }

  /// A value by its own key name, for any database client that has no adapter; see
  /// `get_or_load.hpp`. What makes such values stale is told by `invalidate`. The first call adds a
  /// mark table of up to 1 MiB.
  template <class T, class Load>
  [[nodiscard]] Cached<T> get_or_load(std::string_view name, const ReadOptions& options,
                                      Load&& load);
  /// Invalidates values of this cache's own `get_or_load`, in this process. Returns when no later
  /// read can see them. Databases have their own, durable way: `write`.
  void invalidate(const Target& target);

  /// Drops all entries that are expired or invalidated; returns how many. Linear in the entries.
  std::size_t purge();
  [[nodiscard]] CacheStats stats() const;
  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const CacheOptions& options() const noexcept { return options_; }
  [[nodiscard]] const Clock& clock() const noexcept { return *options_.clock; }

 private:
  friend class Source;
  friend class ReadMachine;

  struct Counters {
    StripedCounter hits, degraded;
    std::atomic<std::uint64_t> shared_hits{0}, misses{0}, joined{0}, bypassed{0}, load_failures{0};
    std::atomic<std::uint64_t> expired{0}, invalidated{0}, targets_differed{0}, shared_stale{0};
    std::atomic<std::uint64_t> stored{0}, oversize{0}, late_fills{0};
  };

  [[nodiscard]] Source& local();
  /// How many cells a further source's mark table gets, if it asks for none (0). Throws ConfigError
  /// when it asks for more than there is room for.
  [[nodiscard]] std::size_t mark_cells(std::size_t asked) const;
  [[nodiscard]] std::size_t mark_bytes() const;  // of all tables; requires sources_mutex_
  MarkDomain attach(const Marks& marks, std::size_t mark_bytes);
  void detach(MarkDomain domain) noexcept;
  [[nodiscard]] bool is_dead(const Entry& entry) const;

  CacheOptions options_;
  PrefixTable prefixes_;
  MemoryTier memory_;
  Counters counters_;
  std::atomic<bool> enabled_{true};

  // Which marks judge which entries. Read by eviction under a shard's mutex, so nothing may take a
  // shard's mutex while it holds this one exclusively.
  mutable std::shared_mutex sources_mutex_;
  struct Attached {
    const Marks* marks;
    std::size_t mark_bytes;
  };
  std::map<MarkDomain, Attached> sources_;
  std::uint32_t last_domain_ = 0;

  std::once_flag local_once_;
  std::unique_ptr<Source> local_;  // serves get_or_load; made at its first call
};

}  // namespace querymark
