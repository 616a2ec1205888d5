#include <algorithm>
#include <utility>

#include "querymark/log/memory_outbox.hpp"

// The deliveries of an outbox in memory. One mutex makes each call a transaction.

namespace querymark {
namespace {

using namespace std::chrono_literals;

}  // namespace

std::optional<std::chrono::milliseconds> MemoryOutbox::due_in(const Consumer& row) const {
  std::optional<std::chrono::milliseconds> least;
  const WallTime now = clock_.wall_now();
  for (const auto& [id, waiting] : row.deliveries) {
    if (!waiting.open()) continue;
    const auto left = std::max<std::chrono::milliseconds>(waiting.due_at(now) - now, 0ms);
    least = std::min(least.value_or(left), left);
  }
  return least;
}

void MemoryOutbox::owe_flush(Consumer& row, Position position) {
  row.flush_owed = std::max(row.flush_owed.value_or(position), position);
}

void MemoryOutbox::supersede(Consumer& row, const SharedInvalidation& applied, WallTime now) {
  for (auto& [id, waiting] : row.deliveries)
    if (waiting.open() && waiting.record.position <= applied.position &&
        (applied.target.is_flush() || waiting.record.target == applied.target))
      waiting.move_to(DeliveryState::superseded, now);
}

Delivery<delivery::Claimed> MemoryOutbox::claimed(Waiting& waiting, WriteId token, WallTime now) {
  Delivery<delivery::Claimed> taken = Delivery<delivery::Pending>(waiting.record).claim();
  waiting.record = taken.record();
  waiting.move_to(DeliveryState::claimed, now);
  waiting.token = token;
  return taken;
}

bool MemoryOutbox::record(const Claim& claim, const Progress& progress, OnDeath on_death) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr || claim.upto.epoch != epoch_) return false;
  if (!row->cursor || row->cursor->epoch != progress.cursor.epoch) row->flush_owed.reset();
  row->cursor = progress.cursor;
  row->attempts = 0;
  const WallTime now = clock_.wall_now();
  for (auto& [id, waiting] : row->deliveries)
    if (waiting.open() && waiting.record.epoch != epoch_)
      waiting.move_to(DeliveryState::superseded, now);
  for (const SharedInvalidation& applied : progress.applied) supersede(*row, applied, now);
  const Epoch epoch = epoch_;
  for (const LeftBehind& left : progress.left) {
    const auto known = std::ranges::find_if(row->deliveries, [&left, epoch](const auto& each) {
      const DeliveryRecord& record = each.second.record;
      return record.epoch == epoch && record.position == left.position &&
             record.target == left.target;
    });
    if (known != row->deliveries.end()) {
      known->second.stand_for(left.first_position);
      continue;
    }
    DeliveryRecord record{.id = ++last_delivery_,
                          .target = left.target,
                          .epoch = epoch_,
                          .first_position = left.first_position,
                          .position = left.position,
                          .attempts = left.target ? 1U : 0U,
                          .available_at = now + left.pause,
                          .deadline = now + progress.lifetime,
                          .last_error = left.error};
    row->deliveries.emplace(last_delivery_, Waiting{std::move(record), left.state, {}, now, now});
    if (left.target && left.state != DeliveryState::pending && on_death == OnDeath::flush)
      owe_flush(*row, left.position);
  }
  return true;
}

Deliveries::Taken MemoryOutbox::take_row(const Claim& claim, const SharedInvalidation& wanted,
                                         std::chrono::milliseconds lifetime) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return std::nullopt;
  std::vector<Delivery<delivery::Claimed>> taken;
  const WallTime now = clock_.wall_now();
  for (auto& [id, waiting] : row->deliveries) {
    const DeliveryRecord& record = waiting.record;
    if (record.epoch != claim.upto.epoch || record.position != wanted.position ||
        record.target != wanted.target)
      continue;
    waiting.stand_for(wanted.first_position);
    if (waiting.due(now)) taken.push_back(claimed(waiting, claim.token, now));
    return taken;
  }
  DeliveryRecord record{.id = ++last_delivery_,
                        .target = wanted.target,
                        .epoch = claim.upto.epoch,
                        .first_position = wanted.first_position,
                        .position = wanted.position,
                        .attempts = 0,
                        .available_at = now,
                        .deadline = now + lifetime,
                        .last_error = {}};
  const auto [at, fresh] = row->deliveries.emplace(record.id, Waiting{record, {}, {}, now, now});
  taken.push_back(claimed(at->second, claim.token, now));
  return taken;
}

Deliveries::Taken MemoryOutbox::take_due(const Claim& claim, std::size_t limit) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return std::nullopt;
  std::vector<Waiting*> due;
  const WallTime now = clock_.wall_now();
  for (auto& [id, waiting] : row->deliveries)
    if (waiting.due(now) && waiting.record.epoch == claim.upto.epoch) due.push_back(&waiting);
  std::ranges::sort(due, {}, [](const Waiting* each) {
    return std::pair(each->record.available_at, each->record.id);
  });
  if (due.size() > limit) due.resize(limit);
  std::vector<Delivery<delivery::Claimed>> taken;
  taken.reserve(due.size());
  for (Waiting* each : due) taken.push_back(claimed(*each, claim.token, now));
  return taken;
}

