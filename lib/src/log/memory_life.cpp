#include <algorithm>

#include "querymark/log/memory_outbox.hpp"

// Who follows an outbox in memory, and what may go of it. One mutex makes each call a transaction.

namespace querymark {

std::chrono::milliseconds MemoryOutbox::since(MonotonicTime then) const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - then);
}

void MemoryOutbox::enter(const SubscriberEntry& entry) {
  const MutexLock lock(mutex_);
  subscribers_[entry.id] = {{.entry = entry, .beat = 1, .cursor = std::nullopt}, clock_.now()};
}

Beaten MemoryOutbox::beaten(const Heartbeat& beat, const Cursor& cursor) {
  Beaten answer;
  if (const auto found = subscribers_.find(beat.id); found != subscribers_.end()) {
    ++found->second.row.beat;
    found->second.row.cursor = cursor;
    found->second.heard = clock_.now();
    answer.known = true;
  }
  if (beat.count_live) answer.live = subscribers_.size();
  return answer;
}

Beaten MemoryOutbox::beat(SubscriberId id, const Cursor& cursor) {
  const MutexLock lock(mutex_);
  return beaten({.id = id, .count_live = true}, cursor);
}

void MemoryOutbox::leave(SubscriberId id) {
  const MutexLock lock(mutex_);
  subscribers_.erase(id);
}

std::vector<SubscriberRow> MemoryOutbox::subscribers() {
  const MutexLock lock(mutex_);
  std::vector<SubscriberRow> rows;
  for (const auto& [id, following] : subscribers_) {
    rows.push_back(following.row);
    rows.back().age = since(following.heard);
  }
  return rows;
}

bool MemoryOutbox::reap(SubscriberId id, std::uint64_t seen) {
  const MutexLock lock(mutex_);
  const auto found = subscribers_.find(id);
  if (found == subscribers_.end() || found->second.row.beat != seen) return false;
  subscribers_.erase(found);
  return true;
}

void MemoryOutbox::ask_report() {
  if (on_ask_report) on_ask_report();
}

LogExtent MemoryOutbox::extent() {
  const MutexLock lock(mutex_);
  const auto kept = std::ranges::lower_bound(rows_, floor_, {}, &LogRow::position);
  LogExtent extent{.epoch = epoch_,
                   .now = end().snapshot,
                   .pruned = Snapshot::upto(Position{floor_.value - 1}),
                   .rows = static_cast<std::uint64_t>(rows_.end() - kept),
                   .leftover = static_cast<std::uint64_t>(kept - rows_.begin())};
  for (const auto& [name, consumer] : consumers_)
    extent.holders.push_back({LogHolder::Kind::consumer, namespace_name_, name, consumer.cursor});
  for (const auto& [id, following] : subscribers_)
    if (since(following.heard) <= following.row.entry.lease)
      extent.holders.push_back({LogHolder::Kind::subscriber, namespace_name_,
                                following.row.entry.for_people(), following.row.cursor});
  for (const Recorded& recorded : recorded_)
    extent.recorded.push_back({recorded.snapshot, since(recorded.at)});
  return extent;
}

bool MemoryOutbox::record_snapshot(std::chrono::milliseconds apart,
                                   std::chrono::milliseconds keep) {
  const MutexLock lock(mutex_);
  if (!recorded_.empty() && since(recorded_.back().at) < apart) return false;
  recorded_.push_back({end().snapshot, clock_.now()});
  // The newest of those that are old enough stays.
  const auto young = std::ranges::find_if(
      recorded_, [&](const Recorded& recorded) { return since(recorded.at) < keep; });
  if (young - recorded_.begin() > 1) recorded_.erase(recorded_.begin(), young - 1);
  return true;
}

bool MemoryOutbox::allow(Epoch epoch, const Snapshot& snapshot) {
  const MutexLock lock(mutex_);
  if (epoch != epoch_) return false;
  floor_ = std::max(floor_, snapshot.limit());
  return true;
}

Removed MemoryOutbox::remove(std::size_t limit) {
  const MutexLock lock(mutex_);
  const auto end = std::ranges::lower_bound(rows_, floor_, {}, &LogRow::position);
  const auto may_go = static_cast<std::size_t>(end - rows_.begin());
  const std::size_t goes = std::min(limit, may_go);
  rows_.erase(rows_.begin(), rows_.begin() + static_cast<std::ptrdiff_t>(goes));
  return {.rows = goes, .more = goes < may_go};
}

std::size_t MemoryOutbox::remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) {
  const MutexLock lock(mutex_);
  const WallTime since = clock_.wall_now() - keep;
  std::size_t removed = 0;
  for (auto& [name, consumer] : consumers_)
    removed += std::erase_if(consumer.deliveries, [&, left = limit - removed](auto& each) mutable {
      const Waiting& delivery = each.second;
      const bool decided = delivery.state == DeliveryState::superseded ||
                           delivery.state == DeliveryState::cancelled ||
                           delivery.state == DeliveryState::discarded;
      if (!decided || delivery.changed_at >= since || left == 0) return false;
      --left;
      return true;
    });
  return removed;
}

}  // namespace querymark
