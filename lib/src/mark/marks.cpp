#include "querymark/mark/marks.hpp"

#include <algorithm>
#include <bit>
#include <new>

// States and orders.
//
// generation_ G is the number of batches applied. To apply a batch an applier holds apply_mutex_,
// writes the cells of all its targets (and the flush mark) with G + 1 by relaxed stores, then
// publishes G + 1 with release. A reader that loads generation_ = g with acquire therefore sees
// every mark of a generation up to g. It may see marks of g + 1 early: they exceed every stamp up
// to g, so they can only cost a miss. The coarse filter is written like the cells, with the same
// generations: one of its cells is never behind the mark of a target that falls into it.
//
// A hit compares stamp == generation() first: equal means that no batch was published since the
// stamp was taken. Otherwise it reads the cells (`unchanged_since`) and may raise the stamp to the
// g it had read *before* the look, never to a later one: a batch published during the look is
// looked at next time.
//
// A load takes its stamp before it asks the database: generation first (acquire), then epoch and
// horizon under cursor_mutex_. Appliers publish the generation before the cursor, so a horizon
// never claims a position whose mark the generation lacks. After a restart the two halves may
// disagree (old generation, new horizon): such a value is dead in memory by the restart's flush
// mark, and right for a shared tier, because the adapter drains its old connections before it calls
// restart().
//
// own_ holds the (position, target) pairs of own acknowledged commits that were applied before the
// log showed them. It, the cells and the cursor change under apply_mutex_, so each pair is applied
// once:
//   apply_own first: pair published, then remembered -> apply_log skips and forgets it
//   apply_log first: cursor covers the position -> apply_own drops the pair
// Staged or doubtful intents never enter own_; apply_log applies them again. So does what is not
// remembered for want of room.
//
// own_positions_ holds the positions of those own commits all of whose rows are remembered: what
// the marks include is the cursor and these. They are published after the pairs, and leave when the
// cursor covers them.
//
// apply_next moves the cursor without a read of the log, and may do so while a read is in flight
// that began at an older cursor. What that read returns is still right: apply_page and apply_log
// pass over the rows that the cursor has come to cover, because whatever the cursor covers has been
// applied, and apply_log never moves the cursor back.
//
// times_ holds when batches were applied. What the log tells of after it was not reached for max_lag was
// committed nobody knows when: then nothing up to that batch has a time any more.
//
// Lock order: apply_mutex_, then cursor_mutex_.

namespace querymark {

Marks::Marks(std::size_t cells, const Clock* clock)
    : table_(cells),
      times_(std::clamp<std::size_t>(cells / 8, 64, kMostTimes), clock),
      coarse_mask_(std::bit_floor(std::clamp<std::size_t>(cells / 4, 16, std::size_t{16} * 1024)) -
                   1),
      coarse_(std::make_unique<std::atomic<std::uint64_t>[]>(coarse_mask_ + 1)) {}

bool Marks::unchanged_since(std::uint64_t stamp, std::span<const TargetId> targets) const noexcept {
  if (flush_generation_.load(std::memory_order_relaxed) > stamp) return false;
  return std::ranges::all_of(targets, [&](TargetId target) {
    return coarse(target).load(std::memory_order_relaxed) <= stamp ||
           table_.generation(target) <= stamp;
  });
}

std::optional<TargetId> Marks::changed_since(std::uint64_t stamp,
                                             std::span<const TargetId> targets) const noexcept {
  const auto found = std::ranges::find_if(
      targets, [&](TargetId target) { return table_.generation(target) > stamp; });
  if (found == targets.end() || flushed_since(stamp)) return std::nullopt;
  return *found;
}

std::optional<bool> Marks::told_since(MonotonicTime when, TargetId target) const noexcept {
  const std::uint64_t last = table_.generation(target);
  if (last == 0) return false;
  const auto time = times_.of(last, [this] { return generation(); });
  if (!time) return std::nullopt;
  return *time >= when;
}

Stamp Marks::begin_load() const {
  Stamp stamp{.generation = generation(), .shared = {}};
  const MutexLock lock(cursor_mutex_);
  stamp.shared = {cursor_.epoch, cursor_.snapshot.horizon(), cursor_.last_write};
  return stamp;
}

std::optional<std::uint64_t> Marks::judge(const SharedStamp& stamp,
                                          std::span<const TargetId> targets) const {
  const std::uint64_t seen = generation();
  {
    const MutexLock lock(cursor_mutex_);
    if (stamp.epoch != cursor_.epoch || stamp.horizon < floor_) return std::nullopt;
  }
  const auto below = [&](Position known) { return known < stamp.horizon; };
  if (flush_position_.load(std::memory_order_acquire) >= stamp.horizon.value) return std::nullopt;
  if (!std::ranges::all_of(targets, [&](TargetId t) { return below(table_.position(t)); }))
    return std::nullopt;
  // A restart during the look may have cleared positions; its flush mark, stored before, tells.
  if (!unchanged_since(seen, targets)) return std::nullopt;
  return seen;
}

bool Marks::ahead(const SharedStamp& stamp) const {
  const MutexLock lock(cursor_mutex_);
  return stamp.epoch == cursor_.epoch && stamp.horizon > cursor_.snapshot.limit();
}

// One generation's worth of marks: raises them one by one and publishes at its end, if there were
// any. Allocates nothing, so nothing can come between an invalidation and its publication.
class Marks::Batch {
 public:
  enum class From : bool { process, log };

