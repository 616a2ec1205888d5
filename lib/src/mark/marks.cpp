#include "querymark/mark/marks.hpp"

#include <algorithm>
#include <bit>
#include <vector>

// States and orders.
//
// generation_ G is the number of batches applied. To apply a batch an applier holds apply_mutex_,
// writes the cells of all its targets (and the flush mark) with G + 1 by relaxed stores, then
// publishes G + 1 with release. A reader that loads generation_ = g with acquire therefore sees
// every mark with a generation
// <= g. It may see marks of g + 1 early: they exceed every stamp <= g, so they can only cost a
// miss. The coarse filter is written like the cells, with the same generations: one of its cells is
// never behind the mark of a target that falls into it.
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
//   apply_own first: pair remembered -> apply_log skips and forgets it
//   apply_log first: cursor covers the position -> apply_own drops the pair
// Staged or doubtful intents never enter own_; apply_log applies them again.
//
// apply_next moves the cursor without a read of the log, and may do so while a read is in flight
// that began at an older cursor. What that read returns is still right: apply_page and apply_log
// pass over the rows that the cursor has come to cover, because whatever the cursor covers has been
// applied, and apply_log never moves the cursor back.
//
// Lock order: apply_mutex_, then cursor_mutex_.

namespace querymark {

Marks::Marks(std::size_t cells)
    : table_(cells),
      coarse_mask_(std::bit_floor(std::clamp<std::size_t>(cells / 4, 16, 16 * 1024)) - 1),
      coarse_(std::make_unique<std::atomic<std::uint64_t>[]>(coarse_mask_ + 1)) {}

bool Marks::unchanged_since(std::uint64_t stamp, std::span<const TargetId> targets) const noexcept {
  if (flush_generation_.load(std::memory_order_relaxed) > stamp) return false;
  return std::ranges::all_of(targets, [&](TargetId target) {
    return coarse(target).load(std::memory_order_relaxed) <= stamp ||
           table_.generation(target) <= stamp;
  });
}

Stamp Marks::begin_load() const {
  Stamp stamp{.generation = generation(), .shared = {}};
  const std::lock_guard lock(cursor_mutex_);
  stamp.shared = {cursor_.epoch, cursor_.snapshot.horizon(), cursor_.last_write};
  return stamp;
}

std::optional<std::uint64_t> Marks::judge(const SharedStamp& stamp,
                                          std::span<const TargetId> targets) const {
  const std::uint64_t seen = generation();
  {
    const std::lock_guard lock(cursor_mutex_);
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

void Marks::publish(std::span<const MarkUpdate> updates) {
  if (updates.empty()) return;
  const std::uint64_t next = generation_.load(std::memory_order_relaxed) + 1;
  for (const MarkUpdate& update : updates) {
    if (update.is_flush()) {
      flush_generation_.store(next, std::memory_order_relaxed);
      if (flush_position_.load(std::memory_order_relaxed) < update.position.value)
        flush_position_.store(update.position.value, std::memory_order_relaxed);
    } else {
      coarse(*update.target).store(next, std::memory_order_relaxed);
      table_.raise(*update.target, next, update.position);
    }
  }
  generation_.store(next, std::memory_order_release);
}

void Marks::apply_own(Epoch epoch, std::span<const MarkUpdate> updates) {
  const std::lock_guard lock(apply_mutex_);
  const Cursor at = cursor();
  std::vector<MarkUpdate> fresh;
  for (MarkUpdate update : updates) {
    if (epoch != at.epoch) {
      update.position = at.snapshot.limit();
    } else {
      if (at.snapshot.covers(update.position)) continue;
      own_.insert(update);
    }
    fresh.push_back(update);
  }
  publish(fresh);
}

void Marks::apply_unconfirmed(std::span<const MarkUpdate> updates) {
  const std::lock_guard lock(apply_mutex_);
  const Position limit = cursor().snapshot.limit();
  std::vector<MarkUpdate> positioned(updates.begin(), updates.end());
  for (MarkUpdate& update : positioned)
    if (update.position == Position{}) update.position = limit;
  publish(positioned);
}

bool Marks::apply_next(const Cursor& from, std::span<const MarkUpdate> updates,
                       const Cursor& upto) {
  const std::lock_guard lock(apply_mutex_);
  if (cursor() != from) return false;
  publish(updates);
  forget_covered(upto);
  const std::lock_guard cursor_lock(cursor_mutex_);
  cursor_ = upto;
  return true;
}

void Marks::apply_rows(const Cursor& at, std::span<const MarkUpdate> updates) {
  std::vector<MarkUpdate> fresh;
  for (const MarkUpdate& update : updates)
    if (!at.snapshot.covers(update.position) && own_.erase(update) == 0) fresh.push_back(update);
  publish(fresh);
}

void Marks::apply_page(Epoch epoch, std::span<const MarkUpdate> updates) {
  const std::lock_guard lock(apply_mutex_);
  const Cursor at = cursor();
  if (epoch == at.epoch) apply_rows(at, updates);
}

void Marks::apply_log(std::span<const MarkUpdate> updates, const Cursor& upto) {
  const std::lock_guard lock(apply_mutex_);
  const Cursor at = cursor();
  if (upto.epoch != at.epoch || upto.snapshot.limit() < at.snapshot.limit() ||
      upto.snapshot.horizon() < at.snapshot.horizon())
    return;
  apply_rows(at, updates);
  forget_covered(upto);
  const std::lock_guard cursor_lock(cursor_mutex_);
  cursor_ = upto;
}

void Marks::learn_history(Epoch epoch, std::span<const MarkUpdate> updates,
                          std::optional<Position> floor) {
  const std::lock_guard lock(apply_mutex_);
  if (cursor().epoch != epoch) return;
  for (const MarkUpdate& update : updates) {
    if (!update.is_flush())
      table_.raise_position(*update.target, update.position);
    else if (flush_position_.load(std::memory_order_relaxed) < update.position.value)
      flush_position_.store(update.position.value, std::memory_order_relaxed);
  }
  const std::lock_guard cursor_lock(cursor_mutex_);
  if (floor && *floor < floor_) floor_ = *floor;
}

void Marks::restart(const Cursor& now) {
  const std::lock_guard lock(apply_mutex_);
  own_.clear();
  const std::uint64_t next = generation_.load(std::memory_order_relaxed) + 1;
  flush_generation_.store(next, std::memory_order_relaxed);
  generation_.store(next, std::memory_order_release);
  const std::lock_guard cursor_lock(cursor_mutex_);
  if (now.epoch != cursor_.epoch) {
    table_.clear_positions();
    flush_position_.store(0, std::memory_order_release);
  }
  cursor_ = now;
  floor_ = now.snapshot.limit();
  restarts_.fetch_add(1, std::memory_order_relaxed);
}

void Marks::forget_covered(const Cursor& cursor) {
  std::erase_if(own_, [&](const MarkUpdate& own) { return cursor.snapshot.covers(own.position); });
}

Cursor Marks::cursor() const {
  const std::lock_guard lock(cursor_mutex_);
  return cursor_;
}

Position Marks::floor() const {
  const std::lock_guard lock(cursor_mutex_);
  return floor_;
}

std::size_t Marks::remembered() const {
  const std::lock_guard lock(apply_mutex_);
  return own_.size();
}

}  // namespace querymark
