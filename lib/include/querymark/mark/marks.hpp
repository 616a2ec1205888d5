#pragma once  // For writers of ports.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "querymark/mark/batch_times.hpp"
#include "querymark/mark/mark_table.hpp"
#include "querymark/mark/mark_update.hpp"
#include "querymark/mark/snapshot.hpp"
#include "querymark/mark/stamp.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// The marks of one database history in one namespace: the one place where "is this value stale?"
/// is decided. Holds the mark table, the flush mark, the subscriber's cursor, the floor, and the
/// memory of own commits that the log has yet to show.
///
/// Thread-safe. Judging a hit takes no lock. Applying takes one mutex; `begin_load`, `judge` and
/// the cursor take a second, short one.
class Marks {
 public:
  /// More rows of one own write than this are applied as one flush.
  static constexpr std::size_t kMaxOwnRows = 10'000;
  /// Most (position, target) pairs that are remembered until the log shows them.
  static constexpr std::size_t kMaxRemembered = 100'000;

  /// Most batches of which they know when they were applied; fewer where there are few cells.
  static constexpr std::size_t kMostTimes = 2048;

  /// With a clock, which must outlive them, they know when the last batches were applied.
  explicit Marks(std::size_t cells = MarkTable::kDefaultSize, const Clock* clock = nullptr);

  // --- hits
  /// The last published generation. An entry whose stamp equals it can't be stale.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }
  /// True when no target (nor everything) was invalidated after `stamp`. A caller that wants to
  /// raise an entry's stamp afterwards must have read `generation()` before this call.
  [[nodiscard]] bool unchanged_since(std::uint64_t stamp,
                                     std::span<const TargetId> targets) const noexcept;
  /// The first of these that was, for people: nothing, too, when everything was.
  [[nodiscard]] std::optional<TargetId> changed_since(
      std::uint64_t stamp, std::span<const TargetId> targets) const noexcept;
  /// True when everything was.
  [[nodiscard]] bool flushed_since(std::uint64_t stamp) const noexcept {
    return flush_generation_.load(std::memory_order_relaxed) > stamp;
  }
  /// Where in the log, for people: the position of the latest flush there that was applied after the
  /// stamp. Nothing: there was none, since a restart or a local flush has none.
  [[nodiscard]] std::optional<Position> flushed_at(std::uint64_t stamp) const noexcept {
    if (told_flush_.generation.load(std::memory_order_acquire) <= stamp) return std::nullopt;
    return Position{told_flush_.position.load(std::memory_order_relaxed)};
  }
  /// Whether an invalidation of this target, or of one that shares its cell, was applied at that time or
  /// later, for people; what invalidates everything does not count. Nothing: nobody knows any more.
  [[nodiscard]] std::optional<bool> told_since(MonotonicTime when, TargetId target) const noexcept;
  /// When the first batch after this stamp was applied: no invalidation that the stamp lacks is older.
  /// Nothing: too many have come since, or the marks were restarted, so that nobody knows. Takes no
  /// lock.
  [[nodiscard]] std::optional<MonotonicTime> outdated_since(std::uint64_t stamp) const noexcept {
    return times_.of(stamp + 1, [this] { return generation(); });
  }
  /// False once the last contact with the log is older than max_lag allows (rule 2).
  [[nodiscard]] bool trusted(MonotonicTime now) const noexcept {
    return now.time_since_epoch().count() < trusted_until_.load(std::memory_order_acquire);
  }

  // --- loads
  /// The stamp for a load that asks the database after this call. Never blocks on an applier's
  /// work.
  [[nodiscard]] Stamp begin_load() const;
  /// Judges a value from a shared tier, or from an older snapshot, by its position stamp: the
  /// generation to stamp it with in memory, or nothing when it is stale, of another epoch, or below
  /// the floor (rule 3).
  [[nodiscard]] std::optional<std::uint64_t> judge(const SharedStamp& stamp,
                                                   std::span<const TargetId> targets) const;
  /// True when the stamp is of this epoch, and lies above all that the cursor knows to have been
  /// given out: taken by a process that has read further, or in a future that was lost.
  [[nodiscard]] bool ahead(const SharedStamp& stamp) const;

  // --- appliers
  /// Applies an own, acknowledged commit before the log shows it, and remembers each (position,
  /// target), so that the log's copy is skipped. What the cursor covers already is dropped: the log
  /// was faster. A commit of another epoch is applied as an unpositioned one and not remembered.
  /// Nor is what would exceed the bounds above, or what memory lacks for: the log then applies it
  /// once more, which costs misses alone.
  /// `whole`: the updates are all that the transaction at this position has put into the log, so
  /// that the marks include it from now on, ahead of the cursor.
  void apply_own(Epoch epoch, std::span<const MarkUpdate> updates,
                 std::optional<Position> whole = std::nullopt) noexcept;
  /// Applies intents whose commit is in doubt or merely staged: never remembered, so the log
  /// applies them again. Updates at position 0 get the cursor's limit, which keeps shared tiers out
  /// of the way until the cursor has passed it.
  void apply_unconfirmed(std::span<const MarkUpdate> updates) noexcept;
  /// Applies an own, acknowledged commit and moves the cursor from `from` to `upto`, between which
  /// the log must hold nothing but these updates. False, with nothing done, when the cursor is not
  /// at `from` any more.
  [[nodiscard]] bool apply_next(const Cursor& from, std::span<const MarkUpdate> updates,
                                const Cursor& upto);
  /// Applies a page of the log that others will follow: the cursor stays. Of another epoch:
  /// ignored.
  void apply_page(Epoch epoch, std::span<const MarkUpdate> updates);
  /// Applies the last page of the log and moves the cursor to `upto`. A page whose end does not
  /// contain the cursor is ignored: the cursor never goes back within an epoch. So is each row that
  /// the cursor covers.
  void apply_log(std::span<const MarkUpdate> updates, const Cursor& upto);
  /// Learns positions that lie below the cursor, and lowers the floor to `floor` when every row of
  /// the log from there to the current floor was given.
  void learn_history(Epoch epoch, std::span<const MarkUpdate> updates,
                     std::optional<Position> floor);
  /// Invalidates everything and starts again at `now`: start, a new epoch, or a log pruned past the
  /// cursor. The floor becomes the limit of `now`'s snapshot.
  void restart(const Cursor& now);

