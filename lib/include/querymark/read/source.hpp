#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "querymark/key/key.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/flight.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark {

/// What a process does with its cache when it has not reached the log for max_lag (rule 2).
enum class Lagging : std::uint8_t {
  bypass,          ///< Read the database.
  serve_degraded,  ///< Serve hits, with the status `degraded`.
};

struct SourceOptions {
  Scope scope;
  std::chrono::nanoseconds default_ttl{std::chrono::minutes(5)};
  Lagging lagging = Lagging::bypass;
  /// Cells of the mark table; zero: the default, or a quarter of a small memory budget.
  std::size_t mark_cells = 0;
};

/// One database (or other origin of data) in one namespace, as the cache sees it: its marks, its
/// scope, its loads in flight, its shared tiers. Adapters own one each.
///
/// Thread-safe, except that tiers are attached before the first read.
class Source {
 public:
  /// The cache must outlive the source.
  Source(Cache& cache, SourceOptions options);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  [[nodiscard]] Cache& cache() const noexcept { return cache_; }
  [[nodiscard]] Marks& marks() noexcept { return marks_; }
  [[nodiscard]] const Marks& marks() const noexcept { return marks_; }
  [[nodiscard]] const SourceOptions& options() const noexcept { return options_; }

  /// Consulted on a miss, in the order of attachment.
  void attach(std::shared_ptr<SharedTier> tier);
  [[nodiscard]] const std::vector<std::shared_ptr<SharedTier>>& tiers() const noexcept {
    return tiers_;
  }

  [[nodiscard]] KeyPrefixRef prefix(std::string_view stored_type, KeyPrefix::Form form,
                                    std::string_view text,
                                    std::string_view caller_scope = {}) const;

  /// The hit path: the entry if it may be served now and is younger than `max_age`. Its targets
  /// must include `required` (empty where they are a function of the key). `outcome` is set on a
  /// hit. Neither allocates nor blocks on anything but the memory tier.
  [[nodiscard]] EntryRef find(const KeyView& key, std::uint64_t hash,
                              std::chrono::nanoseconds max_age, std::span<const TargetId> required,
                              Outcome& outcome) noexcept;

  /// Serves the request from memory, a shared tier, another's load or its own. Blocks. Throws what
  /// the load throws, and Timeout past the request's deadline while it waits for another's load.
  [[nodiscard]] ReadResult read(ReadRequest& request);

 private:
  friend class ReadMachine;
  enum class Verdict : std::uint8_t { fresh, other_domain, expired, targets_differ, invalidated };
  [[nodiscard]] Verdict judge(const Entry& entry, MonotonicTime now,
                              std::chrono::nanoseconds max_age,
                              std::span<const TargetId> required) const noexcept;

  Cache& cache_;
  SourceOptions options_;
  Marks marks_;
  MarkDomain domain_;
  FlightTable flights_;
  std::vector<std::shared_ptr<SharedTier>> tiers_;
};

}  // namespace querymark
