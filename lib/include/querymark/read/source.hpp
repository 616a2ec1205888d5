#pragma once  // For writers of ports.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "querymark/key/key.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/read/analyses.hpp"
#include "querymark/read/audit.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/failing_loads.hpp"
#include "querymark/read/flight.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/support/life.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/tier/stamp_proof.hpp"

namespace querymark {

class Subscriber;

/// What a process does with its cache when it has not reached the log for max_lag (rule 2).
enum class Lagging : std::uint8_t {
  bypass,          ///< Read the database.
  serve_degraded,  ///< Serve hits, with the status `degraded`.
};

struct SourceOptions {
  Scope scope{};
  TimeSpan default_ttl{std::chrono::minutes(5)};  ///< Zero: nothing is served without a ttl.
  Lagging lagging = Lagging::bypass;
  /// Cells of the mark table. Zero: `MarkTable::kDefaultSize`, in a small cache a quarter of its
  /// memory, and for each further source a quarter of what is left of half its memory.
  std::size_t mark_cells = 0;
  /// Refuse a cached query that declares no tag and no tagger: nothing but its key could make it
  /// stale. (They are counted in `CacheStats::untagged` in any case.)
  bool require_tags = false;
  LoadBudget load_budget{};
  /// Of queries that do not say otherwise.
  Tags tagging = Tags::declared;
  AuditOptions audit{};
};

/// What a read that may use the cache asks memory for.
struct Lookup {
  const CallKey& call;
  const ReadOptions& options;
  /// The entry must carry these. Empty where targets are a function of the key.
  std::span<const TargetId> required{};
};

/// One database (or other origin of data) in one namespace, as the cache sees it: its marks, its
/// scope, its loads in flight, its shared tiers; and the path of a hit. What memory can't serve is
/// a ReadMachine's. Adapters own one each.
///
/// Thread-safe, except that tiers are attached before the first read.
class Source {
 public:
  /// The cache must outlive the source. Throws ConfigError for a namespace that can't travel, a
  /// negative default_ttl, and mark cells beyond the cache's memory.
  Source(Cache& cache, SourceOptions options);
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  [[nodiscard]] Cache& cache() const noexcept { return cache_; }
  [[nodiscard]] Marks& marks() noexcept { return marks_; }
  [[nodiscard]] const Marks& marks() const noexcept { return marks_; }
  [[nodiscard]] const SourceOptions& options() const noexcept { return options_; }

  /// How old a value may be that such a read is served.
  [[nodiscard]] std::chrono::nanoseconds max_age(const ReadOptions& options) const noexcept {
    if (!options.ttl) [[unlikely]]
      return options_.default_ttl;
    return *options.ttl;
  }
  /// Whether such a read is never served or kept: the cache is off, or the query, or its ttl is zero.
  [[nodiscard]] bool disabled(const ReadOptions& options) const noexcept {
    return !cache_.enabled() || !options.cached || max_age(options).count() <= 0;
  }

  /// Whether the database says what makes such a read stale.
  [[nodiscard]] bool automatic(const ReadOptions& options) const noexcept {
    return options.tagging.value_or(options_.tagging) == Tags::automatic;
  }
  [[nodiscard]] Analyses& analyses() noexcept { return analyses_; }

  /// False for a read without tags where they are required.
  [[nodiscard]] bool admits(const ReadOptions& options) const noexcept {
    return !options_.require_tags || automatic(options) || !options.tags.empty() ||
           !options.row_tags.empty();
  }

  /// Who feeds the marks from the log, and is asked by reads that must be fresher than memory happens
  /// to be; without one, the marks know of every write. It outlives the source's last read.
  void follow_by(Subscriber& subscriber) noexcept { subscriber_ = &subscriber; }
  [[nodiscard]] Subscriber* subscriber() const noexcept { return subscriber_; }

  /// Consulted on a miss, in the order of attachment. `proof` outlives the source; without one,
  /// values from above what this process has seen of the log are refused. Throws ConfigError after
  /// the first read, which others may be in the middle of. Requires a tier.
  void attach(std::shared_ptr<SharedTier> tier, StampProof* proof = nullptr);
  [[nodiscard]] const std::vector<std::shared_ptr<SharedTier>>& tiers() const noexcept {
    return tiers_;
  }

  /// Cancels its loads in the background, and blocks until those that run have ended. Before what they
  /// load from goes.
  void end_background() noexcept;

  /// Over when the source is.
  [[nodiscard]] Life::Watch life() const noexcept { return life_->watch(); }

  /// `session`: the key's part for what the session pins, where that is not the source's. `name`: what
  /// its reads are counted under.
  [[nodiscard]] KeyPrefixRef prefix(std::string_view stored_type, KeyPrefix::Form form,
                                    std::string_view text, std::string_view caller_scope = {},
                                    const std::string* session = nullptr,
                                    std::string_view name = {}) const;