  explicit Batch(Marks& marks, From from = From::process) noexcept
      : marks_(marks), next_(marks.generation_.load(std::memory_order_relaxed) + 1), from_(from) {}
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() {
    if (!any_) return;
    marks_.times_.note(next_);
    if (from_ == From::log && is_late()) marks_.times_.forget_upto(next_);
    marks_.generation_.store(next_, std::memory_order_release);
  }

  void add(const MarkUpdate& update, Position position) noexcept {
    any_ = true;
    if (update.is_flush()) {
      marks_.flush_generation_.store(next_, std::memory_order_relaxed);
      if (marks_.flush_position_.load(std::memory_order_relaxed) < position.value)
        marks_.flush_position_.store(position.value, std::memory_order_relaxed);
      if (position == update.position && position != Position{}) {  // its own
        marks_.told_flush_.position.store(position.value, std::memory_order_relaxed);
        marks_.told_flush_.generation.store(next_, std::memory_order_release);
      }
    } else {
      marks_.coarse(*update.target).store(next_, std::memory_order_relaxed);
      marks_.table_.raise(*update.target, next_, position);
    }
  }
  void add(std::span<const MarkUpdate> updates) noexcept {
    for (const MarkUpdate& update : updates) add(update, update.position);
  }

 private:
  // Whether the trust had ended when it came.
  [[nodiscard]] bool is_late() const noexcept {
    const auto time = marks_.times_.of(next_, [this] { return next_; });
    return time && !marks_.trusted(*time);
  }

