#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "querymark/deliver/applier.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/tier/tier_metrics.hpp"
#include "querymark/tier/value_codec.hpp"

namespace querymark {

struct FileTierOptions {
  /// Bound on what the entries take, with their keys and targets. The oldest go first.
  std::size_t max_bytes = 256U << 20U;
  /// Largest single value, as it is stored and unpacked; zero: an eighth of `max_bytes`.
  std::size_t max_entry_bytes = 0;
  /// How values are written: compressed, sealed; the same in all processes.
  std::shared_ptr<const ValueCodec> codec = plain_values();
  /// Deadline of one call: longest wait for another process's lock on the file. A caller that meets
  /// it is the only one: others pass the tier by for a while.
  PatienceSpan busy_timeout{std::chrono::milliseconds(100)};
  const Clock* clock = &system_clock();
};

struct FileTierStats {
  std::uint64_t reads = 0, hits = 0;  ///< Names looked for, and found.
  std::uint64_t corrupt = 0;          ///< Values that did not decode: counted misses.
  std::uint64_t failures = 0;  ///< Reads and writes that the file refused: misses and losses.
  /// Reads and writes that did not even try: the tier was slow or failing a moment ago, or another
  /// thread was writing. Misses and losses, too.
  std::uint64_t skipped = 0;
  std::uint64_t stored = 0, evicted = 0;
  /// Times that the file was found removed, replaced or broken, and reopened.
  std::uint64_t replaced = 0;
  std::size_t entries = 0, bytes = 0;
};

template <>
struct MetricsOf<FileTierStats> {
  static constexpr std::string_view kGroup = "file_tier";
  template <class Visit>
  static void visit(const FileTierStats& stats, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    detail::visit_tier(stats, visit);
    visit({"evicted", "Values that had to make room."}, stats.evicted);
    visit({"replaced", "Times that the file was found removed, replaced or broken, and reopened."},
          stats.replaced);
    visit({"entries", "Values in the file.", gauge}, stats.entries);
    visit({"bytes", "Bytes of the values in the file.", gauge, MetricUnit::bytes}, stats.bytes);
  }
};

/// A shared tier for the processes of one host: a SQLite file of encoded result sets under their
/// SHA-256 names. It survives restarts. Readers judge what they find by their own marks, so the
/// file need not be coherent; the worker's invalidations keep it small and honest.
///
/// Nobody waits for anybody: reads have connections of their own and are not held up by writers, a
/// write that finds another one under way is dropped after a moment, and after a failure or a call
/// beyond the deadline all calls pass the tier by for 50 ms, doubling up to 5 s while it does not
/// recover. A file that is removed or replaced is noticed by the next write, and by reads a
/// millisecond later at most, and opened or made anew. One that SQLite finds broken, since somebody has cut it or its
/// log while it was open, say, is removed by whoever finds that out, and made anew.
///
/// Reads less than 250 us apart share a read transaction while nobody commits; a thread of the
/// tier's own ends it when none comes any more.
///
/// The file is created for its owner alone (0600); who shares it by several users is refused, since
/// whoever may write it decides what everybody reads.
///
/// Thread-safe. Movable; a moved-from tier may only be destroyed.
class FileTier final : public SharedTier {
 public:
  /// Opens or creates the file. Throws ConfigError when it is something else (nothing of it is
  /// touched), or when it or a file beside it (-wal, -shm, -journal) belongs to another user or can
  /// be written by others; SchemaError when a newer library made it; Error when it can't be opened.
  explicit FileTier(const std::string& path, FileTierOptions options = {});
  FileTier(FileTier&&) noexcept;
  FileTier& operator=(FileTier&&) noexcept;
  ~FileTier() override;

  [[nodiscard]] std::string_view label() const noexcept override;
  [[nodiscard]] TierLimits limits() const noexcept override;
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override;
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override;
  /// In one transaction, of up to a hundred.
  void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept override;
  /// In one transaction. Waits for other writers, up to `busy_timeout`.
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override;

  /// Removes what the invalidations hit in `namespace_name`, in one transaction. Waits for other
  /// writers, up to `busy_timeout`. Throws Error.
  void invalidate(std::string_view namespace_name, Epoch epoch,
                  std::span<const SharedInvalidation> invalidations);
  /// Writes to the file, nothing that anybody reads: throws Error where it takes nothing, since the disk is full, say.
  /// Waits as `invalidate` does.
  void check();
  /// Unless values are sealed: what the file says beside them nobody has authenticated.
  [[nodiscard]] bool names_newest() const noexcept override;
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override;
  /// Absolute path.
  [[nodiscard]] const std::string& path() const noexcept;
  /// The tier's identity: a random number that is stored in it. Another file, a copy, or the same
  /// file seen from another host has another one. Blocks when the file was replaced meanwhile. While none
  /// can be reached, that of the last one.
  [[nodiscard]] std::string id() const;
  /// Blocks as `invalidate` does. While the file can't be reached the counters alone are told: it has 0
  /// `entries` and `bytes` then.
  [[nodiscard]] FileTierStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A file tier as the worker's target: the invalidations of one namespace. Shares the tier with
/// whoever else uses it.
class FileTierApplier final : public Applier {
 public:
  FileTierApplier(std::shared_ptr<FileTier> tier, std::string namespace_name)
      : tier_(std::move(tier)), namespace_name_(std::move(namespace_name)) {}
  /// Names the tier, not its path: at the same path of another host lies another tier.
  [[nodiscard]] std::string name() const override { return "file-tier:" + tier_->id(); }
  void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) override;
  /// Writes: an invalidation that hits nothing would go well on a full disk, too. Fails after an `apply` that
  /// the disk had no room for, where less might have room.
  void control(Epoch epoch) override;

 private:
  std::shared_ptr<FileTier> tier_;
  std::string namespace_name_;
  std::exception_ptr no_room_;  // for the last `apply`
};

}  // namespace querymark