  /// The hit path: true, with `found` set, if memory has an entry that may be served now; else its
  /// outcome says what was refused. Requires that `found` is empty. Lock-free, unless it meets a dead
  /// entry; does not allocate.
  [[nodiscard]] bool find(const Lookup& lookup, ReadResult& found) noexcept;
  /// Before some keys are looked for one after the other: what that will touch is fetched, so that
  /// memory is waited for once.
  void expect(std::span<const CallKey> calls) const noexcept {
    cache_.core().memory.prefetch(calls);
  }
  /// `find` for a few keys of one query whose targets are a function of the key; one look at the clock
  /// judges all. `found` has a place for each, and those without an entry afterwards are misses.
  /// Requires that all of it is empty.
  void find_each(std::span<const CallKey> calls, const ReadOptions& options,
                 std::span<ReadResult* const> found) noexcept;

  // --- for the read machine
  /// Whether an entry may be served, and if not, why.
  enum class Verdict : std::uint8_t { fresh, other_domain, expired, targets_differ, invalidated };
  /// The same answers, for people: an invalidation counts before all else, and no stamp is raised.
  [[nodiscard]] Verdict glance(const Entry& entry, MonotonicTime now,
                               std::chrono::nanoseconds max_age,
                               std::span<const TargetId> required) const noexcept;
  /// Judges by this source's marks and the caller's own demands; raises the stamp of what is fresh.
  [[nodiscard]] Verdict verdict(const Entry& entry, MonotonicTime now,
                                std::chrono::nanoseconds max_age,
                                std::span<const TargetId> required) const noexcept;
  /// What memory has of a key, whatever its age, if this source's marks judge it and it carries
  /// `required`; null if nothing. The handle is counted: held as long as one likes.
  [[nodiscard]] EntryRef find_old(const CallKey& call, std::span<const TargetId> required) noexcept;
  /// How far an entry is from being served as a hit.
  struct Old {
    std::chrono::nanoseconds past_ttl{};  ///< Negative: within it.
    /// An invalidation has reached it, or may have, as far as this process knows the log.
    bool outdated = false;
    std::optional<MonotonicTime> outdated_since{};  ///< Then. Nothing: nobody knows.
  };
  [[nodiscard]] Old judge_old(const Entry& entry, std::chrono::nanoseconds max_age,
                              MonotonicTime now) const noexcept;
  /// What this source's entries carry, so that its marks judge them.
  [[nodiscard]] MarkDomain domain() const noexcept { return domain_; }
  [[nodiscard]] FlightTable& flights() noexcept { return flights_; }
  /// By their task's key.
  [[nodiscard]] FailingLoads& failing_refreshes() noexcept { return failing_refreshes_; }
  /// By their query, where its policy asks for it.
  [[nodiscard]] FailingLoads& failing_queries() noexcept { return failing_queries_; }
  [[nodiscard]] StampProof* proof() const noexcept { return proof_; }
  /// A read has come as far as the tiers: from now on none is attached.
  void note_read() noexcept {
    if (!read_before_.load(std::memory_order_relaxed)) read_before_.store(true);
  }

 private:
  [[nodiscard]] inline bool find_at(MonotonicTime now, const Lookup& lookup,
                                    ReadResult& found) noexcept;
  /// Counts why, and drops the entry if nobody can use it any more.
  [[gnu::cold]] Refused refuse(const Entry& entry, Verdict verdict, const Lookup& lookup,
                               MonotonicTime now) noexcept;
  [[gnu::cold, gnu::noinline]] void note_hot(const CallKey& call) noexcept;
  void note_death(const Entry& entry, const CallKey& call) noexcept;

  Cache& cache_;
  SourceOptions options_;
  Marks marks_;
  MarkDomain domain_;
  Analyses analyses_{marks_};
  FlightTable flights_;
  FailingLoads failing_refreshes_;
  FailingLoads failing_queries_;
  std::atomic<bool> read_before_{false};  // from then on nothing changes tiers_
  std::vector<std::shared_ptr<SharedTier>> tiers_;
  StampProof* proof_ = nullptr;
  Subscriber* subscriber_ = nullptr;
  std::optional<Life> life_{std::in_place};
};

inline Source::Verdict Source::glance(const Entry& entry, MonotonicTime now,
                                      std::chrono::nanoseconds max_age,
                                      std::span<const TargetId> required) const noexcept {
  if (entry.domain() != domain_) return Verdict::other_domain;
  if (!marks_.unchanged_since(entry.generation(), entry.targets())) return Verdict::invalidated;
  if (entry.expired_at(now) || entry.age(now) >= max_age) return Verdict::expired;
  if (!entry.carries(required)) return Verdict::targets_differ;
  return Verdict::fresh;
}

inline Source::Verdict Source::verdict(const Entry& entry, MonotonicTime now,
                                       std::chrono::nanoseconds max_age,
                                       std::span<const TargetId> required) const noexcept {
  if (entry.domain() != domain_) return Verdict::other_domain;
  // The entry's TTL is its loader's; a caller with a shorter one gets what it asked for.
  if (entry.expired_at(now) || entry.age(now) >= max_age) return Verdict::expired;
  // Targets belong to the hit: a target that the entry does not carry was never looked at for it.
  if (!required.empty() && !entry.carries(required)) return Verdict::targets_differ;
  const std::uint64_t generation = marks_.generation();
  const std::uint64_t stamp = entry.generation();
  if (stamp >= generation) return Verdict::fresh;
  if (!marks_.unchanged_since(stamp, entry.targets())) return Verdict::invalidated;
  entry.raise_generation(generation);
  return Verdict::fresh;
}

}  // namespace querymark