  Marks& marks_;
  std::uint64_t next_;
  From from_;
  bool any_ = false;
};

void Marks::apply_own(Epoch epoch, std::span<const MarkUpdate> updates,
                      std::optional<Position> whole) noexcept {
  const MutexLock lock(apply_mutex_);
  const Snapshot& at = applied().snapshot;
  const bool known_epoch = epoch == applied().epoch;
  {
    Batch batch(*this);
    if (known_epoch && updates.size() > kMaxOwnRows) {
      Position last;
      for (const MarkUpdate& update : updates)
        if (!at.covers(update.position)) last = std::max(last, update.position);
      if (last != Position{}) batch.add({.target = std::nullopt, .position = last}, last);
    } else {
      for (const MarkUpdate& update : updates) {
        if (!known_epoch)
          batch.add({.target = update.target, .position = {}}, at.limit());
        else if (!at.covers(update.position))
          batch.add(update, update.position);
      }
    }
  }
  // Only what is published may be remembered: a pair that is skipped in the log without having been
  // applied would be an invalidation lost.
  if (known_epoch && updates.size() <= kMaxOwnRows) remember(updates, whole);
}

void Marks::remember(std::span<const MarkUpdate> updates, std::optional<Position> whole) noexcept {
  if (own_.size() + updates.size() > kMaxRemembered) return;
  try {
    for (const MarkUpdate& update : updates)
      if (!applied().snapshot.covers(update.position)) own_.insert(update);
    if (!whole || applied().snapshot.covers(*whole)) return;
    const MutexLock lock(cursor_mutex_);
    own_positions_.insert(*whole);
    own_ahead_.store(true, std::memory_order_release);
  } catch (const std::bad_alloc&) {
    return;  // what is not remembered is applied once more
  }
}

void Marks::apply_unconfirmed(std::span<const MarkUpdate> updates) noexcept {
  const MutexLock lock(apply_mutex_);
  const Position limit = applied().snapshot.limit();
  Batch batch(*this);
  for (const MarkUpdate& update : updates)
    batch.add(update, update.position == Position{} ? limit : update.position);
}

bool Marks::apply_next(const Cursor& from, std::span<const MarkUpdate> updates,
                       const Cursor& upto) {
  Cursor next = upto;  // allocates, so before anything changes
  const MutexLock lock(apply_mutex_);
  if (applied() != from) return false;
  Batch(*this).add(updates);
  move_cursor(next);
  return true;
}

void Marks::apply_rows(std::span<const MarkUpdate> updates) noexcept {
  Batch batch(*this, Batch::From::log);
  for (const MarkUpdate& update : updates)
    if (!applied().snapshot.covers(update.position) && own_.erase(update) == 0)
      batch.add(update, update.position);
}

void Marks::apply_page(Epoch epoch, std::span<const MarkUpdate> updates) {
  const MutexLock lock(apply_mutex_);
  if (epoch == applied().epoch) apply_rows(updates);
}

void Marks::apply_log(std::span<const MarkUpdate> updates, const Cursor& upto) {
  Cursor next = upto;
  const MutexLock lock(apply_mutex_);
  if (upto.epoch != applied().epoch || !upto.snapshot.contains(applied().snapshot)) return;
  apply_rows(updates);
  move_cursor(next);
}

void Marks::move_cursor(Cursor& upto) noexcept {
  forget_covered(upto.snapshot);
  const MutexLock lock(cursor_mutex_);
  std::swap(cursor_, upto);
  const Snapshot& covered = cursor_.snapshot;
  std::erase_if(own_positions_, [&](Position own) { return covered.covers(own); });
  own_ahead_.store(!own_positions_.empty(), std::memory_order_release);
}

void Marks::learn_history(Epoch epoch, std::span<const MarkUpdate> updates,
                          std::optional<Position> floor) {
  const MutexLock lock(apply_mutex_);
  if (applied().epoch != epoch) return;
  for (const MarkUpdate& update : updates) {
    if (!update.is_flush())
      table_.raise_position(*update.target, update.position);
    else if (flush_position_.load(std::memory_order_relaxed) < update.position.value)
      flush_position_.store(update.position.value, std::memory_order_relaxed);
  }
  const MutexLock cursor_lock(cursor_mutex_);
  if (floor && *floor < floor_) floor_ = *floor;
}

void Marks::restart(const Cursor& now) {
  Cursor next = now;
  const Position limit = now.snapshot.limit();
  const MutexLock lock(apply_mutex_);
  own_.clear();
  const std::uint64_t generation = generation_.load(std::memory_order_relaxed) + 1;
  flush_generation_.store(generation, std::memory_order_relaxed);
  times_.forget_upto(generation);
  generation_.store(generation, std::memory_order_release);
  const MutexLock cursor_lock(cursor_mutex_);
  if (next.epoch != cursor_.epoch) {
    table_.clear_positions();
    flush_position_.store(0, std::memory_order_release);
    told_flush_.generation.store(0, std::memory_order_release);
  }
  std::swap(cursor_, next);
  own_positions_.clear();
  own_ahead_.store(false, std::memory_order_release);
  floor_ = limit;
  restarts_.fetch_add(1, std::memory_order_relaxed);
}

void Marks::forget_covered(const Snapshot& snapshot) noexcept {
  const auto above =
      own_.lower_bound(MarkUpdate{.target = std::nullopt, .position = snapshot.horizon()});
  own_.erase(own_.begin(), above);
  // Few: what this process has written while an older transaction runs.
  std::erase_if(own_, [&](const MarkUpdate& own) { return snapshot.covers(own.position); });
}

Cursor Marks::cursor() const {
  const MutexLock lock(cursor_mutex_);
  return cursor_;
}

bool Marks::includes(const Epoch& epoch, Position position) const {
  const MutexLock lock(cursor_mutex_);
  return cursor_.epoch == epoch &&
         (cursor_.snapshot.covers(position) || own_positions_.contains(position));
}

bool Marks::includes_all(const Epoch& epoch, Position position) const {
  const MutexLock lock(cursor_mutex_);
  return cursor_.epoch == epoch && cursor_.snapshot.horizon() > position;
}

Position Marks::floor() const {
  const MutexLock lock(cursor_mutex_);
  return floor_;
}

std::size_t Marks::remembered() const {
  const MutexLock lock(apply_mutex_);
  return own_.size();
}

}  // namespace querymark
