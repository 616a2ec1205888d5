#pragma once  // For users.

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/observe/cache_stats.hpp"
#include "querymark/observe/hot_stats.hpp"
#include "querymark/observe/query_stats.hpp"
#include "querymark/read/cache_core.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

class Metrics;
class Offload;
class Source;
class Target;
template <class T>
class Cached;
namespace detail {
template <class Handle>
struct BegunRead;
}
struct Explanation;
struct ReadOptions;

struct CacheOptions {
  std::string name = "querymark";
  /// Everything counts: keys, SQL texts, values, tags, overhead, and the mark tables of the
  /// databases attached. Those take half of it at most, unless there are very many.
  std::size_t memory_bytes = 256U << 20U;
  const Clock* clock = &system_clock();
  /// Where queries load in the background whose policies do; null: no policy may. See Offload.
  std::shared_ptr<Offload> offload{};
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
  void set_enabled(bool enabled) noexcept {
    core_.enabled.store(enabled, std::memory_order_relaxed);
  }
  [[nodiscard]] bool enabled() const noexcept {
    return core_.enabled.load(std::memory_order_relaxed);
  }

  /// A value by its own key name, for any database client that has no adapter; see
  /// `get_or_load.hpp`. What makes such values stale is told by `invalidate`. The first call adds a
  /// mark table of up to 1 MiB.
  template <class T, class Load>
  [[nodiscard]] Cached<T> get_or_load(std::string_view name, const ReadOptions& options,
                                      Load&& load);
  /// For drivers: what memory has, or else the read that is yet to be run. Does not block.
  template <class T, class Load>
  [[nodiscard]] detail::BegunRead<Cached<T>> begin_get_or_load(std::string_view name,
                                                               const ReadOptions& options,
                                                               Load load);
  /// Why such a value is served or not, asked with the same options; see `Explanation`.
  template <class T>
  [[nodiscard]] Explanation explain(std::string_view name, const ReadOptions& options);
  /// Invalidates values of this cache's own `get_or_load`, in this process. Returns when no later
  /// read can see them. Databases have their own, durable way: `write`.
  void invalidate(const Target& target);

  /// Drops all entries that are expired or invalidated; returns how many. Linear in the entries.
  std::size_t purge();
  [[nodiscard]] CacheStats stats() const;
  /// What each query has come to since the start, of those that were read: first those that have a name
  /// (`.name("…")`), then those that go by their SQL. What is beyond 256 and 128 of them is `(other)`.
  [[nodiscard]] std::vector<QueryStats> query_stats() const { return core_.queries.stats(); }
  /// The keys and tags to which most happens, `most` of each. Counted where that costs nothing that can be
  /// noticed, in bounded room: see HotSpot. They show values, of parameters and in tags.
  [[nodiscard]] HotStats hot(std::size_t most = 10) const;
  /// Begins to count them anew.
  void forget_hot();
  /// Adds them under the labels `cache` and `of` (reads, misses, deaths, killers).
  void add_hot_metrics(Metrics& metrics, std::size_t most = 10) const;
  /// Adds both under the label `cache`.
  void add_metrics(Metrics& metrics) const;
  [[nodiscard]] const std::string& name() const noexcept { return options_.name; }
  [[nodiscard]] const CacheOptions& options() const noexcept { return options_; }
  [[nodiscard]] const Clock& clock() const noexcept { return core_.clock; }
  /// What sources share: for the read path alone.
  [[nodiscard]] CacheCore& core() noexcept { return core_; }

 private:
  [[nodiscard]] Source& local();

  CacheOptions options_;
  CacheCore core_;
  std::once_flag local_once_;
  std::unique_ptr<Source> local_;  // serves get_or_load; made at its first call
};

}  // namespace querymark