bool MemoryOutbox::settle(const Claim& claim, std::span<const Settled> outcomes, OnDeath on_death) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return false;
  for (const Settled& outcome : outcomes) {
    const auto found = row->deliveries.find(outcome.id);
    if (found == row->deliveries.end() || found->second.state != DeliveryState::claimed ||
        found->second.token != claim.token)
      continue;
    Waiting& waiting = found->second;
    if (!outcome.error.empty()) waiting.record.last_error = outcome.error;
    switch (outcome.as) {
      case Settled::As::applied:
        row->deliveries.erase(found);
        break;
      case Settled::As::pending:
        waiting.move_to(DeliveryState::pending, clock_.wall_now());
        waiting.record.available_at = clock_.wall_now() + outcome.pause;
        break;
      case Settled::As::unclaimed:
        waiting.move_to(DeliveryState::pending, clock_.wall_now());
        if (waiting.record.attempts > 0) --waiting.record.attempts;
        break;
      case Settled::As::dead:
      case Settled::As::expired:
        waiting.move_to(
            outcome.as == Settled::As::dead ? DeliveryState::dead : DeliveryState::expired,
            clock_.wall_now());
        if (on_death == OnDeath::flush) owe_flush(*row, waiting.record.position);
        break;
    }
  }
  return true;
}

bool MemoryOutbox::pay_flush(const Claim& claim, Position position) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return false;
  if (row->flush_owed && claim.flush_owed && *row->flush_owed <= *claim.flush_owed)
    row->flush_owed.reset();
  supersede(*row, {flush_all(), position, {}}, clock_.wall_now());
  return true;
}

bool MemoryOutbox::forgive(const Claim& claim, const std::string& /*reason*/) {
  const MutexLock lock(mutex_);
  Consumer* row = held(claim);
  if (row == nullptr) return false;
  if (row->attempts > 0) --row->attempts;
  return true;
}

std::vector<DeliveryRow> MemoryOutbox::list(const DeliveryFilter& filter) {
  const MutexLock lock(mutex_);
  std::vector<DeliveryRow> rows;
  for (const auto& [name, consumer] : consumers_) {
    if (!filter.consumer.empty() && filter.consumer != name) continue;
    for (const auto& [id, waiting] : consumer.deliveries) {
      const bool wanted =
          (filter.states.empty() ||
           std::ranges::find(filter.states, waiting.state) != filter.states.end()) &&
          waiting.record.last_error.find(filter.error) != std::string::npos && id > filter.after;
      if (wanted)
        rows.push_back(
            {waiting.state, waiting.record, name, waiting.created_at, waiting.changed_at});
    }
  }
  std::ranges::sort(rows, {}, [](const DeliveryRow& row) { return row.record.id; });
  if (rows.size() > filter.limit) rows.resize(filter.limit);
  return rows;
}

std::vector<std::uint64_t> MemoryOutbox::decide(std::span<const SeenDelivery> seen,
                                                Decision decision) {
  const MutexLock lock(mutex_);
  std::vector<std::uint64_t> moved;
  const WallTime now = clock_.wall_now();
  for (const SeenDelivery& each : seen) {
    const auto to = decided(each.state, decision);
    for (auto& [name, consumer] : consumers_) {
      const auto found = consumer.deliveries.find(each.id);
      if (!to || found == consumer.deliveries.end() || found->second.state != each.state) continue;
      Waiting& waiting = found->second;
      DeliveryRecord& record = waiting.record;
      if (decision == Decision::retry) {
        if (record.epoch != epoch_ || !record.target) continue;
        record.attempts = 0;
        record.available_at = now;
        record.deadline = now + (record.deadline - waiting.created_at);
        waiting.created_at = now;
      }
      waiting.move_to(*to, now);
      moved.push_back(each.id);
    }
  }
  return moved;
}

LogCoverage MemoryOutbox::coverage(Position first, Position last) {
  const MutexLock lock(mutex_);
  LogCoverage found{.end = end(), .consumers = {}};
  for (const auto& [name, row] : consumers_) {
    ConsumerCoverage& consumer = found.consumers.emplace_back();
    consumer.name = name;
    consumer.cursor = row.cursor;
    consumer.flush_owed = row.flush_owed;
    for (const auto& [id, waiting] : row.deliveries) {
      const DeliveryRecord& record = waiting.record;
      if (record.epoch != epoch_ || record.position < first || record.first_position > last ||
          waiting.state == DeliveryState::superseded)
        continue;
      consumer.gaps.push_back({record.first_position, record.position, !waiting.open()});
    }
    consumer.more_gaps = consumer.gaps.size() >= kMaxGaps;
  }
  return found;
}

}  // namespace querymark