  // --- cursor
  [[nodiscard]] Cursor cursor() const;
  /// Whether the write at this position of that epoch is applied: the cursor covers it, or it is an
  /// own one, applied as a whole. Copies nothing.
  [[nodiscard]] bool includes(const Epoch& epoch, Position position) const;
  /// Whether own writes are applied that the cursor does not cover yet: a load's stamp would lie
  /// below them, so that whoever finds the value in a shared tier took it for stale. Takes no lock.
  [[nodiscard]] bool own_ahead() const noexcept {
    return own_ahead_.load(std::memory_order_acquire);
  }
  /// Whether every write up to and including it is.
  [[nodiscard]] bool includes_all(const Epoch& epoch, Position position) const;
  [[nodiscard]] Position floor() const;
  /// Times that the marks were restarted: start, epoch changes, jumps.
  [[nodiscard]] std::uint64_t restarts() const noexcept {
    return restarts_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] MonotonicTime trusted_until() const noexcept {
    return MonotonicTime(std::chrono::nanoseconds(trusted_until_.load(std::memory_order_acquire)));
  }
  void trust_until(MonotonicTime deadline) noexcept {
    trusted_until_.store(deadline.time_since_epoch().count(), std::memory_order_release);
  }
  /// What the marks take, untouched pages included.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return table_.bytes() + (coarse_mask_ + 1) * sizeof(std::uint64_t) + times_.bytes();
  }
  [[nodiscard]] const MarkTable& table() const noexcept { return table_; }
  /// Own (position, target) pairs that the log has yet to show.
  [[nodiscard]] std::size_t remembered() const;

 private:
  [[nodiscard]] std::atomic<std::uint64_t>& coarse(TargetId target) const noexcept {
    return coarse_[static_cast<std::uint32_t>(target) & coarse_mask_];
  }
  class Batch;
  void apply_rows(std::span<const MarkUpdate> updates) noexcept QUERYMARK_REQUIRES(apply_mutex_);
  void remember(std::span<const MarkUpdate> updates, std::optional<Position> whole) noexcept
      QUERYMARK_REQUIRES(apply_mutex_);
  void forget_covered(const Snapshot& snapshot) noexcept QUERYMARK_REQUIRES(apply_mutex_);
  void move_cursor(Cursor& upto) noexcept QUERYMARK_REQUIRES(apply_mutex_);
  // For appliers: it changes under both mutexes, so each of them is enough to read it.
  [[nodiscard]] const Cursor& applied() const noexcept
      QUERYMARK_REQUIRES(apply_mutex_) QUERYMARK_UNCHECKED {
    return cursor_;
  }

  MarkTable table_;
  BatchTimes times_;
  // Per cell the highest generation of any target that falls into it: most looks end here. At most
  // 128 KiB, which stay in a core's own cache.
  std::size_t coarse_mask_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> coarse_;
  // Written for each batch, read by each hit; the lines around them are not.
  alignas(64) std::atomic<std::uint64_t> generation_{1};
  std::atomic<std::uint64_t> flush_generation_{0};
  std::atomic<std::uint64_t> flush_position_{0};
  // Of the last batch with a flush that the log tells of, for people: written position first. Zero:
  // of this epoch there was none.
  struct ToldFlush {
    std::atomic<std::uint64_t> generation{0};
    std::atomic<std::uint64_t> position{0};
  };
  ToldFlush told_flush_{};
  alignas(64) std::atomic<std::int64_t> trusted_until_{0};
  std::atomic<std::uint64_t> restarts_{0};

  mutable Mutex apply_mutex_;  // appliers take turns; the stores above are made under it
  // By position, so that what a snapshot's horizon covers is a range at the front.
  struct ByPosition {
    [[nodiscard]] bool operator()(const MarkUpdate& a, const MarkUpdate& b) const noexcept {
      return std::tie(a.position, a.target) < std::tie(b.position, b.target);
    }
  };
  std::set<MarkUpdate, ByPosition> own_ QUERYMARK_GUARDED_BY(apply_mutex_);

  mutable Mutex cursor_mutex_;  // taken after apply_mutex_; both are held when these change
  Cursor cursor_ QUERYMARK_GUARDED_BY(cursor_mutex_);
  Position floor_ QUERYMARK_GUARDED_BY(cursor_mutex_){1};
  // Of own writes that are applied as a whole and that the cursor does not cover.
  std::set<Position> own_positions_ QUERYMARK_GUARDED_BY(cursor_mutex_);
  std::atomic<bool> own_ahead_{false};  // there are some
};

}  // namespace querymark
